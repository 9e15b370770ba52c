"""Code that is no part of the lesson is folded: set-up, plots, checks, experiments, and trials.

A cell's tag says what it is, and what runs in the sections of experiments (the opening question,
the library, real data, trials) is an experiment, unless it is tagged `lesson`; the notebook itself
stays as it is. On the site its code stands behind a summary that says what it defines and counts
its lines ("Set-up: SmallBlock · 22 lines"), its outputs stay visible.
Neighbours of one kind fold together, up to the first that has an output.
A fold is a `<details>`: it opens without a script, by keyboard, and for the browser's own search.
*Show all code*, in the header of such a page, opens all of them and is remembered (`folds.js`).
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from book_early import load_early
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform

HERE = Path(__file__).parent
SCRIPT = HERE / "folds.js"
LABELS = {
    "setup": "Set-up",
    "plot": "Plotting code",
    "check": "Check",
    "trial-code": "Trial code",
    "claim": "Trial code",
    "experiment": "Experiment",
    "live": "Code of the live model",
}
EXPERIMENTS = {"beside-the-library", "on-real-data", "on-trial"}


class fold(nodes.General, nodes.Element):
    """What stands behind a summary: `kind` is a key of LABELS, `code` the source it hides."""


def tags_of(cell: nodes.Element) -> list[str]:
    """The tags of a cell."""
    return cell.get("cell_metadata", {}).get("tags", [])


def kind_of(cell: nodes.Element) -> str | None:
    """Which of the kinds in LABELS a cell is tagged as, or None."""
    return next((tag for tag in tags_of(cell) if tag in LABELS), None)


def label_of(kind: str, code: str) -> str:
    """The text of a fold's summary.

    >>> label_of("setup", "def smooth(losses): ...")
    'Set-up: smooth · 1 line'
    >>> label_of("plot", "plt.show()")
    'Plotting code · 1 line'
    >>> label_of("check", "def a(): ...\\ndef b(): ...\\ndef c(): ...\\ndef d(): ...")
    'Check: a, b and 2 more · 4 lines'
    """
    found = re.findall(r"^(?:class|def) (\w+)", code, re.M)
    names = (
        ", ".join(found) if len(found) < 4 else f"{', '.join(found[:2])} and {len(found) - 2} more"
    )
    count = len(code.splitlines())
    what = f"{LABELS[kind]}: {names}" if names else LABELS[kind]
    return f"{what} · {count} {'line' if count == 1 else 'lines'}"


def in_solution(node: nodes.Node) -> bool:
    """Whether a node stands in a solution, which is folded as a whole."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.Element) and "solution" in node.get("classes", []):
            return True
    return False


def in_experiment(node: nodes.Node) -> bool:
    """Whether a node stands in a page's opening section, or in one of EXPERIMENTS."""
    while node.parent is not None:
        node, inner = node.parent, node
        if isinstance(node, nodes.section) and isinstance(node.parent, nodes.document):
            opening = next((child for child in node if isinstance(child, nodes.section)), None)
            return isinstance(inner, nodes.section) and (
                inner is opening or not EXPERIMENTS.isdisjoint(inner["ids"])
            )
    return False


def join(folded: fold) -> None:
    """Take the cell before into a fold, if it is folded as the same kind and has no output."""
    cell = folded.parent
    place = cell.parent.index(cell)
    before = cell.parent[place - 1] if place else None
    if isinstance(before, nodes.container) and [type(child) for child in before] == [fold]:
        (other,) = before
        if other["kind"] == folded["kind"]:
            folded["code"] = f"{other['code']}\n{folded['code']}"
            folded[:0] = other.children
            cell.parent.remove(before)


def is_folded(source: nodes.Element) -> bool:
    """Whether the code of a cell is folded."""
    cell = source.parent
    experiment = in_experiment(source) and "lesson" not in tags_of(cell)
    return (kind_of(cell) is not None or experiment) and not in_solution(source)


class FoldCells(SphinxPostTransform):
    """Wrap the source of tagged cells."""

    default_priority = 198  # before myst-nb hides what is tagged hide-input
    formats = ("html",)

    def run(self, **_: Any) -> None:
        for source in list(self.document.findall(nodes.container)):
            if source.get("nb_element") != "cell_code_source":
                continue
            if is_folded(source):
                kind = kind_of(source.parent) or "experiment"
                wrapped = fold(kind=kind, code=source.astext())
                source.replace_self(wrapped)
                wrapped += source
                join(wrapped)


def visit_fold(self: Any, node: fold) -> None:
    label = escape(label_of(node["kind"], node["code"]))
    self.body.append(f'<details class="fold fold-{node["kind"]}"><summary>{label}</summary>\n')


def depart_fold(self: Any, _node: fold) -> None:
    self.body.append("</details>\n")


def add_template(_app: Sphinx, config: Config) -> None:
    """Make `show-code.html`, the button of the header, known to the theme."""
    config.templates_path = [*config.templates_path, str(HERE)]


def add_button(app: Sphinx, _page: str, _template: str, context: dict, tree: Any) -> None:
    """Give pages with folds their script, in the head: the remembered choice must not flash."""
    context["has_folds"] = tree is not None and any(tree.findall(fold))
    if context["has_folds"]:
        load_early(app, context, SCRIPT)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_post_transform(FoldCells)
    app.connect("config-inited", add_template)
    app.connect("html-page-context", add_button)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
