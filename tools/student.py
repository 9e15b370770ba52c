"""Make student copies of chapters: the same notebooks without the solutions.

    tools/student chapters/cnn/lenet.ipynb ...         into dist/student/
    tools/student --into handouts                      all of the book, somewhere else

The folded solutions and everything between their gates go; where each stood, there is room for an
answer. Exercises keep their stubs and checkers, without stored outputs. Nothing else changes.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools import book, normalise

FOLDER = book.ROOT / "dist" / "student"
ROOM = "*Your answer:*"


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook with room for an answer in place of each solution.

    Raises:
        ValueError: a gate of a solution is missing, so one can't tell what belongs to it.
    """
    student = copy.deepcopy(notebook)
    kept: list[NotebookNode] = []
    inside = exercises = False
    for cell in student.cells:
        gates = []
        if cell.cell_type == "markdown":
            gates = re.findall(r"\{solution-(start|end)\}", cell.source)
            exercises |= bool(re.search(r"^##\s+Exercises\b", cell.source, re.M))
        for gate in gates:
            if (gate == "start") == inside:
                raise ValueError(f"a {{solution-{gate}}} without its partner, in cell {cell.id}")
            inside = gate == "start"
        if "start" in gates:
            kept.append(new_markdown_cell(ROOM, id=cell.id))
        elif not inside and not gates:
            if exercises and cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            kept.append(cell)
    if inside:
        raise ValueError("the last {solution-start} has no {solution-end}")
    student.cells = kept
    return student


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/student", description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all of the book)")
    parser.add_argument(
        "--into", type=Path, default=FOLDER, help="where to (default: dist/student)"
    )
    options = parser.parse_args(arguments)
    missing = [str(path) for path in options.paths if not path.is_file()]
    if missing:
        print(f"There is no {', '.join(missing)}: name notebooks of chapters/.", file=sys.stderr)
        return 2
    return copies(book.chosen(options.paths), options.into)


def copies(paths: list[Path], into: Path) -> int:
    """Write student copies into a folder, and say so; anything but 0 if one can't be made."""
    for path in paths:
        target = into / path.parent.name / path.name
        if target.resolve() == path.resolve():
            print(f"{path} would be overwritten: choose another folder.", file=sys.stderr)
            return 2
        try:
            student = without_solutions(book.read(path))
        except book.NotANotebook as error:
            print(error, file=sys.stderr)
            return 2
        target.parent.mkdir(parents=True, exist_ok=True)
        normalise.write(student, target)
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
