"""What one question breaks costs the others nothing."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import pytest

from tests.assignments.test_hostile import PYTHON, notebook
from tools import book

TEST = """
from otter.test_files import test_case

OK_FORMAT = False
name = "{question}"
points = None

@test_case(points=1, hidden=False)
def test_first(f{number}):
    assert f{number}(1) == 2

@test_case(points=1, hidden=True)
def test_second(f{number}):
    assert f{number}(2) == 3

@test_case(points=1, hidden=True)
def test_third(f{number}):
    assert f{number}(3) == 4
"""
RIGHT = "def f{}(x):\n    return x + 1"
CRASHES = "def f{}(x):\n    import os\n    os.abort()"
HANGS = "def f{}(x):\n    while True:\n        pass"
LATE = "def f{}(x):\n    import os\n    return x + 1 if x < 3 else os.abort()"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("chances")
    tests = folder / "built" / "five" / "autograder" / "tests"
    tests.mkdir(parents=True)
    for number in range(1, 6):
        text = TEST.format(number=number, question=f"q{number}")
        (tests / f"q{number}.py").write_text(text)
    (folder / "built" / "five" / "by_hand.json").write_text("{}")
    (folder / "in").mkdir()
    students = {
        "crashes": [CRASHES, CRASHES, CRASHES, CRASHES, RIGHT],
        "hangs": [HANGS, RIGHT, RIGHT, RIGHT, RIGHT],
        "late": [LATE, RIGHT, RIGHT, RIGHT, LATE],
    }
    for name, kinds in students.items():
        cells = [kind.format(number) for number, kind in enumerate(kinds, start=1)]
        (folder / "in" / f"{name}.ipynb").write_text(notebook(cells))
    command = [PYTHON, "-m", "grading", "five", folder / "in", "--built", folder / "built"]
    command += ["--out", folder / "out", "--seconds", "15", "--feedback", "all"]
    run = subprocess.run(
        command, cwd=book.ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr[-3000:]
    text = (folder / "out" / "grades.csv").read_text(encoding="utf-8-sig")
    found = {row["student"]: row for row in csv.DictReader(text.splitlines())}
    for name in students:
        found[name]["page"] = page(folder / "out" / "feedback", name)
    return found


def page(folder: Path, name: str) -> str:
    (path,) = [path for path in folder.iterdir() if path.stem == name]
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "points"),
    [("crashes", [0, 0, 0, 0, 3]), ("hangs", [0, 3, 3, 3, 3]), ("late", [2, 3, 3, 3, 2])],
)
def test_the_other_questions_keep_their_marks(
    rows: dict[str, dict[str, str]], name: str, points: list[float]
) -> None:
    assert [float(rows[name][f"q{number}"]) for number in range(1, 6)] == points


def test_what_was_not_run_says_so(rows: dict[str, dict[str, str]]) -> None:
    assert "not run: this question has broken limits 2 times" in rows["crashes"]["page"]
    assert "not run:" not in rows["late"]["page"]
