"""Inside the sandbox: run a student's cells, then do what the grader asks, and send back data.

Nothing in here decides a mark. A student's code shares this process and may change anything in it;
all it can reach by that is to send other data, which the grader compares outside.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import traceback
from typing import Any

import torch

from grading import wire
from utils import check

LONGEST = 400  # characters of an error that travel


class Shell:
    """What a notebook calls for its magics. Here they do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


class Worker:
    """The student's names, and the objects that the grader has handles of."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "__name__": "__main__",
            "get_ipython": Shell,
            "display": lambda *things, **how: print(*things),
        }
        self.objects: list[Any] = []
        self.process = os.getpid()

    def handle(self, value: Any) -> wire.Handle:
        """Keep an object and give it a number."""
        self.objects.append(value)
        return wire.Handle(len(self.objects) - 1, type(value).__name__)

    def run(self, number: int, source: str) -> None:
        """Run a cell; what it defined before an error stays."""
        name = f"<cell {number}>"
        # inspect.getsource and tracebacks find the text here
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        for statement in ast.parse(source).body:
            exec(compile(ast.Module([statement], []), name, "exec"), self.names)

    def get(self, name: str) -> Any:
        """A name of the student's."""
        if name not in self.names:
            raise NameError(f"there is no {name}")
        return self.names[name]

    def call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call one of the student's objects."""
        return target(*args, **kwargs)

    def gradients(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Output and gradients, see `utils.check.gradients`."""
        return check.gradients(target, *args, **kwargs)

    def attribute(self, target: Any, name: str) -> Any:
        """An attribute of one of the student's objects."""
        return getattr(target, name)

    def item(self, target: Any, key: Any) -> Any:
        """An item of one of the student's objects."""
        return target[key]

    def seed(self, number: int) -> None:
        """Seed PyTorch."""
        torch.manual_seed(number)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked; an error is an answer too."""
        number = request.pop("id", None)
        try:
            operation = request.pop("do")
            if operation not in ("run", "get", "call", "gradients", "attribute", "item", "seed"):
                raise ValueError(f"unknown operation {operation}")
            answer = {"id": number, "value": getattr(self, operation)(**request)}
        except BaseException as error:
            answer = {"id": number, "error": describe(error)}
        if os.getpid() != self.process:  # a process that the student's code has forked
            os._exit(1)
        return answer


def describe(error: BaseException) -> str:
    """The error in a line, with the student's line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((f" (line {f.lineno})" for f in reversed(frames) if f.filename[:5] == "<cell"), "")
    try:
        said = str(error)
    except BaseException:
        said = "an error whose text can't be made"
    return f"{type(error).__name__}: {said}"[:LONGEST] + where


def main(to_read: int, to_write: int) -> None:
    """Serve the grader until it hangs up, at these pipes."""
    source, sink = os.fdopen(to_read, "rb"), os.fdopen(to_write, "wb")
    torch.set_num_threads(1)
    worker = Worker()
    while True:
        try:
            tree, raw = wire.receive(source)
        except EOFError:
            os._exit(0)
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
