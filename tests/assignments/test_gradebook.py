"""What is kept: marks by tests and by people, and the table and the pages that are made of them."""

from __future__ import annotations

import csv
import io
import resource
import sqlite3
from pathlib import Path

import pytest

from grading import feedback, hand, options, overview, results, words
from grading.gradebook import Gradebook, HandMark, WrongGradebook
from grading.marks import Mark, Outcome
from grading.results import Assignment, Result
from grading.submissions import Submission

ALICE = Submission("alice", Path("alice.ipynb"), "aa")
CNN = Assignment("cnn", {"q1": 3.0}, {"q2": 4.0})


def mark(earned: float, status: str = "graded", message: str = "<b>wrong</b>") -> Mark:
    outcomes = [Outcome("shape", 1.0, 1.0, False), Outcome("values", 2.0, earned, True, message)]
    return Mark(status, questions={"q1": outcomes}, seconds=1.5)


def rows(book: Gradebook, keep: str = "latest", *there: Submission) -> dict[str, Result]:
    """The rows by student, as a run with the tests `t` collects them."""
    book.hand_in(there)
    return {r.student: r for r in results.collect(book, CNN, "t", keep, there, {}, {})}


def read_hand(book: Gradebook, path: Path, text: str, encoding: str = "utf-8") -> tuple:
    """What a HAND file with this text holds."""
    path.write_text(text, encoding=encoding)

    def who(name: str) -> str:
        if name not in book.latest():
            raise ValueError(f"there is no hand-in of {name!r}.")
        return name

    return hand.read(path, book, CNN.tested, CNN.manual, who)


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    with Gradebook(tmp_path / "gradebook.sqlite", "cnn") as book:
        yield book


# ----------------------------------------------------------------------------------- the marks
def test_marks_are_kept_and_not_made_twice(book: Gradebook) -> None:
    assert not book.has(ALICE, "t")
    book.keep(ALICE, "t", mark(2.0))
    assert book.has(ALICE, "t")
    assert not book.has(ALICE, "t2"), "other tests: to be marked again"
    assert not book.has(Submission("alice", ALICE.path, "bb"), "t"), "another file: again"
    row = rows(book, "latest", ALICE)["alice"]
    assert (row.total(CNN), row.mark.seconds, row.digest) == (3.0, 1.5, "aa")
    with Gradebook(book.path, "cnn") as reopened:
        assert reopened.has(ALICE, "t")


def test_other_limits_mark_again_whom_they_stopped(book: Gradebook) -> None:
    bob = Submission("bob", Path("bob.ipynb"), "bb")
    book.keep(ALICE, "t", mark(2.0), "60 s")
    book.keep(bob, "t", mark(2.0, "stopped"), "60 s")
    assert book.has(bob, "t", "60 s") and book.has(ALICE, "t", "120 s")
    assert not book.has(bob, "t", "120 s")
    for limits, stands in {
        "60 s, 3000 MB": True,
        "30 s, 2000 MB": True,
        "61 s, 3000 MB": False,
        "30 s, 4000 MB": False,
        "1e+06 s, 3000 MB": False,
    }.items():
        book.keep(bob, "t", mark(2.0, "stopped"), "60 s, 3000 MB")
        assert book.has(bob, "t", limits) is stands, limits


def test_a_full_disk_leaves_no_gradebook_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.sqlite"
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most[1]))
    try:
        with pytest.raises(WrongGradebook, match="can't be written.*disk full"):
            Gradebook(path, "cnn")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    for _ in range(2):
        with Gradebook(path, "cnn") as book:
            assert not book.history()
        path.write_bytes(b"")  # what some file systems leave of it


def test_every_mark_is_kept_and_latest_or_best_counts(book: Gradebook, tmp_path: Path) -> None:
    worse = Submission("alice", ALICE.path, "bb")
    book.keep(ALICE, "t", mark(2.0))
    book.keep(worse, "t", mark(0.5))
    latest, best = rows(book, "latest", worse)["alice"], rows(book, "best", worse)["alice"]
    assert (latest.total(CNN), best.total(CNN)) == (1.5, 3.0)
    assert latest.notes == ["hand-in 2 of 2 counts"] and best.notes == ["hand-in 1 of 2 counts"]
    again = rows(book, "latest", ALICE)["alice"]
    assert again.total(CNN) == 3.0, "the first file, handed in again"
    book.give([HandMark("alice", "aa", "q2", 2.0, "fine", "hand.csv")])
    results.write_history(tmp_path / "history.csv", book)
    history = list(csv.DictReader((tmp_path / "history.csv").open(encoding="utf-8")))
    assert [(row["by"], row["points"]) for row in history] == [
        ("tests", "3.0"),
        ("tests", "1.5"),
        ("hand.csv", "2.0"),
    ]


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


# ------------------------------------------------------------------------------ marks by people
HEAD = "student,question,points,comment\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + "alice,q2,3,good\nbob,q2,1,\n", "line 3: there is no hand-in of 'bob'"),
        (HEAD + "alice,q2,3,good\nalice,q7,1,\n", "line 3: there is no question 'q7'"),
        (HEAD + "alice,q2,5,\n", "line 2: 5 points; q2 is worth 0 to 4"),
        (HEAD + "alice,q2,nan,\n", "line 2: nan points"),
        (HEAD + "alice,q2,many,\n", "line 2: 'many' is not a number"),
        (HEAD + "alice,q2\n", "line 2: neither points nor a comment"),
        (HEAD + "alice\n", "line 2: there is no question ''"),
        (HEAD + "alice,q2,1,good, very\n", "line 2: 5 cells.*quotation marks"),
        (HEAD + "alice,q1,1,\n", "line 2: q1 is marked by tests: say in the comment"),
        (HEAD + "alice,q2,1,a\nalice,q2,2,b\n", "line 3: alice has q2 in line 2 already"),
        ("student,points\n", "line 1: there is no column question"),
        ("", "is empty"),
    ],
)
def test_a_wrong_row_names_file_and_line_and_nothing_is_taken(
    book: Gradebook, tmp_path: Path, text: str, complaint: str
) -> None:
    rows(book, "latest", ALICE)
    with pytest.raises(ValueError, match=f"hand.csv.*{complaint}"):
        read_hand(book, tmp_path / "hand.csv", text)
    assert not book.by_hand()


def test_a_table_that_is_not_utf8_says_what_to_do(book: Gradebook, tmp_path: Path) -> None:
    rows(book, "latest", ALICE)
    text = HEAD + "alice,q2,3,très bien\n"
    with pytest.raises(ValueError, match="hand.csv, line 2: .*CSV UTF-8"):
        read_hand(book, tmp_path / "hand.csv", text, "cp1252")
    for encoding in ("utf-8-sig", "utf-16"):
        (taken,), _ = read_hand(book, tmp_path / "hand.csv", text, encoding)
        assert taken.comment == "très bien"
    (taken,), _ = read_hand(book, tmp_path / "hand.csv", "Student;Question;Points\nalice;q2;2,5\n")
    assert taken.points == 2.5, "a spreadsheet with decimal commas"


def test_a_hand_mark_belongs_to_the_hand_in_it_was_given_for(
    book: Gradebook, tmp_path: Path
) -> None:
    path, text = tmp_path / "hand.csv", HEAD + "alice,q2,4,fine\n"
    book.keep(ALICE, "t", mark(2.0))
    assert rows(book, "latest", ALICE)["alice"].standing(CNN) == "provisional: q2 not marked yet"
    hold, old = read_hand(book, path, text)
    assert (book.give(hold), len(old)) == (1, 0) and book.give(hold) == 0, "kept once"
    row = rows(book, "latest", ALICE)["alice"]
    assert (row.total(CNN), row.standing(CNN)) == (7.0, "final")

    new = Submission("alice", ALICE.path, "bb")
    book.keep(new, "t", mark(2.0))
    row = rows(book, "latest", new)["alice"]
    assert (row.total(CNN), row.standing(CNN)) == (3.0, "provisional: q2 not marked yet")
    assert "q2 was marked for an earlier hand-in: mark it anew" in row.notes
    hold, old = read_hand(book, path, text)
    assert not hold and len(old) == 1, "the same row is not applied to the new hand-in"
    named = f"student,question,points,comment,hand_in\nalice,q2,4,fine,{hand.sign('bb')}\n"
    assert book.give(read_hand(book, path, named)[0]) == 1
    assert rows(book, "latest", new)["alice"].total(CNN) == 7.0
    hold, old = read_hand(book, path, HEAD + "alice,q2,1,less now\n")
    assert len(hold) == 1 and not old, "a changed row is meant for what is there now"


def test_points_of_tests_are_overridden_with_a_reason(book: Gradebook, tmp_path: Path) -> None:
    book.keep(ALICE, "t", mark(0.0))
    rows(book, "latest", ALICE)
    given, _ = read_hand(book, tmp_path / "hand.csv", HEAD + "alice,q1,3,a fair way to do it\n")
    book.give(given)
    row = rows(book, "latest", ALICE)["alice"]
    assert row.total(CNN) == 3.0 and row.notes == ["q1: 3 by a person, tests gave 1"]
    page = feedback.page(CNN, row)
    assert "a fair way to do it" in page and "given by a person" in page
    given, _ = read_hand(book, tmp_path / "hand.csv", HEAD + "alice,q1,,only a comment\n")
    book.give(given)
    row = rows(book, "latest", ALICE)["alice"]
    assert row.total(CNN) == 1.0 and "only a comment" in feedback.page(CNN, row)


# ------------------------------------------------------------------------- the table, the pages
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\n=3+3",
    "\t=1",
    "  =1",
    "＝4+4",
    "＋1",
    "－1",
    "＠x",
    "\r\n@x",
]


def test_the_table_has_no_formula_and_one_row_a_student(book: Gradebook, tmp_path: Path) -> None:
    there = [Submission(name, ALICE.path, name) for name in FORMULAS]
    for submission in there:
        book.keep(submission, "t", Mark("graded", submission.student, mark(1.0).questions))
    found = rows(book, "latest", *there)
    results.write_csv(tmp_path / "grades.csv", found.values(), CNN)
    text = (tmp_path / "grades.csv").read_text(encoding="utf-8")
    table = list(csv.DictReader(io.StringIO(text)))
    assert len(text.splitlines()) == len(table) + 1 == len(FORMULAS) + 2
    assert table[0]["student"] == "(possible)" and table[0]["total"] == "7.0"
    for row in table[1:]:
        assert row["student"][0] == "'" and row["reason"][0] == "'"
        assert float(row["total"]) == 2.0 and row["q2"] == ""


def test_the_page_is_text_without_control_characters(book: Gradebook) -> None:
    bad = "\x1b[2J\ud83d zoe: graded: 100\u202e <script>"
    row = Result("<alice>", "graded", mark=mark(1.0, message=bad))
    row.given["q2"] = HandMark("alice", "aa", "q2", 3.0, "well <done>", "hand.csv")
    page = feedback.page(CNN, row, "all")
    assert page.encode() and not set(page) & set("\x1b\u202e")
    assert "&lt;alice&gt;" in page and "&lt;script&gt;" in page and "well &lt;done&gt;" in page
    assert "<strong>5</strong> of 7</p>" in page, "final"
    row.given.clear()
    assert "of 7 (provisional: q2 not marked yet)" in feedback.page(CNN, row)


def test_how_much_of_hidden_checks_is_shown() -> None:
    row = Result("alice", "graded", mark=mark(1.0, message="expected 3, got 4"))
    shown = {show: feedback.page(CNN, row, show) for show in feedback.SHOWN}
    assert "expected 3" in shown["all"]
    assert "expected 3" not in shown["names"] and "values (not in your notebook)" in shown["names"]
    assert "values" not in shown["public"] and "1 / 2" in shown["public"]
    assert feedback.page(CNN, row) == shown["names"], "unless somebody asks for more"
    assert options.parse([]).feedback == "names"


def test_a_hidden_check_that_ends_the_process_says_nothing_of_itself() -> None:
    ended = mark(0.0, "stopped", "its process ended with status 16: n is 10000")
    ended.reason = f"code cell 1: late; {words.UNSAID}"
    row = Result("alice", "stopped", mark=ended)
    shown = {show: feedback.page(CNN, row, show) for show in feedback.SHOWN}
    assert "status 16" in shown["all"]
    for show in ("names", "public"):
        assert "status 16" not in shown[show] and "10000" not in shown[show]
        assert f'<p class="wrong">code cell 1: late; {words.UNSAID}</p>' in shown[show]
    assert "values" not in shown["public"]


def test_a_page_says_a_thing_once_and_fits_a_phone() -> None:
    reason = "There is no notebook to mark: a folder."
    outcomes = [Outcome(name, 1.0, 0.0, name > "b", reason) for name in "abcd"]
    refused = Result("alice", "refused", mark=Mark("refused", reason, {"q1": outcomes}))
    empty = Result("alice", "graded", mark=Mark("graded", "", {"q1": outcomes}))
    hidden = Result("alice", "graded", mark=Mark("graded", "", {"q1": outcomes[2:]}))
    assert feedback.page(CNN, refused).count(reason) == 1
    assert feedback.page(CNN, empty).count(reason) == 1
    assert '<td>all checks</td><td class="points">0 / 4</td>' in feedback.page(CNN, empty)
    assert reason not in feedback.page(CNN, hidden), "it is what hidden checks found"
    for page in (feedback.page(CNN, refused), overview.page([refused], CNN)):
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page


def test_a_check_that_nearly_everybody_fails_is_flagged() -> None:
    few = [Result(f"s{i}", "graded", mark=mark(2.0 if i == 0 else 0.0)) for i in range(10)]
    for row in few[:1]:
        row.mark.questions["q1"][1].message = ""
    shape, values = overview.shares(few, CNN)
    assert (shape.passed, shape.tried, shape.flagged) == (10, 10, False)
    assert (values.passed, values.tried, values.flagged) == (1, 10, True)
    page = overview.page(few, CNN)
    assert "Nearly everybody fails: q1, values" in page and "10 totals are provisional" in page
    assert 'aria-label="Students by total.' in page and "src=" not in page
    assert "<h1>" in overview.page([], CNN), "nobody at all"
    assert overview.flagged([shape, values]) == ["nearly everybody fails q1, values"]
    many = overview.flagged([values] * 31)
    assert len(many) == 4 and many[-1] == "and 28 more checks: see overview.html"
