"""The definitions that readers see, taken from a notebook's own cells, for tests to use.

    from tests.notebook_code import notebook_definitions

    page = notebook_definitions("attention/scoring-functions")
    page["attention"](query, key, value)

Only definitions are run, as `tools.page_code` finds them: no training, no plots. Assignments that a
definition needs and that call something can be asked for with `also`. Functions and methods check
their jaxtyping shapes with beartype when called. The exercises and their solutions are left out.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import jaxtyping

from tools import book, page_code
from utils.shapes import typechecker

_count = itertools.count()


def notebook_definitions(
    page: str | Path, also: Collection[str] = (), exercises: bool = False
) -> dict[str, Any]:
    """Run the definitions in a notebook's code cells, in order.

    Args:
        page: `part/slug`, or the path of a notebook.
        also: Names whose assignments are run although they call something.
        exercises: Take the cells of the exercises and solutions as well.

    Returns:
        The namespace that results.

    Raises:
        KeyError: A name in `also` is not assigned in the notebook.
    """
    path = page if isinstance(page, Path) else book.ROOT / "chapters" / f"{page}.ipynb"
    # a page may be loaded twice in a process: names of types are looked up in its own module
    page_module = ModuleType(f"notebook_{path.stem.replace('-', '_')}_{next(_count)}")
    sys.modules[page_module.__name__] = page_module  # dataclasses look their fields' types up here
    namespace = vars(page_module)
    namespace |= {"_jaxtyped": jaxtyping.jaxtyped(typechecker=typechecker)}
    for number, source in enumerate(page_code.cells(path, exercises), start=1):
        tree = ast.parse(source)
        name = f"<{path.stem}, code cell {number}>"
        # Tracebacks and inspect.getsource find the text here.
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        for statement in tree.body:
            if page_code.is_wanted(statement, namespace, also):
                _check_shapes(statement)
                module = ast.Module(body=[statement], type_ignores=[])
                exec(compile(ast.fix_missing_locations(module), name, "exec"), namespace)
    if missing := [name for name in also if name not in namespace]:
        raise KeyError(f"{path.stem} assigns no {', '.join(missing)} at the top level of a cell")
    return namespace


def _check_shapes(statement: ast.stmt) -> None:
    """Decorate a function, or the methods of a class, innermost, with the shape checker."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        statement.decorator_list.append(ast.Name(id="_jaxtyped", ctx=ast.Load()))
    elif isinstance(statement, ast.ClassDef):
        for member in statement.body:
            _check_shapes(member)
