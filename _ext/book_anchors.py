"""Anchors for what readers look up: answered questions, troubles, and the symbols of *Notation*.

An id is made from the words: `#question-which-learning-rate`. Sections, exercises, trials and terms
have theirs from Sphinx and from the notebooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

QUESTIONS = "questions-readers-ask"
TROUBLES = "troubleshooting"
SYMBOLS = "notation"
LONGEST = 80


def questions(document: nodes.document) -> Iterator[tuple[nodes.paragraph, nodes.strong]]:
    """The answered questions of a page: each a paragraph that begins with the question in bold."""
    for section in document.findall(nodes.section):
        if QUESTIONS in section["ids"]:
            for paragraph in section.findall(nodes.paragraph):
                # myst-nb puts an empty text before what is bold
                first = next((child for child in paragraph if child.astext()), None)
                if isinstance(first, nodes.strong):
                    yield paragraph, first


def entries(document: nodes.document) -> Iterator[tuple[list[nodes.term], nodes.definition]]:
    """The entries of a page's definition lists: one term or more, and what stands below."""
    for item in document.findall(nodes.definition_list_item):
        *terms, text = item.children
        yield terms, text


def symbols(document: nodes.document) -> Iterator[tuple[nodes.row, list[nodes.entry]]]:
    """The rows of a page's tables below their heads, each with its cells."""
    for body in document.findall(nodes.tbody):
        for row in body.findall(nodes.row):
            yield row, list(row.children)


class Anchors(SphinxTransform):
    """Give questions, troubles and symbols an id, unless they have one."""

    default_priority = 600

    def apply(self, **_: Any) -> None:
        found = [(paragraph, "question", words) for paragraph, words in questions(self.document)]
        if self.env.docname == TROUBLES:
            found += [(terms[0], "trouble", terms[0]) for terms, _ in entries(self.document)]
        if self.env.docname == SYMBOLS:
            found += [(row, "symbol", cells[0]) for row, cells in symbols(self.document)]
        for node, kind, words in found:
            if not node["ids"]:
                name = f"{kind}-{nodes.make_id(words.astext())[:LONGEST].strip('-')}"
                while name in self.document.ids:  # one letter with two meanings
                    name += "-again"
                node["ids"].append(name)
                self.document.note_explicit_target(node)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Anchors)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
