"""Signatures on the API page as they are written in the source, shapes and all.

Autodoc prints evaluated annotations, and an evaluated `Float[Tensor, "batch dim"]` is a long name
of a made-up class. The source has the short form, so it is read from there.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx


def definition(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The syntax tree of a function, or None where it has no source (a built-in, a dataclass)."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        return None
    found = ast.parse(source).body[0]
    return found if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) else None


def written_signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str, returns: str
) -> tuple[str, str | None] | None:
    """Replace a signature by the one in the source."""
    bound = what == "class"
    if bound:
        thing = thing.__dict__.get("__init__")
    if what not in {"function", "method", "class"} or not inspect.isfunction(thing):
        return None
    node = definition(thing)
    if node is None:
        return None
    if what in {"method", "class"} and not isinstance(thing, staticmethod):
        for arguments in (node.args.posonlyargs, node.args.args):
            if arguments and arguments[0].arg in {"self", "cls"}:
                arguments.pop(0)
                break
    result = None if bound or node.returns is None else ast.unparse(node.returns)
    return f"({ast.unparse(node.args)})", result


def plain_docstring(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Let docstrings be written as prose: `code` in single backquotes, and | as itself."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``[^`]+``|(?<!:)`[^`]+`)", line)
        for place, part in enumerate(parts):
            if place % 2 == 0:
                parts[place] = part.replace("|", r"\|")
            elif not part.startswith("``"):
                parts[place] = f"`{part}`"
        lines[number] = "".join(parts)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-signature", written_signature)
    app.connect("autodoc-process-docstring", plain_docstring, priority=400)  # before napoleon
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
