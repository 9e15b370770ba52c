"""The table of results: numbers that notebooks have printed, beside one another.

`chapters/results.yml` says which; `{results}` makes the table. Each number is looked up in the
stored outputs of its notebook, so that the table can't be out of date; a pattern that isn't found
there exactly once is an error of the build.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml
from book_contents import link_to
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


@cache
def printed(notebook: Path, changed: float) -> str:
    """All text that a notebook's cells have printed, one after another.

    Args:
        notebook: The notebook's file.
        changed: When it was last changed, so that a new version is read again.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


class Results(SphinxDirective):
    """A line a model, by task; above its lines, a task stands in a line of its own."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir, "chapters", "results.yml")
        self.env.note_dependency(str(source))
        group = nodes.tgroup(cols=3)
        group.extend(nodes.colspec(colwidth=width) for width in (6, 2, 3))
        head = [self.entry(text) for text in ("Model", "Result", "Chapter")]
        group += nodes.thead("", nodes.row("", *head))
        body = nodes.tbody()
        group += body
        for task in yaml.safe_load(source.read_text(encoding="utf-8")):
            name = nodes.paragraph("", "", nodes.strong("", f"{task['task']}, {task['unit']}"))
            name += nodes.Text(f": {task['note']}")
            body += nodes.row("", nodes.entry("", name, morecols=2), classes=["task"])
            for row in task["rows"]:
                link = link_to(f"chapters/{row['page']}", "", self.env)
                chapter = nodes.entry("", nodes.paragraph("", "", link))
                cells = (self.entry(row["model"]), self.entry(self.found(row)), chapter)
                body += nodes.row("", *cells)
        self.env.note_reread()
        return [nodes.table("", group, classes=["results"])]

    def entry(self, text: str) -> nodes.entry:
        return nodes.entry("", nodes.paragraph("", text))

    def found(self, row: dict[str, str]) -> str:
        """The number that a row's pattern finds."""
        notebook = Path(self.env.srcdir, "chapters", f"{row['page']}.ipynb")
        self.env.note_dependency(str(notebook))
        numbers = re.findall(row["find"], printed(notebook, notebook.stat().st_mtime))
        if len(numbers) != 1:
            times = f"{len(numbers)} times"
            logger.warning("results.yml: %s prints %r %s", row["page"], row["find"], times)
        return numbers[0] if numbers else "–"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("results", Results)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
