"""What a test sees of a student's functions: stand-ins that call them inside the sandbox.

A test is written as if it held the function itself. Arguments travel into the sandbox, results come
back as tensors and numbers of this process, and everything that decides a mark happens here.
"""

from __future__ import annotations

import ast
from typing import Any

from grading import wire
from grading.sandbox import Sandbox


class Remote:
    """An object of the student's. It can be called, and has the attributes that it has there."""

    def __init__(self, sandbox: Sandbox, number: int, kind: str, source: str = "") -> None:
        self._sandbox, self._number, self._kind, self._source = sandbox, number, kind, source

    def _ask(self, **request: Any) -> Any:
        return ask(self._sandbox, target=wire.Handle(self._number, self._kind), **request)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(do="call", args=_handles(list(args)), kwargs=_handles(kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._ask(do="attribute", name=name)

    def __getitem__(self, key: Any) -> Any:
        return self._ask(do="item", key=key)

    def gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Output and gradients, see `utils.check.gradients`."""
        return self._ask(do="gradients", args=_handles(list(args)), kwargs=_handles(kwargs))

    def student_source(self) -> str:
        """The text of the definition in the notebook, see `utils.check.source_of`."""
        if not self._source:
            raise AssertionError("its definition is not in the notebook")
        return self._source


def _handles(value: Any) -> Any:
    """Stand-ins among arguments go back as the objects that they stand for."""
    if isinstance(value, Remote):
        return wire.Handle(value._number, value._kind)
    if isinstance(value, list | tuple):
        return type(value)(_handles(x) for x in value)
    if isinstance(value, dict):
        return {key: _handles(x) for key, x in value.items()}
    return value


def ask(sandbox: Sandbox, **request: Any) -> Any:
    """`Sandbox.ask`, with stand-ins for what is not data."""
    return sandbox.ask(lambda number, kind: Remote(sandbox, number, kind), **request)


def fetch(sandbox: Sandbox, name: str, cells: list[str]) -> Any:
    """What a student calls by this name; a stand-in knows its definition in the cells."""
    value = ask(sandbox, do="get", name=name)
    if isinstance(value, Remote):
        value._source = definition(cells, name)
    return value


def definition(cells: list[str], name: str) -> str:
    """The text of the last function or class of this name in a notebook; empty if there is none."""
    found = ""
    for source in cells:
        try:
            body = ast.parse(source).body
        except SyntaxError:
            continue
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                found = ast.get_source_segment(source, node) or ""
    return found
