"""Links that show what they lead to: a term's entry, a citation's reference.

A `note_link` is an ordinary link. What it leads to stands on the same page too, in the element that
its `aria-describedby` names; `notes.js` shows that in a box beside the link, on hover, focus or a
tap. Without a script the link leads to the glossary or to the reference.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

SCRIPT = Path(__file__).with_name("notes.js")


class note_link(nodes.Inline, nodes.TextElement):
    """A link (`href`, `kind` is its class) that the element with the id `note` describes."""


def visit_note_link(self: Any, node: note_link) -> None:
    href, note = escape(node["href"]), escape(node["note"])
    self.body.append(
        f'<a class="note-link {node["kind"]}" href="{href}" aria-describedby="{note}">'
    )


def depart_note_link(self: Any, _node: note_link) -> None:
    self.body.append("</a>")


def add_static_file(_app: Sphinx, config: Config) -> None:
    """Have the script copied beside the style sheets; only pages with notes load it."""
    config.html_static_path = [*config.html_static_path, str(SCRIPT)]


def add_script(app: Sphinx, _page: str, _template: str, _context: dict, tree: Any) -> None:
    if tree is not None and any(tree.findall(note_link)):
        app.add_js_file(SCRIPT.name, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(note_link, html=(visit_note_link, depart_note_link))
    app.connect("config-inited", add_static_file)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
