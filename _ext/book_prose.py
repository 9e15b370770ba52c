"""What a typesetter does last: short titles, unbroken numbers, code without asides.

A solution stands below its exercise and need not say whose it is: its title fits beside its button.
A number keeps its per cent sign. Notes to the formatter (`# fmt: skip`) and the linter (`# noqa`)
stand in the notebook only.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import solution_node

ASIDE = re.compile(r"[ \t]+# (?:fmt: skip|noqa\b[^\n]*)$", re.MULTILINE)
NOT_PROSE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)


def without_asides(code: str) -> str:
    """Code without what only tools read.

    >>> without_asides("x = [1, 2]  # fmt: skip")
    'x = [1, 2]'
    """
    return ASIDE.sub("", code)


def kept_together(text: str) -> str:
    """Text in which no line ends between a number and its per cent sign.

    >>> ascii(kept_together("3 % of"))
    "'3\\\\xa0% of'"
    """
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", text)


class Prose(SphinxPostTransform):
    """Shortens titles, puts in spaces that don't break, and takes asides out."""

    default_priority = 700
    formats = ("html",)

    def run(self, **_: Any) -> None:
        for solution in self.document.findall(solution_node):
            solution[0][:] = [nodes.Text("Solution")]
        for block in self.document.findall(nodes.literal_block):
            if ASIDE.search(block.rawsource):
                block.rawsource = without_asides(block.rawsource)
                block[:] = [nodes.Text(block.rawsource)]
        for parent in self.document.findall(nodes.Element):
            if not isinstance(parent, NOT_PROSE):
                for at, child in enumerate(parent.children):
                    if isinstance(child, nodes.Text):
                        parent[at] = nodes.Text(kept_together(child))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(Prose)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
