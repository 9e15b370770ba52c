"""Marks and comments that people give in a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from grading import text
from grading.gradebook import Gradebook, HandMark
from grading.roster import read_table

NEEDED = ("student", "question", "points")


def sign(digest: str) -> str:
    """What a hand-in is called in tables; the letter keeps spreadsheets from seeing a number."""
    return f"h{digest[:8]}" if digest else ""


def read(
    path: Path,
    book: Gradebook,
    tested: Mapping[str, float],
    manual: Mapping[str, float],
    who: Callable[[str], str],
) -> tuple[list[HandMark], list[HandMark]]:
    """Read marks from a CSV file with the columns student, question, points, comment.

    A row for a question that tests mark takes the place of their points, and needs a comment that
    says why. A mark belongs to the hand-in that was there when it was first read: after a new one
    it holds only if the row changes, or a column hand_in names the new one.

    Args:
        path: of the file.
        book: in which the marks will be kept.
        tested: questions that tests mark, with the points each is worth.
        manual: questions that people mark.
        who: the student in the gradebook whom a cell means; raises ValueError, in words.

    Returns:
        The marks that hold, and those that were given for an earlier hand-in.

    Raises:
        ValueError: something in it is wrong; the message names file and line and what to do.
    """
    header, *rows = read_table(path)
    columns = [name.strip().lower() for name in header]
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(
            f"{path}, line 1: there is no column {', '.join(missing)}. The first line has to be: "
            "student,question,points,comment"
        )
    latest, given = book.latest(), book.by_hand()
    before = {(m.student, m.question, m.points, m.comment): m.digest for m in given}
    hold: list[HandMark] = []
    old: list[HandMark] = []
    lines: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, start=2):
        if not any(value.strip() for value in row):
            continue
        where = f"{path}, line {number}"
        if len(row) > len(columns):
            raise ValueError(
                f"{where}: {len(row)} cells, the first line has {len(columns)}. Put a comment that "
                'holds a comma in "quotation marks".'
            )
        cells = dict(zip(columns, [*row, *[""] * (len(columns) - len(row))]))
        cells = {name: _said(value) for name, value in cells.items()}
        try:
            student = who(cells["student"])
            if student not in latest:
                raise ValueError(f"the file of {student} can't be read now.")
            mark = _mark(cells, student, latest[student], tested, manual, path.name)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if first := lines.get((student, mark.question)):
            raise ValueError(
                f"{where}: {student} has {mark.question} in line {first} already. Keep one of them."
            )
        lines[student, mark.question] = number
        if meant := cells.get("hand_in", ""):
            earlier = meant != sign(mark.digest)
        else:
            same = (student, mark.question, mark.points, mark.comment)
            earlier = before.get(same, mark.digest) != mark.digest
        (old if earlier else hold).append(mark)
    return hold, old


def _said(value: str) -> str:
    """What a cell says, whatever line ends a spreadsheet gave it."""
    return text.uncell(value.replace("\r\n", "\n").strip())


def _mark(
    cells: dict[str, str],
    student: str,
    digest: str,
    tested: Mapping[str, float],
    manual: Mapping[str, float],
    source: str,
) -> HandMark:
    """The mark in a row.

    Raises:
        ValueError: it makes no sense.
    """
    question, comment = cells["question"], cells.get("comment", "")
    worth = {**tested, **manual}
    if question not in worth:
        raise ValueError(f"there is no question {question!r}; there are {', '.join(worth)}.")
    points: float | None = None
    if cells["points"]:
        try:
            points = float(cells["points"].replace(",", "."))
        except ValueError:
            raise ValueError(f"{cells['points']!r} is not a number of points.") from None
        if not 0 <= points <= worth[question]:
            raise ValueError(f"{points:g} points; {question} is worth 0 to {worth[question]:g}.")
    if not comment and points is None:
        raise ValueError(f"neither points nor a comment for {question}.")
    if not comment and question in tested:
        raise ValueError(
            f"{question} is marked by tests: say in the comment why you give other points."
        )
    return HandMark(student, digest, question, points, text.plain(comment, keep="\n"), source)
