"""Mark one submission: run its cells in a sandbox, then hold what they define to every test.

Public tests come first and hidden ones last: what student code raises or prints is shown only while
it cannot have seen what a hidden test hands in.
"""

from __future__ import annotations

import builtins
import copy
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from grading import text, wire
from grading.limits import Limits
from grading.remote import Line
from grading.sandbox import MachineError, Sandbox, SandboxError, StudentError
from utils.check import NotWritten

if TYPE_CHECKING:  # only in the grader's environment
    from otter.test_files.exception_test import ExceptionTestFile

DEFAULT = Limits()
RESTARTS = 4  # after that, what is left gets no points
TRIES = 3  # where the machine fails
LARGEST = 64 << 20  # bytes of a file
LONGEST = 300  # characters of a message
SHORT = 60  # of a cell's first line
MOST = 20  # messages of a kind
NOTHING = "there is nothing here yet: the answer is empty"
ERROR = re.compile(r"(\w+)(?: \(a \w+\))?:.*?(?: \((?:code cell (\d+), )?line (\d+)\))?", re.DOTALL)
KIND = re.compile(
    r"'(\w+)' object|non-iterable (\w+) object|instances of '(\w+)'|type\(s\) for .{1,8}: '(\w+)'"
)
KINDS = {
    "list": "a list",
    "tuple": "a tuple",
    "dict": "a dictionary",
    "set": "a set",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "Tensor": "a tensor",
    "ndarray": "a NumPy array",
    "function": "a function",
    "Remote": "an object that is no number, text or tensor",
}
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
        reason: why it wasn't simply graded, or which cells failed.
        questions: the outcomes of each question's tests.
        errors: of the student's cells, with their numbers and first lines.
        seconds: that it took.
        left_out: lines of the student's that were not run: commands, and magics.
    """

    status: str = DONE
    reason: str = ""
    questions: dict[str, list[Outcome]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    left_out: list[str] = field(default_factory=list)

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


class BrokenTest(Exception):
    """A test failed by a fault of its own, which no answer can cause; the message says which."""


class Unreadable(Exception):
    """What was handed in is no notebook; the message says why, in words for the student."""


class Session:
    """A student's notebook, run, and run again without what was at fault if a limit was broken.

    Use it in a ``with`` statement: afterwards no process of it is left.

    Args:
        data: the file that was handed in.
        file: its name.
        names: what the tests look at.
        limits: for each start.
        slot: see `Sandbox`.

    Attributes:
        failed: what went wrong in cells, by their numbers, in words.
        stops: which limits were broken, in words.
        left_out: lines that were not run.
    """

    def __init__(
        self, data: bytes, file: str, names: list[str], limits: Limits, slot: int = 0
    ) -> None:
        self.failed: dict[int, str] = {}
        self.stops: list[str] = []
        self.left_out: list[str] = []
        self._data, self._file, self._names = data, file, names
        self._limits, self._slot = limits, slot
        self._cells: dict[int, str] | None = None
        self._only_lasting: set[int] = set()  # cells of which the rest broke a limit
        self._values: dict[str, Any] = {}
        self._line: Line | None = None
        self._open = ExitStack()
        self._starts = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self) -> None:
        """Read the notebook and run its cells.

        Raises:
            Unreadable: it is none.
        """
        try:
            self._ready()
        except SandboxError:
            return  # each test says so

    def fetch(self, name: str) -> Any:
        """What the student calls by this name.

        Raises:
            StudentError: there is no such name.
            SandboxError: limits were broken, or have been too often.
        """
        self._ready()
        value = self._values[name]
        if isinstance(value, StudentError | SandboxError):
            raise value
        return copy.deepcopy(value)

    @property
    def heard(self) -> bool:
        """Whether a long text has come back since this was last set."""
        return self._line is not None and self._line.heard

    @heard.setter
    def heard(self, value: bool) -> None:
        if self._line is not None:
            self._line.heard = value

    def cell(self, number: int) -> str:
        """A cell in the student's own terms: its number and its first line."""
        lines = [line.strip() for line in (self._cells or {}).get(number, "").splitlines()]
        code = [line for line in lines if line and line[0] != "#" and line != "pass"]
        first = next(iter([*code, *filter(None, lines)]), "")
        return f"code cell {number} (`{_short(first, SHORT)}`)"

    def line(self, number: int, line: int) -> str:
        """A line of a cell; empty if there is none."""
        lines = (self._cells or {}).get(number, "").splitlines()
        return _short(lines[line - 1].strip(), SHORT) if 1 <= line <= len(lines) else ""

    def _ready(self) -> Line:
        """A sandbox in which the cells have been run, and the names been looked up."""
        while self._line is None or self._line.broken:
            self._open.close()
            self._line = None
            if self._starts > RESTARTS:
                raise SandboxError(f"limits were broken {self._starts} times; the rest was not run")
            self._starts += 1
            line = self._line = Line(self._open.enter_context(Sandbox(self._limits, self._slot)))
            if self._cells is None:
                self._cells = self._read(line)
            if self._run_cells(line, self._cells):
                self._look_up(line)
        return self._line

    def _read(self, line: Line) -> dict[int, str]:
        """The cells by number, read in the sandbox before any of the student's code runs."""
        data = torch.frombuffer(bytearray(self._data or b" "), dtype=torch.uint8)
        try:
            found = line.ask(do="read", name=self._file, data=data)
            cells = {int(cell["number"]): str(cell["source"]) for cell in found}
            for cell in found:
                where = f"code cell {cell['number']}"
                self.left_out += [f"{where}: `{_short(x)}`" for x in cell["left_out"]]
        except StudentError as error:
            said = str(error).removeprefix("Unreadable: ")
            raise Unreadable(_short(said)) from None
        except SandboxError as error:
            raise Unreadable(f"It could not be read: {_short(str(error))}.") from None
        return cells

    def _run_cells(self, line: Line, cells: dict[int, str]) -> bool:
        """Whether all cells have been run; errors in them are no hindrance."""
        for number, source in list(cells.items()):
            lasting = number in self._only_lasting
            try:
                line.ask(do="run", number=number, source=source, lasting=lasting)
            except StudentError as error:
                if number not in self.failed and not lasting:
                    self.failed[number] = f"{self.cell(number)}: {_short(str(error))}"
            except SandboxError as error:
                what = "all of it" if lasting else "all but its imports and definitions"
                self.stops.append(f"{self.cell(number)}: {_short(str(error))}; {what} was left out")
                if lasting:
                    cells[number] = ""
                self._only_lasting.add(number)
                return False
        return True

    def _look_up(self, line: Line) -> None:
        """Look up all names at once: no hidden test has run yet in this process."""
        for name in self._names:
            if isinstance(self._values.get(name), SandboxError):
                continue  # to look it up broke a limit
            try:
                self._values[name] = line.fetch(name)
            except StudentError as error:
                self._values[name] = error
            except SandboxError as error:
                self._values[name] = error
                self.stops.append(f"when `{name}` was looked up: {_short(str(error))}")
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
        return _refused(f"The file is larger than {LARGEST >> 20} MB: clear its outputs.", tests)
    for left in reversed(range(TRIES)):
        try:
            result = _marked(data, path.name, tests, limits, slot)
            break
        except Unreadable as error:
            result = _refused(str(error), tests)
            break
        except MachineError:
            if not left:
                raise
    result.seconds = time.monotonic() - started
    return result


def _refused(reason: str, tests: list[ExceptionTestFile]) -> Mark:
    """The mark of a file that can't be read."""
    questions = {file.name: [_nothing(case, reason) for case in file.test_cases] for file in tests}
    return Mark(REFUSED, reason, questions)


def _marked(
    data: bytes, name: str, tests: list[ExceptionTestFile], limits: Limits, slot: int
) -> Mark:
    """The mark of a notebook."""
    cases = [case for file in tests for case in file.test_cases]
    names = list(dict.fromkeys(x for case in cases for x in case.body._get_func_params()))
    with Session(data, name, names, limits, slot) as session:
        session.start()
        done = {id(case): _outcome(case, session) for case in cases if not case.hidden}
        done |= {id(case): _outcome(case, session) for case in cases if case.hidden}
    questions = {file.name: [done[id(case)] for case in file.test_cases] for file in tests}
    failed = [session.failed[number] for number in sorted(session.failed)]
    errors, left_out = _some([*session.stops, *failed]), _some(session.left_out)
    if session.stops:
        return Mark(PARTLY, "; ".join(session.stops[:3]), questions, errors, 0.0, left_out)
    reason = ""
    if failed:
        count = "1 cell" if len(failed) == 1 else f"{len(failed)} cells"
        reason = _short(f"{count} failed: {'; '.join(failed[:3])}")
    return Mark(DONE, reason, questions, errors, 0.0, left_out)


def _some(messages: list[str]) -> list[str]:
    """Not too many of them."""
    more = len(messages) - MOST
    return messages if more <= 0 else [*messages[:MOST], f"and {more} more"]


def _short(said: str, longest: int = LONGEST) -> str:
    """A text of the student's, made safe to show, on one line and not too long."""
    line = text.plain(" ".join(said[: 4 * longest].split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


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
    except SandboxError as error:
        outcome.message = _short(str(error))
        return outcome
    except StudentError as error:
        outcome.message = _short(_missing(str(error), bool(session.failed)))
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
        outcome.message = _short(said)
        session.stops.append(f"when checked, {outcome.name}: {outcome.message}")
    except NotWritten:
        outcome.message = NOTHING
    except StudentError as error:
        outcome.message = _unsaid(str(error), session) if case.hidden else _raised(str(error))
    except (wire.WireError, AssertionError) as error:
        said = str(error) or "the check does not hold"
        outcome.message = "the check does not hold" if case.hidden and session.heard else said
    except Exception as error:  # a result of another kind than the test expects
        heard = case.hidden and session.heard
        outcome.message = _other_kind(type(error).__name__, "" if heard else str(error))
    outcome.message = _short(outcome.message)
    return outcome


def _missing(said: str, cells_failed: bool) -> str:
    """Why a name can't be had."""
    if not said.startswith("NameError: there is no "):
        return said
    name = said.removeprefix("NameError: there is no ")
    why = "see the cells that failed" if cells_failed else "no cell defines it"
    return f"there is no `{name}` in the notebook: {why}"


def _raised(said: str) -> str:
    """What student code raised; about an error outside of its lines, in words."""
    match = ERROR.fullmatch(said)
    if match is None or match[3]:
        return said
    kind, _, rest = said.partition(": ")
    return NOTHING if kind == "NotWritten" else _other_kind(kind, rest)


def _unsaid(said: str, session: Session) -> str:
    """What student code raised in a hidden test, which is where, but not its text."""
    match = ERROR.fullmatch(said)
    kind, cell, line = match.groups() if match else ("", None, None)
    if kind == "NotWritten" or ("NoneType" in said and not line):
        return NOTHING
    if kind == "WireError":
        return "what it returns is too large, or is not data"
    known = getattr(builtins, kind, None)
    is_error = isinstance(known, type) and issubclass(known, BaseException)
    what = f"it raises {kind}" if is_error else "it raises an error"
    if cell and line and len(cell + line) < 12 and (own := session.line(int(cell), int(line))):
        return f"{what} in line {line} of code cell {cell} (`{own}`)"
    return what


def _other_kind(kind: str, said: str) -> str:
    """What is wrong with an answer that can't be used as the test uses it, in words."""
    if "NoneType" in said or "ellipsis" in said:
        return NOTHING
    if kind == "KeyError":
        return f"the answer has no entry {said}" if said else "the answer lacks an entry"
    if "to unpack" in said:
        return f"the answer has another number of parts than it should have ({said})"
    if match := KIND.search(said):
        words = KINDS.get(next(filter(None, match.groups())), "of another kind")
        said = said.replace("'Remote'", "an")
        return f"the answer, or a part of it, is {words}, which does not fit here ({kind}: {said})"
    return f"{kind}: {said}" if said else f"the answer can't be used as it should be ({kind})"
