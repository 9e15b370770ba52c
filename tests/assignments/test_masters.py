"""Every assignment: full marks for right answers, none for the form, wrong ones get their due."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell

from tools import assignments, book

PYTHON = book.ROOT / ".venv-grading" / "bin" / "python"
MASTERS = assignments.masters([])
ANSWERS = Path(__file__).parent / "answers"


def answers(name: str) -> dict[str, dict[str, Any]]:
    """What students write, by title: question and code, and what wrong answers are due."""
    said = yaml.safe_load((ANSWERS / f"{name}.yml").read_text(encoding="utf-8"))
    assert not said["right"].keys() & said["wrong"].keys()
    return said["right"] | said["wrong"]


def groups(name: str) -> list[dict[str, dict[str, Any]]]:
    """The answers in groups, in each of which a question has one answer at most."""
    by_question: dict[str, list[str]] = defaultdict(list)
    for title, answer in answers(name).items():
        by_question[answer["question"]].append(title)
    rows = zip_longest(*by_question.values())
    return [{title: answers(name)[title] for title in row if title} for row in rows]


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
    form = (built / name / "student" / f"{name}.ipynb").read_bytes()
    (handed_in / "untouched.ipynb").write_bytes(form)
    # the experiment that a person marks takes long, and says nothing here
    slow = ("fit(", "recall(")
    quick = [cell for cell in solution.cells if not any(word in cell.source for word in slow)]
    code = [cell.source for cell in quick if cell.cell_type == "code"]
    notebooks = {"solution": code, "one-cell": ["\n\n".join(code)]}
    # an answer counts as it stands at its own check cell, and these come after
    unchecked = [text for text in code if not text.startswith("grader.check(")]
    for number, group in enumerate(groups(name)):
        notebooks[f"group-{number}"] = [*unchecked, *(answer["code"] for answer in group.values())]
    for title, sources in notebooks.items():
        notebook = nbformat.v4.new_notebook(cells=[new_code_cell(text) for text in sources])
        nbformat.write(notebook, handed_in / f"{title}.ipynb")
    command = [PYTHON, "-m", "grading", name, handed_in, "--built", built]
    command += ["--out", built / name / "out"]
    run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stderr[-3000:]
    text = (built / name / "out" / "grades.csv").read_text(encoding="utf-8-sig")
    return name, {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


def points(row: dict[str, str]) -> dict[str, float]:
    """Points by question, those that people give left out."""
    return {key: float(v) for key, v in row.items() if key[0] == "q" and key[1:].isdigit() and v}


def test_solution_gets_full_marks_and_the_form_none(graded: tuple) -> None:
    _, rows = graded
    possible = points(rows["(possible)"])
    for way in ("solution", "one-cell"):
        got = points(rows[way])
        # the cells that made the figures hold their stored numbers to them
        assert (rows[way]["status"], rows[way]["reason"]) == ("graded", "")
        assert got == {question: possible[question] for question in got}
    assert set(points(rows["untouched"]).values()) == {0.0}


def test_answers_get_what_a_fair_teacher_gives(graded: tuple) -> None:
    name, rows = graded
    full = points(rows["solution"])
    got, due = {}, {}
    for number, group in enumerate(groups(name)):
        row = rows[f"group-{number}"]
        assert (row["status"], row["reason"]) == ("graded", "")
        for title, answer in group.items():
            got[title] = points(row)[answer["question"]]
            due[title] = answer.get("points", full[answer["question"]])
    assert got == due


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_thirty_right_and_thirty_wrong_answers(master: Path) -> None:
    said = yaml.safe_load((ANSWERS / f"{master.stem}.yml").read_text(encoding="utf-8"))
    assert len(said["right"]) >= 30 and len(said["wrong"]) >= 30
    assert all("points" not in answer for answer in said["right"].values())
    assert all(answer["why"] for answer in said["wrong"].values())


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
        config = json.loads(archive.read("otter_config.json"))
    assert config.get("assignment_name") is None  # otter would look for it in a form's metadata
    assert {"run_autograder", "setup.sh", "otter_config.json"} <= names
    assert sum(n.startswith("tests/") for n in names) >= 5
    by_hand = json.loads((built / name / "by_hand.json").read_text(encoding="utf-8"))
    assert by_hand
    for question in by_hand.values():
        assert question["title"] == "An experiment of your own"
        assert sum(line["points"] for line in question["rubric"]) == question["points"]


def test_a_rubric_that_does_not_add_up_is_refused() -> None:
    master = book.read(MASTERS[0])
    cell = next(c for c in master.cells if "| 2 | at least five seeds" in c.source)
    cell.source = cell.source.replace("| 2 | at least", "| 3 | at least")
    with pytest.raises(assignments.AssignmentError, match="they come to 7"):
        assignments.by_hand(master)


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_form_checks_itself(master: Path, built: Path, tmp_path: Path) -> None:
    """Its cells run as a student's would, from an empty folder, whatever the file is called.

    The reader's environment has no otter-grader, and the locale is an old one.
    """
    student = book.read(built / master.stem / "student" / master.name)
    code = [cell.source for cell in student.cells if cell.cell_type == "code"]
    first, checks = code[0], [source for source in code[1:] if source.startswith("grader.check(")]
    assert "otter" not in first and master.name not in first
    script = "\n".join([first, *(f"print({check})" for check in [*checks, "grader.check_all()"])])
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ""},
    )
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert len(said) == 2 * len(checks), run.stdout
    assert all(line.startswith("○ q") for line in said), run.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_form_tells_at_once_what_is_right(master: Path, built: Path, tmp_path: Path) -> None:
    """With the solution's definitions every public check holds, and with stubs none does."""
    name = master.stem
    form = book.read(built / name / "student" / master.name)
    solution = book.read(built / name / "autograder" / master.name)
    code = [c.source for c in solution.cells if c.cell_type == "code" and "otter" not in c.source]
    code = [text for text in code if "grader." not in text and "fit(" not in text]
    script = [form.cells[0].source, *(text for text in code if "recall(" not in text)]
    command = [sys.executable, "-c", "\n".join([*script, "print(grader.check_all())"])]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert len(said) >= 6 and all(line.startswith("✓ q") for line in said), run.stdout


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_form_names_the_libraries_that_are_there(master: Path) -> None:
    said = re.search(r"there are Python's standard library, (.+), and no other", read_text(master))
    assert said
    names = [name.strip("`").lower() for name in re.split(r", | and the book's ", said[1])]
    assert names == "pytorch numpy scipy scikit-learn pandas matplotlib utils".split()
    modules = {"pytorch": "torch", "scikit-learn": "sklearn"}
    script = "import " + ", ".join(modules.get(name, name) for name in names)
    subprocess.run([PYTHON, "-c", script], cwd=book.ROOT, check=True, timeout=300)


def read_text(master: Path) -> str:
    """The text cells of a master."""
    return "\n".join(c.source for c in book.read(master).cells if c.cell_type == "markdown")


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_form_says_what_counts(master: Path) -> None:
    text = read_text(master)
    assert "Each answer counts as it stands at its own check cell; later cells may use" in text
    assert "Where gradients are to flow, compute with tensors all the way" in text
    asked = text.split("\n## Question ")[1:]
    for number, cells in enumerate(questions(master), 1):
        tested = "assert_same_gradients" in cells or "assert_gradient_close" in cells
        assert not tested or "gradients flow" in asked[number - 1].lower(), f"question {number}"


def questions(master: Path) -> list[str]:
    """The code of each question."""
    found: list[str] = []
    for cell in book.read(master).cells:
        if assignments.settings(cell.source, assignments.QUESTION) is not None:
            found.append("")
        elif found and cell.cell_type == "code":
            found[-1] += cell.source
    return found


def test_unknown_assignment_is_refused(tmp_path: Path) -> None:
    for words in (["tools.assignments", "gardening"], ["grading", "gardening", str(tmp_path)]):
        command = [sys.executable, "-m", *words]
        run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True)
        assert run.returncode == 2
        assert "gardening" in run.stderr and "foundations" in run.stderr
