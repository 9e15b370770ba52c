"""Mark one submission: run its cells in a sandbox, then hold what they define to every test.

Public tests come first and hidden ones last: what student code raises or prints is shown only while
it cannot have seen what a hidden test hands in.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grading import wire
from grading.limits import Limits
from grading.marks import DONE, PARTLY, REFUSED, Mark, Outcome
from grading.remote import Remote
from grading.sandbox import MachineError, SandboxError, StudentError
from grading.session import Session, Unreadable
from grading.words import NOTHING, UNSAID, missing, other_kind, raised, short, unsaid
from utils import answers
from utils.answers import NotWritten

if TYPE_CHECKING:  # only in the grader's environment
    from otter.test_files.exception_test import ExceptionTestFile

DEFAULT = Limits()
TRIES = 3  # where the machine fails
LARGEST = 64 << 20  # bytes of a file
MOST = 20  # messages of a kind


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


class BrokenTest(Exception):
    """A test failed by a fault of its own, which no answer can cause; the message says which."""


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
        The mark, whatever the submission does.

    Raises:
        MachineError: the machine failed, again and again; it says nothing about the submission.
        BrokenTest: nor does this.
        OSError: the file can't be read.
    """
    started = time.monotonic()
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        return refused(f"The file is larger than {LARGEST >> 20} MB: clear its outputs.", tests)
    for left in reversed(range(TRIES)):
        try:
            result = _marked(data, path.name, tests, limits, slot)
            break
        except Unreadable as error:
            result = refused(str(error), tests)
            break
        except MachineError:
            if not left:
                raise
    result.seconds = time.monotonic() - started
    return result


def refused(reason: str, tests: list[ExceptionTestFile]) -> Mark:
    """The mark of a hand-in in which there is nothing to mark."""
    questions = {file.name: [_nothing(case, reason) for case in file.test_cases] for file in tests}
    return Mark(REFUSED, reason, questions)


def _marked(
    data: bytes, name: str, tests: list[ExceptionTestFile], limits: Limits, slot: int
) -> Mark:
    """The mark of a notebook."""
    names = {
        file.name: list(
            dict.fromkeys(x for c in file.test_cases for x in c.body._get_func_params())
        )
        for file in tests
    }
    with Session(data, name, names, limits, slot) as session:
        session.start()
        looked = [Looked(file, names[file.name], session) for file in tests]
        for hidden in (False, True):
            for question in looked:
                question.look(hidden)
    questions = {question.file.name: question.best() for question in looked}
    failed = [session.failed[number] for number in sorted(session.failed)]
    errors, left_out = _some([*session.stops, *failed]), _some(session.left_out)
    if session.stops:
        said = "; ".join(session.stops[:3])
        return Mark(PARTLY, said, questions, errors, 0.0, left_out, session.late)
    reason = ""
    if failed:
        count = "1 cell" if len(failed) == 1 else f"{len(failed)} cells"
        reason = short(f"{count} failed: {'; '.join(failed[:3])}")
    return Mark(DONE, reason, questions, errors, 0.0, left_out)


class Looked:
    """A question's tests, of the answer as it was checked in the notebook or as it is at the end.

    What was checked counts, unless it was nothing yet; a function may be mended below its check,
    and then the better of the two counts. (Of answers in words and numbers there is no second.)

    Args:
        file: the question's tests.
        names: what they look at.
        session: of the student.
    """

    def __init__(self, file: ExceptionTestFile, names: list[str], session: Session) -> None:
        self.file, self._names, self._session = file, names, session
        self._moments = session.moments(file.name)
        self._done: dict[str, dict[int, Outcome]] = {moment: {} for moment in self._moments}

    def look(self, hidden: bool) -> None:
        """Run the public tests, or the hidden ones."""
        cases = [case for case in self.file.test_cases if case.hidden is hidden]
        first, *end = self._moments
        done, stops = self._done[first], len(self._session.stops)
        done |= {id(case): self._outcome(case, first) for case in cases}
        lost = any(outcome.earned < outcome.points or outcome.message for outcome in done.values())
        if self._session.same(self.file.name):
            # what broke a limit would break it again, and there are not many starts
            may_be_better = lost and len(self._session.stops) == stops
        else:
            may_be_better = lost or not hidden
        for moment in end if may_be_better and self._may_be_mended(first) else []:
            self._done[moment] |= {id(c): self._outcome(c, moment) for c in cases}

    def _outcome(self, case: Any, moment: str) -> Outcome:
        """What comes of a test, if it is run."""
        if why := self._session.given_up(self.file.name):
            return _nothing(case, why)
        return _outcome(case, self._session, moment, self.file.name)

    def best(self) -> list[Outcome]:
        """The outcomes, in the order of the tests."""
        first = self._done[self._moments[0]]
        tries = [first, *({**first, **self._done[m]} for m in self._moments[1:])]
        chosen = max(tries, key=lambda done: sum(outcome.earned for outcome in done.values()))
        return [chosen[id(case)] for case in self.file.test_cases]

    def _may_be_mended(self, moment: str) -> bool:
        """Whether the answer is a function, or there is none yet at this moment."""
        values = [self._session.known(name, moment) for name in self._names]
        return any(isinstance(value, Remote | StudentError) or _blank(value) for value in values)


def _blank(value: Any) -> bool:
    """Whether an answer, or a part of it, is left open."""
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        return any(map(_blank, parts))
    return value is None or value is ...


def _some(messages: list[str]) -> list[str]:
    """Not too many of them."""
    more = len(messages) - MOST
    return messages if more <= 0 else [*messages[:MOST], f"and {more} more"]


def _nothing(case: Any, message: str = "") -> Outcome:
    """No points for a test."""
    return Outcome(_title(case), float(case.points or 0), 0.0, case.hidden, message)


def _title(case: Any) -> str:
    """What a test is called in words: its function's name, unless it has one of its own."""
    name = case.body.test_func.__name__.removeprefix("test_").replace("_", " ")
    return name if re.fullmatch(r".* - \d+", case.name) else case.name


def _outcome(case: Any, session: Session, moment: str, question: str) -> Outcome:
    """What comes of a test. Whatever the student's values do when they are used, it ends here."""
    outcome, test = _nothing(case), case.body
    try:
        values = {name: session.fetch(name, moment) for name in test._get_func_params()}
    except SandboxError as error:
        outcome.message = short(str(error))
        return outcome
    except StudentError as error:
        outcome.message = short(missing(str(error), bool(session.failed)))
        return outcome
    if any(value is None or value is ... for value in values.values()):
        outcome.message = NOTHING
        return outcome
    session.heard = False
    try:
        test.test_func(**values)
        outcome.earned = outcome.points
    except MachineError:
        raise
    except (ImportError, NameError, SyntaxError) as error:
        raise BrokenTest(f"{case.name}: {type(error).__name__}: {error}") from error
    except SandboxError as error:
        # the end of the text is what the student's process has printed
        said = re.split(r" \(|: ", str(error))[0] if case.hidden else str(error)
        outcome.message = short(said)
        # the check's own line says more, to those who may see it
        what = UNSAID if case.hidden else f"when checked, {outcome.name}: {outcome.message}"
        session.stop(what, error, question)
    except NotWritten as error:
        outcome.message = _not_written(str(error), values, session)
    except StudentError as error:
        outcome.message = unsaid(str(error), session.line) if case.hidden else raised(str(error))
    except (wire.WireError, AssertionError) as error:
        said = str(error) or "the check does not hold"
        outcome.message = "the check does not hold" if case.hidden and session.heard else said
    except Exception as error:  # a result of another kind than the test expects
        heard = case.hidden and session.heard
        outcome.message = other_kind(type(error).__name__, "" if heard else str(error))
    outcome.message = short(outcome.message)
    return outcome


def _not_written(said: str, values: dict[str, Any], session: Session) -> str:
    """What is missing where an answer is."""
    if said not in (answers.NOTHING, answers.RETURNS_NONE):  # it names a part of the answer
        return said
    functions = [name for name, value in values.items() if isinstance(value, Remote)]
    return session.unfinished(functions) if functions else NOTHING
