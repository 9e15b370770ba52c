"""The definitions that readers see, taken from a notebook's own cells, for tests to use.

    from tests.notebook_code import notebook_definitions

    page = notebook_definitions("attention/scoring-functions")
    page["attention"](query, key, value)

Only imports, functions, classes and simple assignments are run: no training, no plots. An
assignment is simple if it calls nothing and uses only names that are there (constants, type
aliases, `Value.relu = relu`); others that a definition needs can be asked for with `also`.
Functions and methods check their jaxtyping shapes with beartype when called. The exercises and
their solutions are left out, because there wrong versions are shown on purpose.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import re
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import jaxtyping
from IPython.core.inputtransformer2 import TransformerManager

from tools import book
from utils.shapes import typechecker

_count = itertools.count()
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
    for number, source in enumerate(_code_cells(path, exercises), start=1):
        tree = ast.parse(TransformerManager().transform_cell(source))
        name = f"<{path.stem}, code cell {number}>"
        # Tracebacks and inspect.getsource find the text here.
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        for statement in tree.body:
            if _is_wanted(statement, namespace, also):
                _check_shapes(statement)
                module = ast.Module(body=[statement], type_ignores=[])
                exec(compile(ast.fix_missing_locations(module), name, "exec"), namespace)
    if missing := [name for name in also if name not in namespace]:
        raise KeyError(f"{path.stem} assigns no {', '.join(missing)} at the top level of a cell")
    return namespace


def _code_cells(path: Path, exercises: bool) -> list[str]:
    sources = []
    for cell in book.read(path).cells:
        if cell.cell_type == "markdown" and not exercises:
            if re.search(r"^##\s+Exercises\b", cell.source, re.M):
                break
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            sources.append(cell.source)
    return sources


def _is_wanted(statement: ast.stmt, namespace: dict[str, Any], also: Collection[str]) -> bool:
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return False
    names = {
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    }
    if names & set(also):
        return True
    costly = (ast.Call, ast.Await, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    used = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    used |= {
        node.value.id
        for target in targets
        for node in ast.walk(target)
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name)
    }
    builtin = set(vars(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
    return not any(isinstance(node, costly) for node in ast.walk(value)) and used <= (
        set(namespace) | builtin
    )


def _check_shapes(statement: ast.stmt) -> None:
    """Decorate a function, or the methods of a class, innermost, with the shape checker."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        statement.decorator_list.append(ast.Name(id="_jaxtyped", ctx=ast.Load()))
    elif isinstance(statement, ast.ClassDef):
        for member in statement.body:
            _check_shapes(member)
