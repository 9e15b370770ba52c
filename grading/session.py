"""A student's notebook, read and run in a sandbox, and run again if a limit was broken."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

import torch

from grading.limits import Limits
from grading.remote import Line
from grading.sandbox import OutOfTime, Sandbox, SandboxError, StudentError
from grading.words import NOTHING, short

RESTARTS = 4  # for cells; after that, what is left gets no points
CHANCES = 2  # limits that a question may break until the rest of its checks is not run
SHORT = 60  # characters of a cell's first line
END = ""  # the moment after the last cell
UNFINISHED = {
    "return": "`{}` returns None where an answer is expected: is there a `return`?",
    "below": "there is nothing here yet: the last cell that defines `{}` is empty, and takes the "
    "place of what an earlier one defines",
}


class Unreadable(Exception):
    """What was handed in is no notebook; the message says why, in words for the student."""


class Session:
    """A student's notebook, run, and run again without what was at fault if a limit was broken.

    Use it in a ``with`` statement: afterwards no process of it is left.

    Args:
        data: the file that was handed in.
        file: its name.
        names: what each question's tests look at.
        limits: for each start.
        slot: see `Sandbox`.

    Attributes:
        failed: what went wrong in cells, by their numbers, in words.
        stops: which limits were broken, in words.
        left_out: lines that were not run.
        late: whether one of the limits was of time.
    """

    def __init__(
        self, data: bytes, file: str, names: dict[str, list[str]], limits: Limits, slot: int = 0
    ) -> None:
        self.failed: dict[int, str] = {}
        self.stops: list[str] = []
        self.left_out: list[str] = []
        self.late = False
        self._data, self._file, self._names = data, file, names
        self._limits, self._slot = limits, slot
        self._cells: dict[int, str] | None = None
        self._only_lasting: set[int] = set()  # cells of which the rest broke a limit
        self._same: dict[str, bool] = {}  # for each question that the notebook checks
        self._values: dict[tuple[str, str], Any] = {}  # by moment and name
        self._at = END
        self._line: Line | None = None
        self._open = ExitStack()
        self._starts = 0
        self._broken: Counter[str] = Counter()  # limits, by the question whose checks broke them
        self._begun = self._lost = 0.0  # when this start was; seconds of those that ended early

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

    def stop(self, what: str, error: SandboxError, question: str = "") -> None:
        """Note that a limit was broken, by a question's check or by a cell."""
        self.stops.append(what)
        self._broken[question] += bool(question)
        self.late |= isinstance(error, OutOfTime)

    def moments(self, question: str) -> list[str]:
        """Where a question's answer is found: when the notebook checks it; `END`, after all cells.

        A later cell may use a name again, which takes nothing from an answer that was checked.
        """
        return [question, END] if question in self._same else [END]

    def same(self, question: str) -> bool:
        """Whether a question's names stand for the same objects when checked and at the end."""
        return self._same.get(question, True)

    def given_up(self, question: str) -> str:
        """Why a question's checks are run no more, in words; empty if they are."""
        count = self._broken[question]
        return f"not run: this question has broken limits {count} times" if count >= CHANCES else ""

    def fetch(self, name: str, moment: str) -> Any:
        """What the student calls by this name at this moment, which it is from then on.

        Raises:
            StudentError: there is no such name.
            SandboxError: limits were broken, or have been too often.
        """
        line = self._ready()
        if moment != self._at:
            line.ask(do="go", moment=moment)
            self._at = moment
        value = self._values[moment, name]
        if isinstance(value, StudentError | SandboxError):
            raise value
        return copy.deepcopy(value)

    def known(self, name: str, moment: str) -> Any:
        """What was found under a name; an error if nothing was."""
        return self._values.get((moment, name), StudentError("nothing was looked up"))

    @property
    def heard(self) -> bool:
        """Whether a long text has come back since this was last set."""
        return self._line is not None and self._line.heard

    @heard.setter
    def heard(self, value: bool) -> None:
        if self._line is not None:
            self._line.heard = value

    def unfinished(self, names: Iterable[str]) -> str:
        """What is missing in a function that returns nothing, in words."""
        for name in names:
            with suppress(StudentError):
                if what := UNFINISHED.get(self._ready().ask(do="unfinished", name=name)):
                    return what.format(name)
        return NOTHING

    def cell(self, number: int) -> str:
        """A cell in the student's own terms: its number and its first line."""
        lines = [line.strip() for line in (self._cells or {}).get(number, "").splitlines()]
        code = [line for line in lines if line and line[0] != "#" and line != "pass"]
        first = next(iter([*code, *filter(None, lines)]), "")
        return f"code cell {number} (`{short(first, SHORT)}`)"

    def line(self, number: int, line: int) -> str:
        """A line of a cell; empty if there is none."""
        lines = (self._cells or {}).get(number, "").splitlines()
        return short(lines[line - 1].strip(), SHORT) if 1 <= line <= len(lines) else ""

    def _ready(self) -> Line:
        """A sandbox in which the cells have been run, and the names been looked up."""
        while self._line is None or self._line.broken:
            self._open.close()
            if self._line is not None:
                self._lost += time.monotonic() - self._begun
            self._line = None
            by_cells = self._starts - self._broken.total()
            # a question has its chances, so that it costs the others nothing; but time is limited
            if by_cells > RESTARTS or self._lost > (RESTARTS + 1) * self._limits.seconds:
                raise SandboxError(f"limits were broken {self._starts} times; the rest was not run")
            self._starts += 1
            self._begun = time.monotonic()
            line = self._line = Line(self._open.enter_context(Sandbox(self._limits, self._slot)))
            if self._cells is None:
                self._cells = self._read(line)
            if self._run_cells(line, self._cells):
                self._look_up(line)
            self._at = END
        return self._line

    def _read(self, line: Line) -> dict[int, str]:
        """The cells by number, read in the sandbox before any of the student's code runs."""
        data = torch.frombuffer(bytearray(self._data or b" "), dtype=torch.uint8)
        try:
            found = line.ask(do="read", name=self._file, data=data)
            cells = {int(cell["number"]): str(cell["source"]) for cell in found}
            for cell in found:
                where = f"code cell {cell['number']}"
                self.left_out += [f"{where}: `{short(x)}`" for x in cell["left_out"]]
        except StudentError as error:
            said = str(error).removeprefix("Unreadable: ")
            raise Unreadable(short(said)) from None
        except SandboxError as error:
            raise Unreadable(f"It could not be read: {short(str(error))}.") from None
        return cells

    def _run_cells(self, line: Line, cells: dict[int, str]) -> bool:
        """Whether all cells have been run; errors in them are no hindrance."""
        for number, source in list(cells.items()):
            lasting = number in self._only_lasting
            try:
                line.ask(do="run", number=number, source=source, lasting=lasting)
            except StudentError as error:
                if number not in self.failed and not lasting:
                    self.failed[number] = f"{self.cell(number)}: {short(str(error))}"
            except SandboxError as error:
                what = "all of it" if lasting else "all but its imports and definitions"
                self.stop(f"{self.cell(number)}: {short(str(error))}; {what} was left out", error)
                if lasting:
                    cells[number] = ""
                self._only_lasting.add(number)
                return False
        return True

    def _look_up(self, line: Line) -> None:
        """Look up all names at once: no hidden test has run yet in this process."""
        try:
            checked = line.ask(do="moments", names=self._names)
            self._same = {question: checked[question] is True for question in checked}
            for moment in [*self._same, END]:
                line.ask(do="go", moment=moment)
                for name in self._names.get(moment) or sum(self._names.values(), []):
                    self._look_up_one(line, moment, name)
        except (StudentError, TypeError):  # student code has changed what does this
            self._same = {}
        except SandboxError as error:
            self.stop(f"when answers were looked up: {short(str(error))}", error)

    def _look_up_one(self, line: Line, moment: str, name: str) -> None:
        if isinstance(self._values.get((moment, name)), SandboxError):
            return  # to look it up broke a limit
        try:
            self._values[moment, name] = line.ask(do="get", name=name)
        except StudentError as error:
            self._values[moment, name] = error
        except SandboxError as error:
            self._values[moment, name] = error
            raise
