"""What stands in the table: for each student the mark that counts, what people gave, and why."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from grading import text
from grading.gradebook import Gradebook, HandMark, Kept
from grading.hand import sign
from grading.marks import REFUSED, Mark
from grading.roster import Person
from grading.submissions import RESERVED, Submission

NOTHING = "nothing handed in"
NOT_MARKED = "not marked"  # the machine's fault: no mark is kept


@dataclass(frozen=True)
class Assignment:
    """An assignment's questions.

    Attributes:
        name: of the assignment.
        tested: questions that tests mark, with the points each is worth.
        manual: questions that people mark.
    """

    name: str
    tested: Mapping[str, float]
    manual: Mapping[str, float]

    @property
    def possible(self) -> float:
        """Points of all questions."""
        return sum(self.tested.values()) + sum(self.manual.values())


@dataclass
class Result:
    """A student's row.

    Attributes:
        student: the name in the gradebook.
        status: graded, stopped, refused, not marked, or nothing handed in.
        reason: why, if it isn't simply graded.
        mark: that the tests gave; None if there is none.
        given: what people gave for this hand-in, by question.
        digest: of the hand-in that counts.
        person: in the roster, if there is one.
        submission: what lies in the folder now, if anything does.
        notes: what the teacher has to know besides.
    """

    student: str
    status: str
    reason: str = ""
    mark: Mark | None = None
    given: dict[str, HandMark] = field(default_factory=dict)
    digest: str = ""
    person: Person | None = None
    submission: Submission | None = None
    notes: list[str] = field(default_factory=list)

    def points(self, assignment: Assignment) -> dict[str, float]:
        """Points by question; those that nobody has marked yet are missing."""
        if self.mark is None:
            return {}
        tested = {name: self.mark.points.get(name, 0.0) for name in assignment.tested}
        people = {q: m.points for q, m in self.given.items() if m.points is not None}
        return {name: round(points, 4) for name, points in {**tested, **people}.items()}

    def total(self, assignment: Assignment) -> float:
        """Points in all."""
        return round(sum(self.points(assignment).values()), 4)

    def missing(self, assignment: Assignment) -> list[str]:
        """The questions that a person still has to mark."""
        if self.mark is None or self.status == REFUSED:
            return []
        there = self.points(assignment)
        return [name for name in assignment.manual if name not in there]

    def standing(self, assignment: Assignment) -> str:
        """Whether the total is final."""
        if self.status in (NOTHING, NOT_MARKED):
            return ""
        missing = self.missing(assignment)
        return f"provisional: {', '.join(missing)} not marked yet" if missing else "final"


def collect(
    book: Gradebook,
    assignment: Assignment,
    tests: str,
    keep: str,
    submissions: Iterable[Submission],
    people: Mapping[str, Person],
    failed: Mapping[str, str],
) -> list[Result]:
    """The row of every student who has handed in, now or before.

    Args:
        book: with all marks.
        assignment: whose.
        tests: the fingerprint of the tests that count.
        keep: latest or best: which of a student's hand-ins counts.
        submissions: what lies in the folder now.
        people: students' places in the roster.
        failed: those that the machine could not mark, with the reason.
    """
    there = {submission.student: submission for submission in submissions}
    latest, given = book.latest(), _given(book.by_hand())
    history: dict[str, list[Kept]] = {}
    for given_mark in book.history():
        history.setdefault(given_mark.student, []).append(given_mark)
    results = []
    for student in sorted({*there, *history}):
        submission = there.get(student)
        row = partial(Result, student, person=people.get(student), submission=submission)
        now = submission.digest if submission else latest.get(student, "")
        kept = _counts(history.get(student, []), now, tests, keep, given, assignment)
        if kept is None:
            why = failed.get(student, "the run has not come to it")
            results.append(row(NOT_MARKED, why))
            continue
        mark = kept.mark
        result = row(mark.status, mark.reason, mark, digest=kept.digest)
        result.given = given.get((student, kept.digest), {})
        result.notes = _notes(result, kept, history[student], latest, tests, given, assignment)
        if student in failed:
            result.notes.append(f"the machine could not mark it this time: {failed[student]}")
        results.append(result)
    return results


def absent(people: Iterable[Person], results: Iterable[Result]) -> list[Result]:
    """Rows of those in the roster who have handed in nothing."""
    there = {result.person.line for result in results if result.person}
    names = {text.same(result.student) for result in results}
    rows = []
    for person in people:
        if person.line not in there:
            name = person.name or person.id or person.email
            if text.same(name) in names:
                name = "_".join(x for x in (name, person.id or person.email) if x)
            names.add(text.same(name))
            rows.append(Result(name, NOTHING, person=person))
    return rows


def _given(marks: Iterable[HandMark]) -> dict[tuple[str, str], dict[str, HandMark]]:
    """The last mark that people gave for each question of each hand-in."""
    found: dict[tuple[str, str], dict[str, HandMark]] = {}
    for mark in marks:
        found.setdefault((mark.student, mark.digest), {})[mark.question] = mark
    return found


def _counts(
    history: list[Kept],
    latest: str,
    tests: str,
    keep: str,
    given: Mapping[tuple[str, str], dict[str, HandMark]],
    assignment: Assignment,
) -> Kept | None:
    """The mark that counts: of the latest hand-in, or of the best by the same tests."""
    of_latest = [kept for kept in history if kept.digest == latest]
    if keep == "latest":
        return of_latest[-1] if of_latest else None
    newest = {kept.digest: kept for kept in history if kept.tests == tests}

    def total(kept: Kept) -> tuple[float, int]:
        people = given.get((kept.student, kept.digest), {})
        row = Result(kept.student, kept.mark.status, mark=kept.mark, given=people)
        return row.total(assignment), kept.number

    if newest:
        return max(newest.values(), key=total)
    return of_latest[-1] if of_latest else None


def _notes(
    result: Result,
    kept: Kept,
    history: list[Kept],
    latest: Mapping[str, str],
    tests: str,
    given: Mapping[tuple[str, str], dict[str, HandMark]],
    assignment: Assignment,
) -> list[str]:
    """What the teacher has to know besides the points."""
    notes = []
    if result.submission is None:
        notes.append("not in this folder")
    if kept.tests != tests:
        notes.append("marked by earlier tests")
    hand_ins = list(dict.fromkeys(k.digest for k in history))
    if len(hand_ins) > 1:
        which = hand_ins.index(kept.digest) + 1
        notes.append(f"hand-in {which} of {len(hand_ins)} counts")
    if result.submission is not None and result.submission.owner.late:
        notes.append("late, says Canvas")
    for question in assignment.manual:
        earlier = [d for d in hand_ins if question in given.get((result.student, d), {})]
        if question not in result.given and earlier:
            notes.append(f"{question} was marked for an earlier hand-in: mark it anew")
    for question, mark in result.given.items():
        if question in assignment.tested and mark.points is not None:
            was = result.mark.points.get(question, 0.0) if result.mark else 0.0
            notes.append(f"{question}: {mark.points:g} by a person, tests gave {was:g}")
    return notes


def write_csv(path: Path, results: Iterable[Result], assignment: Assignment) -> None:
    """One row a student; the first row has the points that are possible.

    Args:
        path: of the file; it is replaced at once, when it is complete.
        results: the rows.
        assignment: whose.
    """
    results = list(results)
    listed = any(result.person for result in results)
    questions = {**assignment.tested, **assignment.manual}
    header = ["student", *(["name", "id", "email"] if listed else []), "total", *questions]
    header += ["total is", "status", "reason", "notes", "late", "file", "hand_in", "seconds"]
    first = [RESERVED, *([""] * 3 if listed else []), assignment.possible, *questions.values()]
    rows: list[list[object]] = [[*first, *[""] * 8]]
    for result in results:
        person, points = result.person or Person(-1), result.points(assignment)
        row: list[object] = [result.student]
        row += [person.name, person.id, person.email] if listed else []
        row += [result.total(assignment) if result.mark else ""]
        row += [points.get(name, "") for name in questions]
        row += [result.standing(assignment), result.status, result.reason]
        submission = result.submission
        row += ["; ".join(result.notes), "late" if submission and submission.owner.late else ""]
        row += [text.name(submission.entry) if submission else "", sign(result.digest)]
        row += [f"{result.mark.seconds:.1f}" if result.mark else ""]
        rows.append(row)
    write_rows(path, [header, *rows])


def write_history(path: Path, book: Gradebook) -> None:
    """Every mark ever given, by tests and by people, in the order of time."""
    rows: list[tuple[object, ...]] = []
    for kept in book.history():
        mark = kept.mark
        row = (kept.time, kept.student, sign(kept.digest), "tests", "", mark.total, mark.status)
        rows.append((*row, mark.reason))
    for hand in book.by_hand():
        points = "" if hand.points is None else hand.points
        given = (hand.time, hand.student, sign(hand.digest), hand.source, hand.question)
        rows.append((*given, points, "", hand.comment))
    header = ("time", "student", "hand_in", "by", "question", "points", "status", "comment")
    write_rows(path, [header, *sorted(rows, key=lambda row: str(row[0]))])


def write_rows(
    path: Path, rows: Iterable[Iterable[object]], clean: Callable[[object], object] = text.cell
) -> None:
    """Write a CSV file that replaces another at once, when it is complete.

    Args:
        path: of the file.
        rows: of cells.
        clean: makes a cell fit to be opened in a spreadsheet.
    """
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([clean(value) for value in row] for row in rows)
    os.replace(partial, path)
