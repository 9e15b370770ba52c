"""The code of a page's lesson, without its experiments: the definitions in a notebook's own cells.

Imports, functions, classes and simple assignments belong to it. An assignment is simple if it calls
nothing and uses only names that are there (constants, type aliases, `Value.relu = relu`). The
exercises and their solutions are left out, because there wrong versions are shown on purpose.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from tools import book

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def cells(path: Path, exercises: bool = False) -> list[str]:
    """The sources of a notebook's code cells, as Python."""
    sources = []
    for cell in book.read(path).cells:
        if cell.cell_type == "markdown" and not exercises:
            if re.search(r"^##\s+Exercises\b", cell.source, re.M):
                break
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            sources.append(TransformerManager().transform_cell(cell.source))
    return sources


def is_wanted(statement: ast.stmt, there: Collection[str], also: Collection[str] = ()) -> bool:
    """Whether a statement is a definition.

    Args:
        statement: one at the top level of a cell.
        there: the names that are defined.
        also: names whose assignments are taken although they call something.
    """
    if isinstance(statement, DEFINITIONS):
        return True
    value = getattr(statement, "value", None)
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or value is None:
        return False
    targets = targets_of(statement)
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
    known = {*there, *vars(builtins)}
    return not any(isinstance(node, costly) for node in ast.walk(value)) and used <= known


def targets_of(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """What an assignment assigns to."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a definition defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(name.asname or name.name).partition(".")[0] for name in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        nodes = (node for target in targets_of(statement) for node in ast.walk(target))
        return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {statement.name} if isinstance(statement, DEFINITIONS) else set()  # type: ignore[union-attr]


def needed_at_once(node: ast.AST) -> set[str]:
    """The names without which a definition cannot be run, though it may be without a call.

    >>> needed_at_once(ast.parse("def f(x=START): return x + STEP"))
    {'START'}
    """
    parts: list[ast.AST | None] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        # what an argument is, and what a function returns, is said at once as well
        parts = [*getattr(node, "decorator_list", []), node.args, getattr(node, "returns", None)]
    own = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else set()
    return own.union(*(needed_at_once(part) for part in parts if part is not None))


def text_of(statement: ast.stmt, lines: list[str]) -> str:
    """A statement as it is written, with the comments above it."""
    decorators = getattr(statement, "decorator_list", [])
    start = min([statement.lineno, *(node.lineno for node in decorators)]) - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return "\n".join(lines[start : statement.end_lineno])


def definitions(path: Path, also: Collection[str] = ()) -> list[tuple[ast.stmt, str]]:
    """The definitions of a page, each with its text, and the assignments that they need at once."""
    there: set[str] = set()
    missing: set[str] = set()
    found = []
    for source in cells(path):
        for statement in ast.parse(source).body:
            if is_wanted(statement, there, also):
                missing |= needed_at_once(statement) - there - bound_by(statement)
                there |= bound_by(statement)
                found.append((statement, text_of(statement, source.splitlines())))
    more = missing - set(vars(builtins)) - set(also)
    return definitions(path, {*also, *more}) if more else found


def file_name(path: Path) -> str:
    """What the module of a page is called: its name without hyphens, so that it can be imported."""
    return f"{path.stem.replace('-', '_')}.py"


def module(path: Path) -> str:
    """The definitions of a page as a module that can be imported beside the book's helpers."""
    place = path.resolve().relative_to(book.ROOT).as_posix()
    head = [
        f'"""{book.title(book.read(path))}: the definitions of a page of {book.config()["title"]}.',
        "",
        "Its experiments are left out, and with them what a function may read from them.",
        f"From {place}, version {book.version()}, MIT License; it imports the book's helpers:",
        f"{book.repository_url()}/releases",
        '"""',
    ]
    text, before = "\n".join(head), ""
    for statement, source in definitions(path):
        kind = "definition" if hasattr(statement, "body") else type(statement).__name__[:6]
        together = kind == before != "definition"
        text += "\n" * (1 if together else 3 if before else 2) + source
        before = kind
    return text + "\n"
