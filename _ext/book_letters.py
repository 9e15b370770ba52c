"""Letters above the glossary, each of which leads to the first term that begins with it."""

from __future__ import annotations

import unicodedata
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def letter_of(term: str) -> str:
    """The letter under which a term is looked up; what begins with a sign or a number is under #.

    >>> letter_of("Élan"), letter_of("1 × 1 convolution")
    ('E', '#')
    """
    first = unicodedata.normalize("NFD", term[:1]).upper()[:1]
    return first if first.isascii() and first.isalpha() else "#"


def add_letters(_app: Sphinx, document: nodes.document) -> None:
    """Put the letters above a page's glossary."""
    for glossary in list(document.findall(addnodes.glossary)):
        line = nodes.paragraph(classes=["letters"])
        for item in glossary.findall(nodes.definition_list_item):
            term = item.next_node(nodes.term)
            letter = letter_of(term.astext())
            if letter not in [link.astext() for link in line.findall(nodes.reference)]:
                link = nodes.reference("", letter, internal=True, refid=term["ids"][0])
                line += [link, nodes.Text(" ")]
        glossary.parent.insert(glossary.parent.index(glossary), line)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", add_letters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
