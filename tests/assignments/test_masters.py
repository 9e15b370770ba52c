"""Every assignment: full marks for the solution, none for the form, wrong answers get their due."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell

from tools import assignments, book

PYTHON = book.ROOT / ".venv-grading" / "bin" / "python"
MASTERS = assignments.masters([])
ANSWERS = Path(__file__).parent / "wrong_answers"


def wrong_answers(name: str) -> dict[str, dict]:
    """What students write: code that replaces the solution's, and the points that it is due."""
    return yaml.safe_load((ANSWERS / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assignments")
    command = [PYTHON, "-m", "tools.assignments", "--into", folder]
    run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module", params=MASTERS, ids=lambda path: path.stem)
def graded(request: pytest.FixtureRequest, built: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """The assignment's name, and the rows by submission."""
    name = request.param.stem
    solution = book.read(built / name / "autograder" / f"{name}.ipynb")
    handed_in = built / name / "handed-in"
    handed_in.mkdir()
    nbformat.write(solution, handed_in / "solution.ipynb")
    (handed_in / "untouched.ipynb").write_bytes(
        (built / name / "student" / f"{name}.ipynb").read_bytes()
    )
    # the experiment that a person marks takes long, and says nothing here
    quick = [cell for cell in solution.cells if "fit(" not in cell.source]
    for title, answer in wrong_answers(name).items():
        cells = [*quick, new_code_cell(answer["code"])]
        wrong = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(wrong, handed_in / f"{title}.ipynb")
    command = [PYTHON, "-m", "grading", name, handed_in, "--built", built]
    command += ["--out", built / name / "out"]
    run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0, run.stderr[-3000:]
    text = (built / name / "out" / "grades.csv").read_text(encoding="utf-8")
    return name, {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


def points(row: dict[str, str]) -> dict[str, float]:
    """Points by question, those that people give left out."""
    return {key: float(v) for key, v in row.items() if key[0] == "q" and key[1:].isdigit() and v}


def test_solution_gets_full_marks_and_the_form_none(graded: tuple) -> None:
    _, rows = graded
    solution, possible = points(rows["solution"]), points(rows["(possible)"])
    assert rows["solution"]["status"] == "graded"
    assert solution == {question: possible[question] for question in solution}
    assert set(points(rows["untouched"]).values()) == {0.0}


def test_wrong_answers_get_their_due(graded: tuple) -> None:
    name, rows = graded
    answers = wrong_answers(name)
    assert len(answers) >= 5
    full = points(rows["solution"])
    got = {title: points(rows[title]) for title in answers}
    assert got == {title: {**full, **answer["points"]} for title, answer in answers.items()}


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_a_form_has_no_line_of_a_solution_or_a_hidden_test(master: Path, built: Path) -> None:
    name = master.stem
    with zipfile.ZipFile(built / name / f"{name}-student.zip") as archive:
        handed_out = {n: archive.read(n).decode() for n in archive.namelist()}
    assert set(handed_out) == {f"{name}.ipynb", "requirements.txt"}
    student = nbformat.reads(handed_out[f"{name}.ipynb"], 4)
    shown = {line.strip() for cell in student.cells for line in cell.source.splitlines()}
    assert not shown & secret_lines(book.read(master))
    assert "hidden=True" not in handed_out[f"{name}.ipynb"]
    assert not any(cell.get("outputs") for cell in student.cells)


def secret_lines(master: nbformat.NotebookNode) -> set[str]:
    """The lines of solutions and hidden tests that stand nowhere else in a master."""
    secret, open_lines, where = set(), set(), "text"
    for cell in master.cells:
        lines = [line.strip() for line in cell.source.splitlines() if len(line.strip()) > 4]
        if cell.cell_type == "raw":
            for word in ("SOLUTION", "TESTS"):
                where = word if f"BEGIN {word}" in cell.source else where
                where = "text" if f"END {word}" in cell.source else where
            continue
        hidden, inside = "hidden: true" in cell.source, False
        for line in lines:
            inside |= "# BEGIN SOLUTION" in line
            is_secret = hidden or inside or line.endswith("# SOLUTION")
            is_secret |= where == "SOLUTION" and cell.cell_type == "markdown"
            (secret if is_secret else open_lines).add(line.removesuffix("# SOLUTION").strip())
            inside &= "# END SOLUTION" not in line
    ours = {"import torch", "from utils import assert_close"}
    return {
        s for s in secret - open_lines - ours if not s.startswith(("#", '"""', "import", "from"))
    }


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_six_to_ten_questions_with_points_and_every_kind(master: Path) -> None:
    notebook = book.read(master)
    questions = [
        q for c in notebook.cells if (q := assignments.settings(c.source, assignments.QUESTION))
    ]
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert 6 <= len(questions) <= 10
    for question in questions:
        number = question["name"].removeprefix("q")
        assert f"## Question {number}: " in text
        assert f"({question['points']} points" in text, f"the points of {question['name']}"
    for kind in ("predict, then run", "find the bug", "read a figure", "marked by a person"):
        assert kind in text, f"no question of the kind {kind!r}"
    total = sum(question["points"] for question in questions)
    assert f"{total} points" in text


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_gradescope_zip_and_hand_marks(master: Path, built: Path) -> None:
    name = master.stem
    with zipfile.ZipFile(built / name / f"{name}-gradescope.zip") as archive:
        names = set(archive.namelist())
    assert {"run_autograder", "setup.sh", "otter_config.json"} <= names
    assert sum(n.startswith("tests/") for n in names) >= 5
    assert json.loads((built / name / "by_hand.json").read_text())


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_form_checks_itself(master: Path, built: Path, tmp_path: Path) -> None:
    """Its cells run as a student's would, from an empty folder, and the checks answer in words."""
    student = book.read(built / master.stem / "student" / master.name)
    code = [cell.source for cell in student.cells if cell.cell_type == "code"]
    first, checks = code[0], [source for source in code[1:] if source.startswith("grader.check(")]
    (tmp_path / master.name).write_text(nbformat.writes(student))
    script = "\n".join([first, *(f"print({check})" for check in checks)])
    run = subprocess.run(
        [PYTHON, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("results:") >= len(checks), run.stdout
    assert (tmp_path / "tests").is_dir()


def test_unknown_assignment_is_refused(tmp_path: Path) -> None:
    for words in (["tools.assignments", "gardening"], ["grading", "gardening", str(tmp_path)]):
        command = [sys.executable, "-m", *words]
        run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True)
        assert run.returncode == 2
        assert "gardening" in run.stderr and "foundations" in run.stderr
