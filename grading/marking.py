"""Mark one submission: run its cells in a sandbox, then hold what they define to every test."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grading import submissions, wire
from grading.limits import Limits
from grading.remote import ask, fetch
from grading.sandbox import Sandbox, SandboxError, StudentError
from utils.check import NotWritten

if TYPE_CHECKING:  # only in the grader's environment
    from otter.test_files.exception_test import ExceptionTestFile

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


def load_tests(folder: Path) -> list[ExceptionTestFile]:
    """The test files of an assignment, by question.

    Raises:
        ValueError: there are none.
    """
    from otter.test_files.exception_test import ExceptionTestFile

    files = [ExceptionTestFile.from_file(str(path)) for path in sorted(folder.glob("*.py"))]
    if not files:
        raise ValueError(f"No tests in {folder}: run `make assignments` first.")
    return files


class Session:
    """A student's notebook, run, and run again without the cell at fault if a limit was broken.

    Use it in a ``with`` statement: afterwards no process of it is left.

    Attributes:
        errors: what went wrong in cells, and which limits were broken, in words.
        stopped: whether a limit was broken.
    """

    def __init__(self, cells: list[str], limits: Limits, slot: int) -> None:
        self.errors: list[str] = []
        self.stopped = False
        self._cells: list[str | None] = list(cells)
        self._limits, self._slot = limits, slot
        self._sandbox: Sandbox | None = None
        self._open = ExitStack()
        self._starts = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def fetch(self, name: str) -> Any:
        """What the student calls by this name.

        Raises:
            StudentError: there is no such name.
            SandboxError: limits were broken, or have been too often.
        """
        return fetch(self._ready(), name, [cell or "" for cell in self._cells])

    def stop(self, what: str) -> None:
        """Note that a limit was broken."""
        self.stopped = True
        self.errors.append(what)

    def _ready(self) -> Sandbox:
        """A sandbox in which the cells have been run."""
        while self._sandbox is None or self._sandbox.broken:
            self._open.close()
            self._sandbox = None
            if self._starts > RESTARTS:
                raise SandboxError(f"limits were broken {self._starts} times; the rest was not run")
            self._starts += 1
            self._sandbox = self._open.enter_context(Sandbox(self._limits, self._slot))
            self._run_cells(self._sandbox)
        return self._sandbox

    def _run_cells(self, sandbox: Sandbox) -> None:
        for place, source in enumerate(self._cells):
            if source is None:
                continue
            try:
                ask(sandbox, do="run", number=place + 1, source=source)
            except StudentError as error:
                said = f"code cell {place + 1}: {error}"
                if said not in self.errors:  # an earlier start has said so
                    self.errors.append(said)
            except SandboxError as error:
                self._cells[place] = None
                self.stop(f"code cell {place + 1} was left out: {error}")
                return


def mark(
    path: Path, tests: list[ExceptionTestFile], limits: Limits = DEFAULT, slot: int = 0
) -> Mark:
    """Mark a submission.

    Args:
        path: a notebook or a zip file.
        tests: of the assignment.
        limits: for each start of the student's process.
        slot: a number that no other submission has that is marked at the same time.

    Returns:
        The mark. It doesn't raise whatever the submission does.
    """
    started = time.monotonic()
    try:
        result = _marked(submissions.cells(path), tests, limits, slot)
    except submissions.Unreadable as error:
        result = _refused(str(error), tests)
    result.seconds = time.monotonic() - started
    return result


def _refused(reason: str, tests: list[ExceptionTestFile]) -> Mark:
    """The mark of a file that can't be read."""
    questions = {file.name: [_nothing(case, reason) for case in file.test_cases] for file in tests}
    return Mark(REFUSED, reason, questions)


def _marked(cells: list[str], tests: list[ExceptionTestFile], limits: Limits, slot: int) -> Mark:
    """The mark of a notebook's cells."""
    with Session(cells, limits, slot) as session:
        questions = {
            file.name: [_outcome(case, session) for case in file.test_cases] for file in tests
        }
    if not session.stopped:
        return Mark(DONE, "", questions, session.errors)
    return Mark(PARTLY, session.errors[0], questions, session.errors)


def _nothing(case: Any, message: str = "") -> Outcome:
    """No points for a test."""
    return Outcome(_title(case), float(case.points or 0), 0.0, case.hidden, message)


def _title(case: Any) -> str:
    """What a test is called in words: its function's name, unless it has one of its own."""
    name = case.body.test_func.__name__.removeprefix("test_").replace("_", " ")
    return name if re.fullmatch(r".* - \d+", case.name) else case.name


def _outcome(case: Any, session: Session) -> Outcome:
    """What comes of a test. Whatever the student's values do when they are used, it ends here."""
    outcome, test = _nothing(case), case.body
    try:
        values = {name: session.fetch(name) for name in test._get_func_params()}
        test.test_func(**values)
        outcome.earned = outcome.points
    except SandboxError as error:
        outcome.message = str(error)
        session.stop(f"when checked, {outcome.name}: {error}")
    except NotWritten:
        outcome.message = NOTHING
    except (StudentError, wire.WireError, AssertionError) as error:
        outcome.message = str(error) or "the check does not hold"
    except Exception as error:  # a result of another kind than the test expects
        nothing = "NoneType" in str(error) or "ellipsis" in str(error)
        outcome.message = NOTHING if nothing else f"{type(error).__name__}: {error}"
    return outcome
