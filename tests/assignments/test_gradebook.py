"""The parts of the grader by themselves: values on the wire, files, and what is kept."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from pathlib import Path

import pytest
import torch

from grading import feedback, submissions, wire
from grading.gradebook import Gradebook, WrongGradebook
from grading.marking import Mark, Outcome
from grading.remote import definition
from grading.submissions import Submission, Unreadable

ALICE = Submission("alice", Path("alice.ipynb"), "aa")
WORTH, HAND = {"q1": 3.0}, {"q2": 4.0}


def mark(earned: float) -> Mark:
    return Mark(
        questions={"q1": [Outcome("shape", 3.0, earned, True, "<b>wrong</b>")]}, seconds=1.5
    )


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    with Gradebook(tmp_path / "gradebook.sqlite", "cnn") as book:
        yield book


# ------------------------------------------------------------------------------------ the wire
def there_and_back(value: object) -> object:
    tree, blobs = wire.pack(value)
    stream = io.BytesIO()
    wire.send(stream, tree, blobs)
    stream.seek(0)
    return wire.unpack(*wire.receive(stream), lambda number, kind: (number, kind))


@pytest.mark.parametrize(
    "value",
    [None, True, -3, 2.5, float("inf"), "é", [1, [2, (3, "x")]], {"a": 1, 2: [None]}, ()],
    ids=repr,
)
def test_plain_values_come_back(value: object) -> None:
    assert there_and_back(value) == value


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)], ids=str)
def test_tensors_come_back(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    sent = (3 * torch.randn(shape)).to(dtype)
    back = there_and_back([sent, sent.T if sent.ndim == 2 else sent])
    assert back[0].dtype == dtype and torch.equal(back[0], sent)


def test_objects_do_not_travel() -> None:
    with pytest.raises(wire.WireError, match="not data"):
        wire.pack(object())
    endless: list = []
    endless.append(endless)
    with pytest.raises(wire.WireError, match="deep"):
        wire.pack(endless)


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": ["float32", [10**12]]},
        {"tensor": ["float32", [-1]]},
        {"tensor": ["object", [1]]},
        {"tensor": 3},
        {"unknown": 1},
        {"a": 1, "b": 2},
        {"handle": ["x", "y"]},
        {"dict": [[1]]},
    ],
    ids=str,
)
def test_nonsense_is_refused(tree: object) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(tree, b"", lambda number, kind: number)


def test_a_message_that_claims_too_much_is_refused() -> None:
    with pytest.raises(wire.WireError, match="large"):
        wire.receive(io.BytesIO(wire.HEADER.pack(2**32 - 1, 0)))
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(wire.HEADER.pack(10, 0) + b"short"))


# ----------------------------------------------------------------------------------- the files
def test_a_definition_is_the_last_one_of_its_name() -> None:
    cells = ["def f(x):\n    return 1", "broken(", "x = 1\ndef f(x):\n    return 2\n\ny = 3"]
    assert definition(cells, "f") == "def f(x):\n    return 2"
    assert definition(cells, "g") == ""


def test_submissions_are_found_or_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder"):
        submissions.find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="empty"):
        submissions.find(tmp_path)
    for name in ("b.ipynb", "a.zip", ".DS_Store", "_.txt"):
        (tmp_path / name).write_text(name)
    assert [s.student for s in submissions.find(tmp_path)] == ["a", "b"]
    (tmp_path / "a.ipynb").write_text("")
    with pytest.raises(ValueError, match="Two files for a"):
        submissions.find(tmp_path)


def test_a_notebook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.ipynb", " " * (submissions.LARGEST + 10))
    with pytest.raises(Unreadable, match="larger than"):
        submissions.cells(path)


# ----------------------------------------------------------------------------------- the marks
def test_marks_are_kept_and_not_made_twice(book: Gradebook) -> None:
    assert not book.has(ALICE, "t1")
    book.keep(ALICE, "t1", mark(2.0))
    assert book.has(ALICE, "t1")
    assert not book.has(ALICE, "t2"), "other tests: to be marked again"
    assert not book.has(Submission("alice", ALICE.path, "bb"), "t1"), "another file: again"
    ((student, kept),) = book.marks()
    assert (student, kept.total, kept.seconds) == ("alice", 2.0, 1.5)
    with Gradebook(book.path, "cnn") as reopened:
        assert reopened.has(ALICE, "t1")


def test_a_gradebook_of_something_else_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.sqlite"
    Gradebook(path, "cnn").__exit__()
    with pytest.raises(WrongGradebook, match="'cnn'.*'attention'"):
        Gradebook(path, "attention")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE about SET value = '99' WHERE name = 'version'")
    before = path.read_bytes()
    with pytest.raises(WrongGradebook, match="version 99"):
        Gradebook(path, "cnn")
    assert path.read_bytes() == before
    path.write_text("this is no database, and longer than a header of one would be" * 20)
    with pytest.raises(WrongGradebook, match="not a gradebook"):
        Gradebook(path, "cnn")


def test_marks_given_by_people_are_all_taken_or_none(book: Gradebook, tmp_path: Path) -> None:
    book.keep(ALICE, "t", mark(1.0))
    path = tmp_path / "hand.csv"
    for rows, complaint in {
        "bob,q2,1,": "no submission of 'bob'",
        "alice,q1,1,": "not marked by hand",
        "alice,q2,5,": "worth 0 to 4",
        "alice,q2,many,": "not a number",
    }.items():
        path.write_text(f"student,question,points,comment\nalice,q2,3,good\n{rows}\n")
        with pytest.raises(ValueError, match=complaint):
            book.read_hand_marks(path, HAND)
        assert not book.by_hand()
    path.write_text("student,question,points,comment\nalice,q2,3.5,fine <i>work</i>\n")
    assert book.read_hand_marks(path, HAND) == 1
    assert book.by_hand() == {"alice": {"q2": (3.5, "fine <i>work</i>")}}
    path.write_text("student,points\n")
    with pytest.raises(ValueError, match="no column question"):
        book.read_hand_marks(path, HAND)


def test_the_table_and_the_feedback_page(book: Gradebook, tmp_path: Path) -> None:
    book.keep(ALICE, "t", mark(2.0))
    book.keep(Submission("=1+1", ALICE.path, "cc"), "t", mark(3.0))
    book.write_csv(tmp_path / "grades.csv", WORTH, HAND)
    rows = list(csv.DictReader((tmp_path / "grades.csv").open()))
    assert [row["student"] for row in rows] == ["(possible)", "'=1+1", "alice"]
    assert rows[0]["total"] == "7.0" and rows[2]["total"] == "2.0" and rows[2]["q2"] == ""
    page = feedback.page("CNN", "<alice>", mark(2.0), HAND, {"q2": (3.0, "well <done>")})
    assert "&lt;alice&gt;" in page and "&lt;b&gt;wrong" in page and "well &lt;done&gt;" in page
    assert "<strong>5</strong> of 7" in page
    assert json.dumps(page)
