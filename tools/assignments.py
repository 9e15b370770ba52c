"""Build the assignments: student forms, the grader's tests, and a zip for Gradescope.

    make assignments                    all of them, into dist/assignments/
    make assignments ASSIGNMENT=cnn     one of them

A master is `assignments/<name>/<name>.ipynb`, in otter-grader's format. Of each come

    student/<name>.ipynb        the form: stubs, public checks, no solution; it needs no other file
    <name>-student.zip          the form with requirements.txt, to hand out
    autograder/                 all tests, for `make grade`
    <name>-gradescope.zip       to upload as Gradescope's autograder
    by_hand.json                the questions that people mark, with their points
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools import book, normalise

MASTERS = book.ROOT / "assignments"
BUILT = book.ROOT / "dist" / "assignments"
OTTER = "otter-grader==7.0.0"
FIRST = """\
# Run this cell first: it puts the checks beside the notebook, and installs them in Colab.
import sys
from pathlib import Path

{install}
checks = {checks}
Path("tests").mkdir(exist_ok=True)
for name, text in checks.items():
    Path("tests", f"{{name}}.py").write_text(text)

import otter

grader = otter.Notebook("{name}.ipynb", tests_dir="tests")"""
QUESTION = re.compile(r"^# BEGIN QUESTION\n(.*)", re.S)


class AssignmentError(Exception):
    """A master that can't be built; the message says what is wrong with it."""


def masters(names: list[str]) -> list[Path]:
    """The masters with these names; all, without names.

    Raises:
        AssignmentError: there is no such assignment.
    """
    there = {path.stem: path for path in sorted(MASTERS.glob("*/*.ipynb"))}
    if unknown := [name for name in names if name not in there]:
        raise AssignmentError(f"No assignment {', '.join(unknown)}; there are {', '.join(there)}.")
    return [there[name] for name in names] or list(there.values())


def settings(source: str, pattern: re.Pattern[str]) -> dict | None:
    """The YAML in the comments of a raw cell that begins as the pattern says."""
    match = pattern.match(source)
    if not match:
        return None
    return (
        yaml.safe_load("\n".join(line.removeprefix("# ") for line in match[1].splitlines())) or {}
    )


def by_hand(master: NotebookNode) -> dict[str, float]:
    """The questions that people mark, with their points."""
    found = [settings(cell.source, QUESTION) for cell in master.cells if cell.cell_type == "raw"]
    return {q["name"]: float(q["points"]) for q in found if q and q.get("manual")}


def install_cell(name: str) -> str:
    """The lines that install the helpers and otter in Colab, and nowhere else."""
    lines = book.colab_cell().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("if "))
    block = "\n".join(lines[start:]).rstrip()
    otter = f'    subprocess.run([*pip, "{OTTER}"], check=True)'
    return f"{block}\n{otter}"


def form(student: NotebookNode, name: str, tests: Path) -> NotebookNode:
    """The student form: otter's, with a first cell that brings the public checks along.

    Args:
        student: the notebook that otter made.
        name: of the assignment.
        tests: the folder with the public tests.

    Returns:
        The notebook, in canonical form.
    """
    checks = {path.stem: path.read_text(encoding="utf-8") for path in sorted(tests.glob("*.py"))}
    text = "{\n" + "".join(f"    {k!r}: {_quoted(v)},\n" for k, v in checks.items()) + "}"
    first = new_code_cell(FIRST.format(install=install_cell(name), checks=text, name=name))
    first.metadata = NotebookNode(jupyter=NotebookNode(source_hidden=True))
    kept = [
        cell
        for cell in student.cells
        if "otter.Notebook(" not in cell.source and "%pip install" not in cell.source
    ]
    student.cells = [first, *kept]
    student.metadata = NotebookNode(
        kernelspec=NotebookNode(normalise.KERNELSPEC),
        language_info=NotebookNode(normalise.LANGUAGE_INFO),
    )
    for cell in student.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        cell.id = ""
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    normalise.give_ids(student, name)
    nbformat.validate(student)
    return student


def _quoted(text: str) -> str:
    """A Python literal of a text, over several lines where that is easy to read."""
    plain = "'''" not in text and "\\" not in text
    return f"'''{text}'''" if plain else repr(text)


def requirements(grading: bool = False) -> str:
    """What a student form needs to run and to check itself, or what Gradescope installs."""
    version = book.version()
    wheel = f"deep_learning_tested-{version}-py3-none-any.whl"
    url = f"{book.repository_url()}/releases/download/v{version}/{wheel}"
    extra = OTTER.replace("otter-grader", "otter-grader[grading]") if grading else OTTER
    return f"deep-learning-tested @ {url}\n{extra}\n"


def build(master: Path, into: Path) -> Path:
    """Build one assignment.

    Args:
        master: its notebook.
        into: the folder that gets a folder for it; what was there is replaced.

    Returns:
        The assignment's folder.

    Raises:
        AssignmentError: otter refuses the master, or has nothing to test.
    """
    name = master.stem
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        shutil.copy(master, work)
        (work / "requirements.txt").write_text(requirements(grading=True))
        command = [sys.executable, "-m", "otter", "assign", master.name, "out", "--no-run-tests"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise AssignmentError(f"{master}: otter assign failed:\n{done.stderr[-2000:]}")
        out = work / "out"
        tests = out / "autograder" / "tests"
        if not list(tests.glob("*.py")):
            raise AssignmentError(f"{master}: there is no test in it.")
        student = form(book.read(out / "student" / master.name), name, out / "student" / "tests")
        normalise.write(student, out / "student" / master.name)
        shutil.rmtree(out / "student" / "tests")
        (out / "student" / "requirements.txt").write_text(requirements())
        (archive,) = (out / "autograder").glob("*.zip")
        archive.rename(out / f"{name}-gradescope.zip")
        with zipfile.ZipFile(out / f"{name}-student.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted((out / "student").iterdir()):
                file.write(path, path.name)
        hand = by_hand(book.read(master))
        (out / "by_hand.json").write_text(json.dumps(hand, indent=1) + "\n")
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(out, target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make assignments", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="of assignments (default: all)")
    parser.add_argument("--into", type=Path, default=BUILT, help="where to")
    options = parser.parse_args(arguments)
    try:
        for master in masters(options.names):
            print(build(master, options.into))
    except AssignmentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
