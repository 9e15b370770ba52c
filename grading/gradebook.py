"""Marks that are kept: an SQLite file that survives an interruption, and CSV files made of it."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from grading.marking import Mark, Outcome
from grading.submissions import Submission

VERSION = 1
TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE marks (
    student TEXT PRIMARY KEY, digest TEXT NOT NULL, tests TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT NOT NULL, seconds REAL NOT NULL, questions TEXT NOT NULL, errors TEXT NOT NULL
);
CREATE TABLE by_hand (
    student TEXT NOT NULL, question TEXT NOT NULL, points REAL NOT NULL, comment TEXT NOT NULL,
    PRIMARY KEY (student, question)
);
"""


class WrongGradebook(Exception):
    """A file that is no gradebook, or another's; the message says what to do."""


class Gradebook:
    """The marks of one assignment.

    Args:
        path: of the file, which is made if there is none.
        assignment: whose marks it holds.

    Raises:
        WrongGradebook: the file belongs to another assignment or version, or is none.
    """

    def __init__(self, path: Path, assignment: str) -> None:
        self.path = path
        wanted = {"version": str(VERSION), "assignment": assignment}
        fresh = not path.exists()
        self._database = sqlite3.connect(path)
        try:
            if fresh:
                self._database.executescript(TABLES)
                rows = list(wanted.items())
                self._database.executemany("INSERT INTO about VALUES (?, ?)", rows)
                self._database.commit()
            about = dict(self._database.execute("SELECT name, value FROM about"))
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise WrongGradebook(
                f"{path} is not a gradebook ({error}): move it away, and run again."
            ) from None
        if about != wanted:
            self._database.close()
            raise WrongGradebook(
                f"{path} is the gradebook of {about.get('assignment')!r}, version "
                f"{about.get('version')}; this is {assignment!r}, version {VERSION}. "
                "Move it away, or grade into another folder (OUT=...)."
            )

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def has(self, submission: Submission, tests: str) -> bool:
        """Whether this very file has been marked by these very tests."""
        row = self._database.execute(
            "SELECT 1 FROM marks WHERE student = ? AND digest = ? AND tests = ?",
            (submission.student, submission.digest, tests),
        )
        return row.fetchone() is not None

    def keep(self, submission: Submission, tests: str, mark: Mark) -> None:
        """Store a mark, in place of an earlier one; it is safe when this returns."""
        questions = {q: [asdict(t) for t in outcomes] for q, outcomes in mark.questions.items()}
        row = (submission.student, submission.digest, tests, mark.status, mark.reason, mark.seconds)
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, json.dumps(questions), json.dumps(mark.errors)),
            )

    def marks(self) -> Iterator[tuple[str, Mark]]:
        """All marks, by student."""
        for student, status, reason, seconds, questions, errors in self._database.execute(
            "SELECT student, status, reason, seconds, questions, errors FROM marks ORDER BY student"
        ):
            outcomes = {
                q: [Outcome(**t) for t in tests] for q, tests in json.loads(questions).items()
            }
            yield student, Mark(status, reason, outcomes, json.loads(errors), seconds)

    def by_hand(self) -> dict[str, dict[str, tuple[float, str]]]:
        """What people have given: for each student, points and a comment by question."""
        found: dict[str, dict[str, tuple[float, str]]] = {}
        for student, question, points, comment in self._database.execute("SELECT * FROM by_hand"):
            found.setdefault(student, {})[question] = (points, comment)
        return found

    def read_hand_marks(self, path: Path, questions: Mapping[str, float]) -> int:
        """Take marks that people have given from a CSV file; all of them, or none.

        Args:
            path: with the columns student, question, points, comment.
            questions: those that are marked by hand, with the points each is worth.

        Returns:
            How many there were.

        Raises:
            ValueError: a row names no such student or question, or has impossible points.
        """
        students = {student for (student,) in self._database.execute("SELECT student FROM marks")}
        rows = []
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"student", "question", "points"} - set(reader.fieldnames or []):
                raise ValueError(f"{path} has no column {', '.join(sorted(missing))}.")
            for line, row in enumerate(reader, start=2):
                where, student, question = f"{path}, line {line}", row["student"], row["question"]
                if student not in students:
                    raise ValueError(f"{where}: there is no submission of {student!r}.")
                if question not in questions:
                    known = ", ".join(questions) or "none"
                    raise ValueError(f"{where}: {question!r} is not marked by hand ({known} are).")
                try:
                    points = float(row["points"])
                except ValueError:
                    raise ValueError(f"{where}: {row['points']!r} is not a number.") from None
                if not 0 <= points <= questions[question]:
                    worth = f"{question} is worth 0 to {questions[question]:g}"
                    raise ValueError(f"{where}: {points:g} points; {worth}.")
                rows.append((student, question, points, row.get("comment") or ""))
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO by_hand VALUES (?, ?, ?, ?)", rows)
        return len(rows)

    def write_csv(
        self, path: Path, questions: Mapping[str, float], hand: Mapping[str, float]
    ) -> None:
        """One row a student: total, points by question, status, reason, seconds.

        Args:
            path: of the file; it is replaced at once, when it is complete.
            questions: those that tests mark, with the points each is worth.
            hand: those that people mark.
        """
        given = self.by_hand()
        header = ["student", "total", *questions, *hand, "status", "reason", "seconds"]
        worth = ["(possible)", sum(questions.values()) + sum(hand.values())]
        rows = [[*worth, *questions.values(), *hand.values(), "", "", ""]]
        for student, mark in self.marks():
            people = [given.get(student, {}).get(name, ("", ""))[0] for name in hand]
            points = [round(mark.points.get(name, 0.0), 4) for name in questions]
            total = round(sum(points) + sum(float(p) for p in people if p != ""), 4)
            row = [
                student,
                total,
                *points,
                *people,
                mark.status,
                mark.reason,
                f"{mark.seconds:.1f}",
            ]
            rows.append(row)
        partial = path.with_suffix(".part")
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([_harmless(value) for value in row] for row in rows)
        partial.replace(path)


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
