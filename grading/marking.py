"""Mark one submission: run its cells in a sandbox, then hold what they define to every test."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading import submissions, wire
from grading.remote import Remote, ask, definition
from grading.sandbox import Limits, Sandbox, SandboxError, StudentError
from utils.check import NotWritten

DEFAULT = Limits()
RESTARTS = 4  # after that, what is left gets no points
NOTHING = "there is nothing here yet: the answer is empty"
DONE, PARTLY, REFUSED = "graded", "stopped", "refused"


@dataclass
class Outcome:
    """What came of one test.

    Attributes:
        name: the test's.
        points: that it is worth.
        earned: that it gave.
        hidden: whether the student could run it.
        message: what was wrong, in words; empty if nothing was.
    """

    name: str
    points: float
    earned: float
    hidden: bool
    message: str = ""


@dataclass
class Mark:
    """What came of one submission.

    Attributes:
        status: graded; stopped (a limit was broken, the rest was graded); refused (unreadable).
        reason: why, if it wasn't simply graded.
        questions: the outcomes of each question's tests.
        errors: of the student's cells, with their numbers.
        seconds: that it took.
    """

    status: str = DONE
    reason: str = ""
    questions: dict[str, list[Outcome]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> dict[str, float]:
        """Points by question."""
        return {name: sum(t.earned for t in tests) for name, tests in self.questions.items()}

    @property
    def total(self) -> float:
        """Points in all."""
        return sum(self.points.values())


def load_tests(folder: Path) -> list[Any]:
    """The test files of an assignment, by question.

    Raises:
        ValueError: there are none.
    """
    from otter.test_files.exception_test import ExceptionTestFile  # in the grader's environment

    files = [ExceptionTestFile.from_file(str(path)) for path in sorted(folder.glob("*.py"))]
    if not files:
        raise ValueError(f"No tests in {folder}: run `make assignments` first.")
    return files


class Session:
    """A student's notebook, run, and run again without the cell at fault if a limit was broken."""

    def __init__(self, cells: list[str], limits: Limits, slot: int, mark: Mark) -> None:
        self.cells: list[str | None] = list(cells)
        self.limits, self.slot, self.mark = limits, slot, mark
        self.sandbox: Sandbox | None = None
        self.starts = 0

    def ready(self) -> Sandbox:
        """A sandbox in which the cells have been run.

        Raises:
            SandboxError: limits were broken too often.
        """
        while self.sandbox is None or self.sandbox.broken:
            self.close()
            if self.starts > RESTARTS:
                raise SandboxError(f"limits were broken {self.starts} times; the rest was not run")
            self.starts += 1
            self.sandbox = Sandbox(self.limits, self.slot).__enter__()
            self._run_cells(self.sandbox)
        return self.sandbox

    def _run_cells(self, sandbox: Sandbox) -> None:
        for place, source in enumerate(self.cells):
            if source is None:
                continue
            try:
                ask(sandbox, do="run", number=place + 1, source=source)
            except StudentError as error:
                self._note(f"code cell {place + 1}: {error}")
            except SandboxError as error:
                self.cells[place] = None
                self.mark.status = PARTLY
                self._note(f"code cell {place + 1} was left out: {error}")
                sandbox.broken = sandbox.broken or str(error)
                return

    def _note(self, what: str) -> None:
        if what not in self.mark.errors:
            self.mark.errors.append(what)

    def close(self) -> None:
        """End the process."""
        if self.sandbox is not None:
            self.sandbox.__exit__()
            self.sandbox = None

    def fetch(self, name: str) -> Any:
        """What the student calls by this name."""
        value = ask(self.ready(), do="get", name=name)
        if isinstance(value, Remote):
            value._source = definition([cell or "" for cell in self.cells], name)
        return value


def mark(path: Path, tests: list[Any], limits: Limits = DEFAULT, slot: int = 0) -> Mark:
    """Mark a submission.

    Args:
        path: a notebook or a zip file.
        tests: of the assignment.
        limits: for each start of the student's process.
        slot: a number that no other submission has that is marked at the same time.

    Returns:
        The mark. It doesn't raise whatever the submission does.
    """
    started, result = time.monotonic(), Mark()
    try:
        cells = submissions.cells(path)
    except submissions.Unreadable as error:
        result.status, result.reason, cells = REFUSED, str(error), None
    session = Session(cells or [], limits, slot, result)
    try:
        for file in tests:
            outcomes = [
                Outcome(_title(c), float(c.points or 0), 0.0, c.hidden) for c in file.test_cases
            ]
            result.questions[file.name] = outcomes
            for case, outcome in zip(file.test_cases, outcomes):
                if cells is None:
                    outcome.message = result.reason
                else:
                    _try(case.body, outcome, session)
    finally:
        session.close()
    if result.status == PARTLY:
        result.reason = next(iter(result.errors), "a limit was broken")
    result.seconds = time.monotonic() - started
    return result


def _title(case: Any) -> str:
    """What a test is called in words: its function's name, unless it has one of its own."""
    name = case.body.test_func.__name__.removeprefix("test_").replace("_", " ")
    return name if re.fullmatch(r".* - \d+", case.name) else case.name


def _try(case: Any, outcome: Outcome, session: Session) -> None:
    """One test. Whatever the student's values do when they are used, it ends here."""
    try:
        names = case._get_func_params()
        values = {name: session.fetch(name) for name in names}
        case.test_func(**values)
        outcome.earned = outcome.points
    except SandboxError as error:
        outcome.message = str(error)
        session.mark.status = PARTLY
        session.mark.errors.append(f"when checked, {outcome.name}: {error}")
        if session.sandbox is not None:
            session.sandbox.broken = session.sandbox.broken or str(error)
    except NotWritten:
        outcome.message = NOTHING
    except (StudentError, wire.WireError, AssertionError) as error:
        outcome.message = str(error) or "the check does not hold"
    except Exception as error:  # a result of another kind than the test expects
        nothing = "NoneType" in str(error) or "ellipsis" in str(error)
        outcome.message = NOTHING if nothing else f"{type(error).__name__}: {error}"
