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

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tools import book
from utils.pages import run_definitions


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
    return run_definitions(_code_cells(path, exercises), path.stem, also)


def _code_cells(path: Path, exercises: bool) -> list[str]:
    sources = []
    for cell in book.read(path).cells:
        if cell.cell_type == "markdown" and not exercises:
            if re.search(r"^##\s+Exercises\b", cell.source, re.M):
                break
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            sources.append(cell.source)
    return sources
