"""Marks that are kept, every one ever given: an SQLite file that survives an interruption."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from grading.marks import PARTLY, Mark, Outcome
from grading.submissions import Submission

VERSION = 2
TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE hand_ins (student TEXT PRIMARY KEY, digest TEXT NOT NULL, path BLOB NOT NULL);
CREATE TABLE marks (
    number INTEGER PRIMARY KEY, time TEXT NOT NULL, student TEXT NOT NULL, digest TEXT NOT NULL,
    tests TEXT NOT NULL, limits TEXT NOT NULL, status TEXT NOT NULL, mark TEXT NOT NULL
);
CREATE INDEX by_student ON marks (student);
CREATE TABLE by_hand (
    number INTEGER PRIMARY KEY, time TEXT NOT NULL, student TEXT NOT NULL, digest TEXT NOT NULL,
    question TEXT NOT NULL, points REAL, comment TEXT NOT NULL, source TEXT NOT NULL
);
"""
NUMBER = re.compile(r"\d[\d.e+]*")
BUSY = 30.0  # seconds to wait for another program that writes to the same file


class WrongGradebook(Exception):
    """A file that is no gradebook, or another's; the message says what to do."""


@dataclass(frozen=True)
class Kept:
    """A mark that is kept, and for which hand-in by which tests it was given."""

    number: int
    time: str
    student: str
    digest: str
    tests: str
    limits: str
    mark: Mark


@dataclass(frozen=True)
class HandMark:
    """What a person has given for a question of one hand-in.

    Attributes:
        student, digest, question: for what.
        points: None if there is only a comment.
        comment: for the student.
        source: where it comes from: a file's name, or the reading page.
        time: when it was given; empty before it is kept.
    """

    student: str
    digest: str
    question: str
    points: float | None
    comment: str
    source: str
    time: str = ""


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
        fresh = not path.exists() or not path.stat().st_size
        self._database = sqlite3.connect(path, timeout=BUSY)
        try:
            if fresh:
                self._database.executescript(f"BEGIN;{TABLES}")  # all of it or nothing
                rows = list(wanted.items())
                self._database.executemany("INSERT INTO about VALUES (?, ?)", rows)
                self._database.commit()
            about = dict(self._database.execute("SELECT name, value FROM about"))
        except sqlite3.DatabaseError as error:
            self._database.close()
            if fresh:
                raise WrongGradebook(
                    f"{path} can't be written ({error}): is the disk full? Then run again."
                ) from None
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

    def has(self, submission: Submission, tests: str, limits: str = "") -> bool:
        """Whether this very file has been marked by these very tests.

        One that was stopped by a limit counts only for limits that are no larger.
        """
        rows = self._database.execute(
            "SELECT limits, status FROM marks WHERE student = ? AND digest = ? AND tests = ? "
            "ORDER BY number DESC LIMIT 1",
            (submission.student, submission.digest, tests),
        ).fetchall()
        return any(status != PARTLY or _within(limits, used) for used, status in rows)

    def keep(self, submission: Submission, tests: str, mark: Mark, limits: str = "") -> None:
        """Store a mark beside the earlier ones; it is safe when this returns."""
        stored = json.dumps(asdict(mark))
        row = (now(), submission.student, submission.digest, tests, limits, mark.status, stored)
        with self._database:
            self._database.execute(
                "INSERT INTO marks (time, student, digest, tests, limits, status, mark) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def hand_in(self, submissions: Iterable[Submission]) -> None:
        """Note what students have handed in by now, and where it is."""
        rows = [(s.student, s.digest, os.fsencode(s.path.absolute())) for s in submissions]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO hand_ins VALUES (?, ?, ?)", rows)

    def latest(self) -> dict[str, str]:
        """The digest of each student's latest hand-in."""
        return dict(self._database.execute("SELECT student, digest FROM hand_ins"))

    def places(self) -> dict[str, Path]:
        """Where each student's latest hand-in is, or was."""
        rows = self._database.execute("SELECT student, path FROM hand_ins")
        return {student: Path(os.fsdecode(path)) for student, path in rows}

    def history(self) -> list[Kept]:
        """All marks that tests have given, the oldest first."""
        rows = self._database.execute(
            "SELECT number, time, student, digest, tests, limits, mark FROM marks ORDER BY number"
        )
        return [
            Kept(number, when, student, digest, tests, limits, _mark(stored))
            for number, when, student, digest, tests, limits, stored in rows
        ]

    def by_hand(self) -> list[HandMark]:
        """All that people have given, the oldest first."""
        rows = self._database.execute(
            "SELECT student, digest, question, points, comment, source, time "
            "FROM by_hand ORDER BY number"
        )
        return [HandMark(*row) for row in rows]

    def give(self, marks: Iterable[HandMark]) -> int:
        """Store what people have given: all or none; what already holds is left alone.

        Returns:
            How many were new.
        """
        holds = {(m.student, m.digest, m.question): (m.points, m.comment) for m in self.by_hand()}
        new = [
            (now(), m.student, m.digest, m.question, m.points, m.comment, m.source)
            for m in marks
            if holds.get((m.student, m.digest, m.question)) != (m.points, m.comment)
        ]
        with self._database:
            self._database.executemany(
                "INSERT INTO by_hand (time, student, digest, question, points, comment, source) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                new,
            )
        return len(new)


def _within(limits: str, others: str) -> bool:
    """Whether limits, say «300 s, 3000 MB», are no larger than others."""
    pairs = zip(NUMBER.findall(limits), NUMBER.findall(others))
    return all(float(one) <= float(other) for one, other in pairs)


def now() -> str:
    """The time, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _mark(stored: str) -> Mark:
    """A mark as it was; what a later version of the grader has left out is ignored."""
    values = json.loads(stored)
    values["questions"] = {
        q: [Outcome(**t) for t in tests] for q, tests in values["questions"].items()
    }
    names = {field.name for field in fields(Mark)}
    return Mark(**{name: value for name, value in values.items() if name in names})
