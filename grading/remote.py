"""What a test sees of the student's functions: stand-ins that call them inside the sandbox.

A test is written as if it held the function itself. Arguments travel into the sandbox, results come
back as tensors and numbers of this process, and everything that decides a mark happens here.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

import torch

from grading import wire
from grading.sandbox import Sandbox, StudentError

LONG = 8  # characters of text that could hold what a test has handed in
MOST = 1 << 40  # of a length
WORD = re.compile(r"\w+")


class Line:
    """Questions to one sandbox, with stand-ins for what is not data.

    Attributes:
        heard: whether a long text has come back as a result, other than words of the notebook's.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._words: set[str] = set()
        self.heard = False

    @property
    def broken(self) -> str:
        """Why it can't be asked any more; empty while it can."""
        return self._sandbox.broken

    def ask(self, **request: Any) -> Any:
        """See `Sandbox.ask`."""
        if request["do"] == "run":
            self._words |= set(WORD.findall(request["source"]))
        value = self._sandbox.ask(self._stand_in, **request)
        if request["do"] != "observed":
            self.listen(value)
        return value

    def listen(self, value: Any) -> None:
        """Note whether there is a long text in a result."""
        self.heard = self.heard or _has_long_text(value, self._words)

    def _stand_in(self, number: int, kind: str) -> Any:
        return ... if kind == "ellipsis" else Remote(self, number, kind)


class Remote:
    """An object of the student's. It can be called, and has the attributes that it has there."""

    def __init__(self, line: Line, number: int, kind: str) -> None:
        self._line, self._number, self._kind = line, number, kind

    def _ask(self, **request: Any) -> Any:
        return self._line.ask(target=wire.Handle(self._number, self._kind), **request)

    def _call(self, do: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        generators: dict[int, tuple[torch.Generator, wire.Handle]] = {}

        def sent(value: Any) -> Any:
            """What can travel: handles of what stand-ins stand for, and of random generators."""
            if isinstance(value, torch.Generator):
                if id(value) not in generators:
                    made = self._line.ask(do="generator", state=value.get_state())
                    generators[id(value)] = value, sent(made)
                return generators[id(value)][1]
            if isinstance(value, Remote):
                return wire.Handle(value._number, value._kind)
            if isinstance(value, list | tuple):
                return type(value)(sent(x) for x in value)
            if isinstance(value, dict):
                return {key: sent(x) for key, x in value.items()}
            return value

        answer = self._ask(do=do, args=sent(list(args)), kwargs=sent(kwargs))
        for generator, there in generators.values():
            state = self._line.ask(do="state", target=there)
            try:
                generator.set_state(state)
            except (TypeError, RuntimeError):
                raise StudentError("the random generator came back broken") from None
        return answer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("call", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._ask(do="attribute", name=name)

    def __getitem__(self, key: Any) -> Any:
        return self._ask(do="item", key=key)

    def __len__(self) -> int:
        try:
            length = self._ask(do="length")
        except StudentError:
            length = None
        if type(length) is not int or not 0 <= length < MOST:
            raise TypeError("an object without a length")  # which `list` understands
        return length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        items = self._ask(do="items")
        if not isinstance(items, list):
            raise StudentError("its items are no list")
        return iter(items)

    def __deepcopy__(self, memory: Any) -> Remote:
        return self

    def gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Output and gradients, see `utils.check.gradients`."""
        return self._call("gradients", args, kwargs)

    def observed(self, *args: Any, **kwargs: Any) -> Any:
        """What a call does, see `utils.observe.observed`."""
        seen = self._call("observed", args, kwargs)
        given = [*range(len(args)), *kwargs]
        try:
            calls, changed = (
                map(str, seen["calls"]),
                [key for key in seen["changed"] if key in given],
            )
            seen = {**seen, "calls": sorted(calls), "changed": changed}
        except (TypeError, LookupError):
            raise StudentError("what the call did came back broken") from None
        self._line.listen([seen.get("value"), *(n for n in seen["calls"] if not _is_there(n))])
        return seen


def _is_there(name: str) -> bool:
    """Whether a dotted name is one of a library's, and not made up."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        if module := sys.modules.get(".".join(parts[:count])):
            found: Any = module
            for part in parts[count:]:
                found = found if part == "<locals>" else _inside(found, part)
            return not isinstance(found, torch._ops._OpNamespace | None)  # they take any name
    return False


def _inside(thing: Any, name: str) -> Any:
    """What has this name in a module, in a class, or among the functions that a function makes."""
    code = (
        thing if isinstance(thing, CodeType) else getattr(inspect.unwrap(thing), "__code__", None)
    )
    made = [x for x in getattr(code, "co_consts", ()) if getattr(x, "co_name", "") == name]
    return made[0] if made else getattr(thing, name, None)


def _has_long_text(value: Any, words: set[str]) -> bool:
    """Whether there is a long text, or many short ones, in a result; some words don't count."""
    todo, length = [value], 0
    while todo and length <= LONG:
        x = todo.pop()
        if isinstance(x, str):
            length += 0 if x in words else len(x)
        elif isinstance(x, list | tuple):
            todo += x
        elif isinstance(x, dict):
            todo += [*x.keys(), *x.values()]
    return length > LONG
