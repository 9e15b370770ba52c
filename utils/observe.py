"""What a call did: the functions of libraries that it called, its work, what it changed.

A requirement such as "without PyTorch's softmax" or "no loop" is held against what a function does,
and not against how it is written: helpers, other names, comments and strings make no difference.

Limits: what happens in another process, in another thread or in a TorchScript function is not seen
(where the way is asked for, all that starts one is refused), nor are loops that run in C over
Python's own numbers (``map(math.exp, numbers)``). Code that wants to hide what it does can, because
it shares the process: this is a check, and not a sandbox.
"""

import copy
import sys
import sysconfig
import threading
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from utils.answers import tensor_of

HERE = str(Path(__file__).parent)
STANDARD = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
# parts of the names of what runs code where it can't be looked at
HIDING = ("jit", "thread", "threading", "concurrent", "multiprocessing", "subprocess",
          "fork", "forkpty", "posix_spawn", "posix_spawnp", "settrace", "setprofile",
          "settrace_all_threads", "setprofile_all_threads", "monitoring")  # fmt: skip


def observed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Call a function and say what it did.

    >>> seen = observed(lambda x: x.exp().sum(), torch.zeros(3))
    >>> seen["value"], "torch.Tensor.exp" in seen["calls"], seen["operations"], seen["changed"]
    (tensor(3.), True, 2, [])

    Returns:
        ``value``, what it returned; ``calls``, the sorted dotted names of the library functions
        that it called, itself or through helpers (what these call in turn is left out as far as it
        can be told apart); ``operations``, how many calls of PyTorch's functions there were;
        ``lines``, how many lines of Python ran outside of libraries; ``changed``, the positions and
        keywords of arguments that it changed, a random generator that it drew from among them;
        ``drew``, whether it drew from PyTorch's global random generator.

    Raises:
        AssertionError: it is a TorchScript function, which can't be looked into.
    """
    if hasattr(type(function), "observed"):  # a stand-in for a student's, see `grading.remote`
        return function.observed(*args, **kwargs)  # type: ignore[attr-defined]
    if isinstance(function, torch.jit.ScriptFunction | torch.jit.ScriptModule):
        raise AssertionError("TorchScript can't be looked into: write a plain function")
    given: dict[int | str, Any] = dict([*enumerate(args), *kwargs.items()])
    before, state = {key: _copy(x) for key, x in given.items()}, torch.get_rng_state()
    record = _Record()
    with torch.compiler.set_stance("force_eager"), record:
        value = _traced(record, lambda: function(*args, **kwargs))
    return {
        "value": value,
        "calls": sorted(record.calls),
        "operations": record.operations,
        "lines": record.lines,
        "changed": [key for key, x in given.items() if not _same(before[key], x)],
        "drew": not torch.equal(state, torch.get_rng_state()),
    }


def assert_not_called(seen: dict[str, Any], forbidden: Collection[str], instead: str) -> None:
    """Fail if an observed call used one of these functions, or one that hides what it runs.

    Args:
        seen: what `observed` returned.
        forbidden: names, or patterns of them as in file names, that no part of a dotted name may
            have; a leading underscore and a trailing one make no difference.
        instead: what to do, in words.

    Raises:
        AssertionError: it did; the message names the function.
    """
    for name in seen["calls"]:
        parts = [part.strip("_").removeprefix("special_") for part in name.split(".")]
        if any(fnmatchcase(part, pattern) for part in parts for pattern in forbidden):
            raise AssertionError(f"{name} was called, which was not to be used: {instead}")
        if set(parts) & set(HIDING):
            raise AssertionError(f"{name} was called, which hides what it runs: {instead}")


def assert_no_loop(
    function: Callable[..., Any], small: Collection[Any], large: Collection[Any]
) -> None:
    """Fail if a function does more steps in Python for a larger input than for a smaller one.

    Args:
        function: to be called with either.
        small: arguments.
        large: arguments of the same kind, with more of what is not to be looped over.

    Raises:
        AssertionError: it does; the message says how many.
    """
    few, many = observed(function, *small), observed(function, *large)
    for key, what in (("operations", "calls of PyTorch"), ("lines", "lines of Python")):
        if many[key] > few[key]:
            raise AssertionError(
                f"there is a Python loop: {few[key]} {what} for a small input, {many[key]} for a "
                "larger one; tensor operations do it for all at once"
            )


def assert_draws_from(function: Callable[..., Any], *args: Any) -> None:
    """Fail unless a function draws its random numbers from its keyword argument ``generator``.

    Raises:
        NotWritten: it returns nothing yet.
        AssertionError: it doesn't; the message says what it does instead.
    """
    first, again, other = (
        observed(function, *args, generator=torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    )
    one, two, three = (tensor_of(seen["value"]) for seen in (first, again, other))
    if first["drew"]:
        raise AssertionError("it draws from PyTorch's global generator, and not from `generator`")
    if "generator" not in first["changed"]:
        raise AssertionError("it draws nothing from `generator`")
    if not torch.equal(one, two):
        raise AssertionError("generators with the same seed give different numbers")
    if torch.equal(one, three):
        raise AssertionError("generators with different seeds give the same numbers")


class _Record(TorchFunctionMode):
    """What was called so far. Inside of a function that it sees, it sees nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: set[str] = set()
        self.operations = self.lines = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = resolve_name(func) or f"{func.__module__}.{func.__name__}"
        self.calls.add(name.removesuffix(".__get__"))
        self.operations += 1
        return func(*args, **(kwargs or {}))


def _traced(record: _Record, call: Callable[[], Any]) -> Any:
    """Call, count lines, and note the functions of libraries that other code calls."""
    start = call.__code__

    def asked(frame: FrameType | None) -> bool:
        """Whether what this frame calls is called by other code than a library's."""
        while frame and _only_carries(frame.f_code.co_filename):
            frame = frame.f_back
        code = frame.f_code if frame else start
        return code is start or not _of_a_library(code.co_filename)

    def count(frame: FrameType, event: str, argument: object) -> Any:
        record.lines += event == "line"
        return count

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        if not _of_a_library(frame.f_code.co_filename):
            return count
        if frame.f_code.co_filename != __file__ and asked(frame.f_back):
            record.calls.update(_names(frame))
        return None

    def enter_c(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and asked(frame):
            record.calls.add(_name_in_c(argument))

    before, in_threads, profile = sys.gettrace(), threading.gettrace(), sys.getprofile()
    threading.settrace(enter)
    sys.setprofile(enter_c)
    sys.settrace(enter)
    try:
        return call()
    finally:
        sys.settrace(before)
        sys.setprofile(profile)
        threading.settrace(in_threads)  # type: ignore[arg-type]


def _names(frame: FrameType) -> Iterator[str]:
    """The dotted name of a function that begins, and of the class that its object has."""
    yield f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
    owner = frame.f_locals.get("self")
    if isinstance(owner, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        yield f"torch.ops.{owner}"
    for cls in type(owner).__mro__:
        module = sys.modules.get(cls.__module__)
        if _of_a_library(getattr(module, "__file__", None) or ""):
            yield f"{cls.__module__}.{cls.__qualname__}"
            return


def _name_in_c(function: Any) -> str:
    """The dotted name of a function that is written in C."""
    if name := resolve_name(function):
        return name
    name, owner = function.__name__, function.__self__
    if owner is None or isinstance(owner, ModuleType):
        return f"{function.__module__}.{name}"
    if isinstance(owner, Tensor):
        return f"torch.Tensor.{name}"
    if isinstance(owner, np.ufunc):
        return f"numpy.{owner.__name__}.{name}"
    kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    written = [c for c in kinds if name in vars(c) and not isinstance(vars(c)[name], FunctionType)]
    kind = (written or kinds)[0]
    return f"{kind.__module__}.{kind.__qualname__}.{name}"


@cache
def _only_carries(file: str) -> bool:
    """Whether code in this file is that of decorators, which stand between call and function."""
    carriers = ("jaxtyping", "beartype", "functools.py", "contextlib.py", "_contextlib.py")
    return any(part in carriers for part in Path(file).parts) or file.startswith("<@beartype")


@cache
def _of_a_library(file: str) -> bool:
    """Whether code in this file is Python's own, an installed package's, or the book's helpers'."""
    if {"site-packages", "dist-packages"} & set(Path(file).parts):
        return True
    return file.startswith("<frozen") or any(
        Path(file).is_relative_to(folder) for folder in (HERE, *STANDARD)
    )


def _copy(x: Any) -> Any:
    """A value as it is now, to be compared with later."""
    if isinstance(x, Tensor):
        return x.detach().clone()
    if isinstance(x, torch.Generator):
        return x.get_state()
    if isinstance(x, list | tuple):
        return [_copy(y) for y in x]
    if isinstance(x, dict):
        return {key: _copy(y) for key, y in x.items()}
    return copy.copy(x) if isinstance(x, np.ndarray | set) else x


def _same(before: Any, x: Any) -> bool:
    """Whether a value is what it was when `_copy` was made of it."""
    if isinstance(x, torch.Generator):
        return torch.equal(before, x.get_state())
    if isinstance(x, Tensor):
        same = before.shape == x.shape and before.dtype == x.dtype
        return same and torch.allclose(before, x.detach(), rtol=0, atol=0, equal_nan=True)
    if isinstance(x, list | tuple):
        return len(before) == len(x) and all(map(_same, before, x))
    if isinstance(x, dict):
        return before.keys() == x.keys() and all(_same(before[key], x[key]) for key in x)
    if isinstance(x, np.ndarray):
        return bool(np.array_equal(before, x, equal_nan=x.dtype.kind == "f"))
    return before is x or bool(before == x)
