"""Inside the sandbox: run a student's cells, then do what the grader asks, and send back data.

Nothing in here decides a mark. A student's code shares this process and may change anything in it;
all it can reach by that is to send other data, which the grader compares outside.
"""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from typing import Any

import torch

from grading import notebooks, wire
from grading.shell import CellError, Notebook
from utils import check
from utils.observe import observed

LONGEST = 400  # characters of an error that travel
ITEMS = 100_000  # of an object that is iterated over
END = ""  # the moment after the last cell
OPERATIONS = frozenset(
    "read run moments go get unfinished call gradients observed attribute item items "
    "length generator state seed".split()
)


class Worker:
    """The student's notebook, and the objects that the grader has handles of."""

    def __init__(self) -> None:
        self.notebook = Notebook()
        self.objects: list[Any] = []
        self.process = os.getpid()

    def handle(self, value: Any) -> wire.Handle:
        """Keep an object and give it a number."""
        self.objects.append(value)
        return wire.Handle(len(self.objects) - 1, type(value).__name__)

    def read(self, name: str, data: torch.Tensor) -> list[notebooks.Cell]:
        """The cells of the file that was handed in, from its bytes."""
        return notebooks.cells(data.numpy().tobytes(), name)

    def run(self, number: int, source: str, lasting: bool = False) -> None:
        """Run a cell, see `Notebook.run`."""
        self.notebook.run(number, source, lasting)

    def moments(self, names: dict[str, list[str]]) -> dict[str, bool]:
        """The questions that were checked, of those whose names are given; called after all cells.

        Returns:
            For each, whether its names stand for the same objects still.
        """
        self.notebook.keep(END)
        end = self.notebook.moments[END].names
        checked = {q: self.notebook.moments[q].names for q in names if q in self.notebook.moments}
        return {
            question: all(then.get(name) is end.get(name) for name in names[question])
            for question, then in checked.items()
        }

    def go(self, moment: str) -> None:
        """Have names be what they were when a question was checked, or at the end."""
        self.notebook.go(moment)

    def get(self, name: str) -> Any:
        """A name of the student's."""
        if name not in self.notebook.names:
            raise NameError(f"there is no {name}")
        return self.notebook.names[name]

    def unfinished(self, name: str) -> str:
        """What is missing in a function that returns nothing: its body, or a return.

        Returns:
            "body"; "below", if an empty definition has taken a finished one's place; "return"; or
            nothing, if it isn't in the notebook.
        """
        stubs = self.notebook.stubs.get(name, [])
        if not stubs:
            return ""
        if not stubs[-1]:
            return "return"
        return "body" if all(stubs) else "below"

    def call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call one of the student's objects."""
        return target(*args, **kwargs)

    def gradients(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Output and gradients, see `utils.check.gradients`; a cell may have switched them off."""
        with torch.inference_mode(False), torch.enable_grad():
            return check.gradients(target, *args, **kwargs)

    def observed(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What a call did, see `utils.observe.observed`."""
        return observed(target, *args, **kwargs)

    def attribute(self, target: Any, name: str) -> Any:
        """An attribute of one of the student's objects."""
        return getattr(target, name)

    def item(self, target: Any, key: Any) -> Any:
        """An item of one of the student's objects."""
        return target[key]

    def items(self, target: Any) -> list[Any]:
        """All that one of the student's objects yields."""
        found = list(itertools.islice(iter(target), ITEMS + 1))
        if len(found) > ITEMS:
            raise ValueError(f"it yields more than {ITEMS:,} items")
        return found

    def length(self, target: Any) -> int:
        """The length of one of the student's objects."""
        return len(target)

    def generator(self, state: torch.Tensor) -> torch.Generator:
        """A random generator like one of the grader's."""
        made = torch.Generator()
        made.set_state(state)
        return made

    def state(self, target: torch.Generator) -> torch.Tensor:
        """Where a random generator has come to."""
        return target.get_state()

    def seed(self, number: int) -> None:
        """Seed PyTorch."""
        torch.manual_seed(number)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked; an error is an answer too."""
        number = request.pop("id", None)
        try:
            operation = request.pop("do")
            if operation not in OPERATIONS:
                raise ValueError(f"unknown operation {operation}")
            answer = {"id": number, "value": getattr(self, operation)(**request)}
        except BaseException as error:
            answer = {"id": number, "error": describe(error)}
        if os.getpid() != self.process:  # a process that the student's code has forked
            os._exit(1)
        return answer


def describe(error: BaseException) -> str:
    """The error in a line, with the student's line it came from."""
    here, rest = "", ""
    if isinstance(error, CellError) and error.__cause__ is not None:
        here, count = f"<cell {error.number}>", error.left_out
        what = "1 statement" if count == 1 else f"{count} statements"
        rest = f"; {what} below it did not run" if count else ""
        error = error.__cause__
    walk = traceback.walk_tb(error.__traceback__)
    frames: list[tuple[str, int | None]] = [(f.f_code.co_filename, line) for f, line in walk]
    try:
        said = str(error)
        if isinstance(error, SyntaxError):
            said = str(error.msg)
            frames.append((str(error.filename), error.lineno))
    except BaseException:
        said = "an error whose text can't be made"
    where = ""
    for file, line in reversed(frames):
        if file.startswith("<cell "):
            cell = "" if file == here else f"code cell {file[6:-1]}, "
            where = f" ({cell}line {line})"
            break
    return f"{kind(error)}: {said}"[:LONGEST] + where + rest


def kind(error: BaseException) -> str:
    """The error's class, and of a class of the student's the built-in one that it is of."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"]
    name = type(error).__name__
    return name if names[0] in (name, "Exception", "BaseException") else f"{name} (a {names[0]})"


def main(to_read: int, to_write: int) -> None:
    """Serve the grader until it hangs up, at these pipes."""
    source, sink = os.fdopen(to_read, "rb"), os.fdopen(to_write, "wb")
    torch.set_num_threads(1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    worker = Worker()
    while True:
        try:
            tree, raw = wire.receive(source)
        except EOFError:
            os._exit(0)
        with torch.inference_mode(
            False
        ):  # a cell may have left it on: no gradients for our tensors
            request = wire.unpack(tree, raw, lambda number, _: worker.objects[number])
        number, answer = request.get("id"), worker.answer(request)
        try:
            wire.send(sink, *wire.pack(answer, worker.handle))
        except Exception as error:
            wire.send(sink, *wire.pack({"id": number, "error": describe(error)}))


if __name__ == "__main__":
    pipes = [int(number) for number in sys.argv[1:]]
    sys.argv = sys.argv[:1]  # a notebook has no arguments
    main(*pipes)
