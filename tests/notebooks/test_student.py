"""A student copy has everything of a chapter but its solutions."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.notebooks.test_conventions import find, good_notebook
from tools import book, normalise, student

NOTEBOOKS = book.notebooks()


def solution_text(notebook: nbformat.NotebookNode) -> list[str]:
    """The lines of a notebook's solutions that stand nowhere else in it."""
    inside, solutions, others = False, [], set()
    for cell in notebook.cells:
        if "{solution-start}" in cell.source:
            inside = True
        lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
        if inside:
            solutions += lines
        else:
            others.update(lines)
        if "{solution-end}" in cell.source:
            inside = False
    return [line for line in solutions if line not in others and len(line) > 3]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_line_of_a_solution_is_left(path: Path) -> None:
    notebook = book.read(path)
    copied = normalise.dumps(student.without_solutions(notebook))
    left = {
        line.strip() for cell in nbformat.reads(copied, 4).cells for line in cell.source.split("\n")
    }
    assert solution_text(notebook)
    assert not left & set(solution_text(notebook))
    assert "solution-start" not in copied and "solution-end" not in copied


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_everything_else_is_kept(path: Path) -> None:
    notebook = book.read(path)
    answers = {id(cell) for cell in normalise.solution_cells(notebook)}
    code = [c.source for c in notebook.cells if c.cell_type == "code" and id(c) not in answers]
    copied = student.without_solutions(notebook)
    assert [c.source for c in copied.cells if c.cell_type == "code"] == code
    exercises = sum(cell.source.count("{exercise}") for cell in notebook.cells)
    assert sum(cell.source == student.ROOM for cell in copied.cells) == exercises


def test_the_original_is_not_changed_and_a_missing_gate_is_noticed() -> None:
    notebook = good_notebook()
    before = normalise.dumps(notebook)
    student.without_solutions(notebook)
    assert normalise.dumps(notebook) == before
    notebook.cells.remove(find(notebook, "{solution-end}"))
    with pytest.raises(ValueError, match="without its partner"):
        student.without_solutions(notebook)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = NOTEBOOKS[0]
    assert student.main([str(path), "--into", str(tmp_path)]) == 0
    assert nbformat.read(tmp_path / path.parent.name / path.name, 4).cells
    assert student.main(["chapters/no/such.ipynb"]) == 2
    assert "no/such.ipynb" in capsys.readouterr().err
    assert student.main([str(path), "--into", str(path.parents[1])]) == 2
    assert "overwritten" in capsys.readouterr().err
