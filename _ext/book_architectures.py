"""The comparison of architectures: `{architectures}` makes its figure and table.

All numbers are those that `make architectures` has stored in `chapters/architectures.json`.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HEAD = ("Network", "Accuracy, %", "Seconds", "Parameters", "MACs", "Memory", "Rate")


def cells_of(name: str, result: dict[str, Any]) -> tuple[str, ...]:
    """A network's row.

    >>> cells_of("LeNet", {"parameters": 61706, "macs": 416520, "megabytes": 3.9, "seconds": 4.2,
    ...                    "rate": 0.03, "accuracy": [0.86, 0.88]})
    ('LeNet', '87.0 (86.0–88.0)', '4', '61,706', '0.42 M', '3.9 MB', '0.03')
    """
    low, *_, high = sorted(result["accuracy"])
    mean = statistics.fmean(result["accuracy"])
    return (
        name,
        f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})",
        f"{result['seconds']:.0f}",
        f"{result['parameters']:,}",
        f"{result['macs'] / 1e6:.2f} M",
        f"{result['megabytes']:.1f} MB",
        f"{result['rate']:g}",
    )


def in_words(networks: dict[str, dict[str, Any]]) -> str:
    """What the figure shows, for those who don't see it."""
    points = (
        f"{name} {100 * statistics.fmean(result['accuracy']):.1f} % after {result['seconds']:.0f} s"
        for name, result in networks.items()
    )
    return f"Test accuracy against seconds of training: {', '.join(points)}"


class Architectures(SphinxDirective):
    """A figure, and below it a table with a line a network."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir, "chapters", "architectures.json")
        self.env.note_dependency(str(source))
        stored = json.loads(source.read_text(encoding="utf-8"))["cpu"]
        networks = stored["networks"]
        picture = nodes.image(
            uri="/chapters/cnn/architectures.svg", alt=in_words(networks), align="center"
        )
        runs = len(next(iter(networks.values()))["accuracy"])
        said = (
            f"Mean test accuracy of {runs} runs (lines: from least to most) against the seconds "
            f"that {stored['epochs']} epochs of {stored['images']:,} images take on one core."
        )
        figure = nodes.figure("", picture, nodes.caption(said, said), align="center")
        figure["names"].append("fig-architectures")
        self.state.document.note_explicit_target(figure, figure)
        group = nodes.tgroup(cols=len(HEAD))
        group.extend(nodes.colspec(colwidth=1) for _ in HEAD)
        group += nodes.thead("", self.row(HEAD))
        rows = [self.row(cells_of(name, result)) for name, result in networks.items()]
        group += nodes.tbody("", *rows)
        return [figure, nodes.table("", group, classes=["results"])]

    def row(self, texts: tuple[str, ...]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in texts))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("architectures", Architectures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
