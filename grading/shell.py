"""What a notebook has around its cells, for cells that run without one, inside the sandbox.

Cells run statement by statement in the module `__main__`; IPython's names are there, and so are
stand-ins for what only a kernel, Colab or otter-grader has.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import builtins
import importlib.abc
import importlib.machinery
import inspect
import linecache
import os
import reprlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

import torch

from grading import magics
from utils import forms
from utils.answers import is_stub

COLAB = "elsewhere"  # what stands in for google.colab
STAND_INS = ("otter", COLAB)
# what happens below a line that failed: in a notebook, the student would have gone on there
LASTING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# what a cell imports from the future holds for those below it too
FUTURE = __future__.annotations.compiler_flag


class CellError(Exception):
    """A cell failed; the cause is the first error in it.

    Args:
        number: the cell's.
        left_out: how many statements below the error did not run.
    """

    def __init__(self, number: int, left_out: int) -> None:
        super().__init__(f"cell {number} failed")
        self.number, self.left_out = number, left_out


class Nothing:
    """Has every attribute, can be called, entered and indexed, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Nothing()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Nothing()

    def __getitem__(self, key: Any) -> Any:
        return Nothing()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __repr__(self) -> str:
        return ""


@dataclass
class Moment:
    """What the student's code had made of the notebook's names and of PyTorch's settings."""

    names: dict[str, Any]
    dtype: torch.dtype
    gradients: bool


class Notebook:
    """A notebook's cells and names; from here on, `__main__` is its module.

    Attributes:
        names: the student's.
        stubs: for the definitions of each name, in order, whether there was no code in them yet.
        moments: the names as they were when a question was checked, by question.
    """

    def __init__(self) -> None:
        self._module = ModuleType("__main__")
        self.names: dict[str, Any] = self._module.__dict__
        self.stubs: dict[str, list[bool]] = {}
        self.moments: dict[str, Moment] = {}
        self.grader = _Grader(self)
        self.names["grader"] = self.grader  # where the cell that makes one is missing
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._loop = asyncio.new_event_loop()
        self._shown: list[Any] = []
        self._prepare()

    def run(self, number: int, source: str, lasting: bool = False) -> None:
        """Run a cell; what it defined before an error stays.

        Args:
            number: the cell's.
            source: plain Python.
            lasting: leave out what isn't an import, a definition or a constant.

        Raises:
            CellError: a statement failed. Imports, definitions and constants below it happen.
        """
        name = f"<cell {number}>"
        lines = source.splitlines(keepends=True)
        # inspect.getsource and tracebacks find the text here
        linecache.cache[name] = (len(source), None, lines, name)
        try:
            body = ast.parse(source, name).body
        except BaseException as error:
            raise CellError(number, 0) from error
        _use_stand_ins(body)
        failed: BaseException | None = None
        left_out = 0
        for place, statement in enumerate(body):
            if (failed or lasting) and not _lasts(statement):
                left_out += 1
                continue
            try:
                self._execute(statement, name, place == len(body) - 1)
                if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    self._note(statement.name)
            except BaseException as error:
                failed = failed or error
        if failed:
            raise CellError(number, left_out) from failed

    def _note(self, name: str) -> None:
        """Note whether there is code in a new definition."""
        stub = False
        with suppress(Exception):  # a class may answer in ways of its own
            stub = is_stub(self.names[name])
        self.stubs.setdefault(name, []).append(stub)

    def keep(self, moment: str) -> None:
        """Keep the names as they are now."""
        now = Moment(dict(self.names), torch.get_default_dtype(), torch.is_grad_enabled())
        self.moments[moment] = now

    def go(self, moment: str) -> None:
        """Have the names be those of a moment, also for functions that look them up."""
        then = self.moments[moment]
        self.names.clear()
        self.names.update(then.names)
        torch.set_default_dtype(then.dtype)
        torch.set_grad_enabled(then.gradients)

    def _execute(self, statement: ast.stmt, name: str, last: bool) -> None:
        if not (last and isinstance(statement, ast.Expr)):
            self._evaluate(ast.Module([statement], []), name, "exec")
            return
        value = self._evaluate(ast.Expression(statement.value), name, "eval")
        if value is None:
            return
        if self.names.get("_") is (self._shown or [None])[0]:  # it is no name of the student's
            self._shown = [value, *self._shown[:2]]
            self.names.update(zip(("_", "__", "___"), self._shown))
        print(reprlib.repr(value))

    def _evaluate(self, tree: ast.Module | ast.Expression, name: str, mode: str) -> Any:
        asyncio.set_event_loop(self._loop)  # `asyncio.run` leaves none behind
        sys.modules["__main__"] = self._module  # a shell that a library has made takes the name
        # without what this module itself has imported from the future
        code: CodeType = compile(tree, name, mode, self._flags, dont_inherit=True)
        self._flags |= code.co_flags & FUTURE
        result = eval(code, self.names)
        if not code.co_flags & inspect.CO_COROUTINE:
            return result
        return self._loop.run_until_complete(result)

    def _prepare(self) -> None:
        """Put a notebook's names and stand-ins where student code looks for them."""
        sys.path.insert(0, "")  # modules that a cell has written
        sys.meta_path.insert(0, _Finder(self.grader))  # also where the real modules are installed
        forms.Checks = lambda *args, **kwargs: self.grader  # type: ignore[misc, assignment]
        shell = _Shell(self)
        kernel = ModuleType("IPython.core.getipython")
        kernel.get_ipython = lambda: shell  # type: ignore[attr-defined]
        sys.modules[kernel.__name__] = kernel
        here: dict[str, Any] = vars(builtins)
        here["get_ipython"] = lambda: shell
        here["display"] = _display
        here["input"] = _input
        # what is compiled gives the same numbers, and compiling needs a compiler and minutes
        os.environ["TORCH_COMPILE_DISABLE"] = "1"
        os.environ.setdefault("USER", "student")  # who has no name on this machine


class _Grader(Nothing):
    """What a form calls `grader`: here it only keeps what each question's check has seen."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook

    def check(self, question: object = "", *args: Any, **kwargs: Any) -> Nothing:
        """Keep the names as they are now, for a question."""
        self._notebook.keep(str(question))
        return Nothing()


class _Shell(Nothing):
    """What `get_ipython()` gives: it can run code, and does nothing else."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self.user_ns = notebook.names
        self.config: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return True

    def run_cell(self, source: str, *args: Any, **kwargs: Any) -> None:
        """Run code as a cell."""
        self._notebook.run(0, magics.python(source)[0])

    def run_line_magic(self, name: str, line: str = "", *args: Any) -> None:
        """Run a magic."""
        self.run_cell(f"%{name} {line}")

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """Run the magic of a cell."""
        self.run_cell(f"%%{name} {line}\n{cell}")

    def magic(self, line: str) -> None:
        """Run a magic, as one did long ago."""
        self.run_cell(f"%{line}")

    def push(self, names: dict[str, Any], *args: Any) -> None:
        """Give the student more names."""
        self._notebook.names.update(names)

    def captured(self) -> Any:
        """What `%%capture` has caught; it goes on to where all output goes, so nothing."""
        return _Captured()

    def getoutput(self, *args: Any, **kwargs: Any) -> list[str]:
        """What a command has printed: commands don't run."""
        return []


class _Captured(Nothing):
    stdout = stderr = ""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules in which every name is there and does nothing, but otter's notebook."""

    def __init__(self, grader: _Grader) -> None:
        self._grader = grader

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] not in STAND_INS:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__getattr__ = Nothing().__getattr__  # type: ignore[method-assign]
        if spec.name == "otter":
            module.Notebook = lambda *args, **kwargs: self._grader  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: ModuleType) -> None:
        return None


def _display(*things: Any, display_id: Any = None, **how: Any) -> Any:
    """What `display` does where nobody looks; with an id, it gives something to update."""
    print(*map(reprlib.repr, things))
    return None if display_id is None else Nothing()


def _input(prompt: object = "") -> str:
    """What `input` does where nobody answers."""
    raise RuntimeError("input() has nobody to answer it here: write the value into the cell")


def _lasts(statement: ast.stmt) -> bool:
    """Whether a statement is an import, a definition, or a name for a constant."""
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        try:
            ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return False
        return True
    return isinstance(statement, LASTING)


def _use_stand_ins(body: list[ast.stmt]) -> None:
    """Have imports of Colab's modules find stand-ins, but where the code tries whether they are."""
    todo: list[Any] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.ImportFrom) and not node.level:
            if any(_is_colab(f"{node.module}.{alias.name}") for alias in node.names):
                node.module = COLAB
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_colab(alias.name):
                    alias.name, alias.asname = COLAB, alias.asname or "google"
        elif isinstance(node, ast.Try) and node.handlers:
            continue
        for part in ("body", "orelse", "finalbody", "cases"):
            inside = getattr(node, part, None)
            if isinstance(inside, list):
                todo += inside


def _is_colab(name: str) -> bool:
    return name == "google.colab" or name.startswith("google.colab.")
