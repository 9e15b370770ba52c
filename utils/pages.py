"""The code that readers see: a page's definitions, and its exercises with their checkers.

The one source is the notebooks. In the repository they are read as they are; a wheel carries what
is needed of them in one file, which `hatch_build.py` writes.
"""

import ast
import hashlib
import itertools
import json
import re
import symtable
import sys
import warnings
from collections.abc import Collection
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

_count = itertools.count()


def gather(chapters: Path) -> dict[str, Any]:
    """All exercises that have a checker, and the code that their pages define before them.

    Notebooks that the book does not list, such as copies and notes, are left alone with a warning.

    Args:
        chapters: the folder of the parts; beside it lies the book's ``_toc.yml``.

    Returns:
        ``pages``: by "part/slug" the sources of the page's code cells before its exercises;
        ``exercises``: by label the page, the sources of the exercise's code cells, and by the name
        of each answer the checker's.

    Raises:
        ValueError: a page is no notebook; the message names it.
    """
    pages: dict[str, list[str]] = {}
    exercises: dict[str, Any] = {}
    for path in sorted(chapters.glob("[!.]*/*.ipynb")):
        page = f"{path.parent.name}/{path.stem}"
        if not is_listed(page, chapters):
            warnings.warn(f"chapters/{page}.ipynb is not in _toc.yml: left alone", stacklevel=2)
            continue
        before, label, inside = [], None, False
        seen = False
        for cell in _cells(path):
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                seen |= bool(re.search(r"^##\s+Exercises\b", source, re.M))
                for gate in re.findall(r"\{solution-(start|end)\}", source):
                    inside = gate == "start"
                if found := re.search(r"\{exercise\}.*?^:label: *(\S+)", source, re.M | re.S):
                    label = found[1]
            elif not seen and "colab" not in cell["metadata"].get("tags", []):
                before.append(source)
            elif seen and label and not inside:
                entry = exercises.setdefault(label, {"page": page, "code": [], "answers": {}})
                entry["code"].append(source)
                pattern = r"^@checked_by\((\w+)\)\n(?:def|class) (\w+)"
                entry["answers"] |= {b: a for a, b in re.findall(pattern, source, re.M)}
        if any(e["page"] == page and e["answers"] for e in exercises.values()):
            pages[page] = before
    exercises = {label: entry for label, entry in exercises.items() if entry["answers"]}
    return {"pages": pages, "exercises": exercises}


def is_listed(page: str, chapters: Path) -> bool:
    """Whether the book's ``_toc.yml``, beside its chapters, lists a page ("part/slug")."""
    toc = chapters.parent / "_toc.yml"
    if not toc.is_file():
        return True
    text = toc.read_text(encoding="utf-8")
    line = rf"^[ -]*file: *chapters/{re.escape(page)}(?:\.ipynb)?\s*(?:#.*)?$"
    return bool(re.search(line, text, re.M))


def _cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook as they are stored."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no notebook: {error!r}") from error


def what_is_needed(sources: list[str], names: Collection[str]) -> list[ast.stmt]:
    """The statements of a page's cells that some of its names depend on, in order."""
    return _closure(statements_of(sources), set(names))[::-1]


def run_what_is_needed(sources: list[str], names: Collection[str], page: str) -> dict[str, Any]:
    """Run, of a page's cells, only the statements that some of its names depend on.

    Args:
        sources: of the cells, in order.
        names: that are wanted.
        page: its name, for tracebacks.

    Returns:
        The namespace that results; PyTorch's default precision and random numbers are as before.
    """
    import torch

    chosen = _closure(statements_of(sources), set(names))
    module = ModuleType(f"notebook_{re.sub(r'[-/]', '_', page)}_{next(_count)}")
    sys.modules[module.__name__] = module
    before = torch.get_default_dtype()
    try:
        with torch.random.fork_rng(devices=[]):
            for statement in reversed(chosen):
                exec(compile(ast.Module([statement], []), f"<{page}>", "exec"), vars(module))
        vars(module)["default_dtype"] = torch.get_default_dtype()
    finally:
        torch.set_default_dtype(before)
    return vars(module)


def fingerprint(sources: list[str], claim: str) -> str:
    """What a trial's code says, as a short hash: of its call, and of all on its page that it uses.

    Comments, docstrings, formatting and imports do not count.

    Args:
        sources: of a page's code cells, in order.
        claim: the claim that is tried.

    Raises:
        ValueError: no cell tries this claim.
    """
    statements = statements_of(sources)
    for place in reversed(range(len(statements))):
        if claim in trials_in(statements[place]):
            break
    else:
        raise ValueError(f"No cell tries {claim!r}.")
    _, used, later = _scopes(statements[place])
    code = [statements[place], *_closure(statements[:place], used | later)]
    said = [ast.unparse(_bare(s)) for s in code if not isinstance(s, ast.Import | ast.ImportFrom)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def trials_in(tree: ast.AST) -> list[str]:
    """The claims that are tried by calls ``trial("…")`` in a piece of code."""
    return [
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] == "trial"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


def _bare(statement: ast.stmt) -> ast.stmt:
    """A statement without its docstrings."""
    copy = ast.parse(ast.unparse(statement)).body[0]
    for node in ast.walk(copy):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return copy


def statements_of(sources: list[str]) -> list[ast.stmt]:
    """All statements of some cells, but those that a checker decorates, which would speak."""
    return [s for source in sources for s in _parsed(source) if not _is_checked(s)]


@cache
def _parsed(source: str) -> list[ast.stmt]:
    """The statements of a cell, with IPython's magics turned into calls."""
    from IPython.core.inputtransformer2 import TransformerManager

    return ast.parse(TransformerManager().transform_cell(source)).body


def _closure(statements: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The statements that some names depend on, also when functions are called; last first."""
    later: set[str] = set()  # what functions look up when they are called
    while True:
        chosen = _slice(statements, {*names, *later})
        found = {name for statement in chosen for name in _scopes(statement)[2]}
        if found <= later:
            return chosen
        later |= found


def _slice(statements: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements that some names depend on, last first."""
    chosen = []
    for statement in reversed(statements):
        bound, used, later = _scopes(statement)
        changed = _changed(statement)
        if (bound | changed) & wanted or "set_default_dtype" in _text(statement):
            chosen.append(statement)
            if isinstance(statement, ast.AugAssign | ast.For | ast.While):
                changed |= bound
            wanted = (wanted - bound) | used | later | changed  # what it changes was there before
    return chosen


@cache
def _text(statement: ast.stmt) -> str:
    return ast.unparse(statement)


@cache
def _scopes(statement: ast.stmt) -> tuple[set[str], set[str], set[str]]:
    """The module's names that a statement binds, that it looks up, and that its functions do."""
    table = symtable.symtable(_text(statement), "<page>", "exec")
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    bound |= {s.get_name() for s in table.get_symbols() if s.is_namespace()}
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    later: set[str] = set()
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        later |= {s.get_name() for s in scope.get_symbols() if s.is_global()}
        inner += scope.get_children()
    return bound, used, later


def _changed(statement: ast.stmt) -> set[str]:
    """The names whose attributes or items a statement sets."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    places = [n for target in targets for n in ast.walk(target)]
    changed = {n for n in places if isinstance(n, ast.Attribute | ast.Subscript)}
    return {n.value.id for n in changed if isinstance(n.value, ast.Name)}


def _is_checked(statement: ast.stmt) -> bool:
    """Whether a checker decorates it, which would speak."""
    decorators = getattr(statement, "decorator_list", [])
    return any(ast.unparse(decorator).startswith("checked_by") for decorator in decorators)
