"""The first use of a glossary term on a chapter page leads to its entry in `glossary.md`.

All forms of a term are found: plural, capital at the start of a sentence, British and American
endings, hyphen or blank. No link stands in a quotation, nor on a page whose title is the term. A
comment in an entry, which readers do not see, says the rest:

    % forms: pools, pooled      other forms that are linked to the entry
    % not linked: why not       the term alone is no link (its other forms are)
    % linked in: sequences      where it is a term: in a part, or on a page such as mlp/dropout
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from posixpath import dirname, join
from typing import Any

from book_folds import in_solution
from book_notes import note_link
from book_page import in_cell, is_chapter
from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "glossary"
# Where a term is no part of the prose, or stands in a link already.
NO_PROSE = (
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.inline,  # a resolved citation
    nodes.footnote_reference,
    note_link,
)
NO_PLACE = nodes.table, nodes.figure
OVERVIEW = "Needs: ", "Builds on "  # lines that name what else there is, and link to it


@dataclass
class Entry:
    """An entry of the glossary: its anchor, its words, what it says, and how it is found."""

    anchor: str
    name: str
    definition: nodes.definition
    forms: list[str] = field(default_factory=list)
    pages: tuple[str, ...] = ("",)  # how the names of pages begin on which it is linked


def pattern_of(form: str) -> str:
    """A regular expression for a form of a term in running text.

    >>> found = lambda form, text: bool(re.fullmatch(pattern_of(form), text))
    >>> found("batch normalisation", "Batch-normalizations"), found("Adam", "adam")
    (True, False)
    """
    text = re.escape(form)
    text = re.sub(r"is(?=(e|es|ed|ing|ation|er)\b)", "i[sz]", text)
    text = re.sub(r"\\ |\\-", r"[-\\s]", text)
    text = re.sub(r"y$", "(?:y|ies)", text) if form.endswith("y") else text + "(?:e?s)?"
    first = form[0]
    return f"[{first}{first.upper()}]{text[1:]}" if first.islower() else text


def comments_of(definition: nodes.definition) -> dict[str, str]:
    """What the comments of an entry say, by key; they are taken out."""
    said = {}
    for comment in list(definition.findall(nodes.comment)):
        for line in comment.astext().splitlines():
            key, _, value = line.partition(":")
            said[key.strip()] = value.strip()
        comment.parent.remove(comment)
    return said


def entries_in(document: nodes.document) -> list[Entry]:
    """The entries of a glossary page."""
    entries = []
    for item in (
        i for g in document.findall(glossary) for i in g.findall(nodes.definition_list_item)
    ):
        terms = [child for child in item if isinstance(child, nodes.term)]
        definition = next(child for child in item if isinstance(child, nodes.definition))
        said = comments_of(definition)
        forms = [] if "not linked" in said else [term.astext() for term in terms]
        forms += [form.strip() for form in said.get("forms", "").split(",") if form.strip()]
        name = ", ".join(term.astext() for term in terms)
        pages = tuple(f"chapters/{page.strip()}" for page in said.get("linked in", "").split(","))
        entries.append(Entry(terms[0]["ids"][0], name, definition, forms, pages))
    return entries


class Finder:
    """Finds the terms of a glossary in text, the longest first."""

    def __init__(self, entries: list[Entry]) -> None:
        forms = [(form, entry) for entry in entries for form in entry.forms]
        forms.sort(key=lambda pair: (pair[0][0].lower(), -len(pair[0])))
        self.entries = [entry for _, entry in forms]
        # Those of one initial together: at each word only they are tried.
        initials = groupby((form for form, _ in forms), key=lambda form: form[0].lower())
        groups = (
            f"(?=[{first}{first.upper()}])(?:{'|'.join(f'({pattern_of(form)})' for form in same)})"
            for first, same in initials
        )
        self.pattern = re.compile(rf"(?<![\w–-])(?:{'|'.join(groups)})(?![\w–-])")

    def __call__(self, text: str) -> Iterator[tuple[re.Match[str], Entry]]:
        for match in self.pattern.finditer(text):
            yield match, self.entries[(match.lastindex or 0) - 1]


def prose_of(document: nodes.document) -> Iterator[nodes.Text]:
    """The texts of a chapter in which a term may be linked, in reading order."""
    for paragraph in list(document.findall(nodes.paragraph)):
        placed = any(isinstance(node, NO_PLACE) for node in above(paragraph))
        overview = paragraph.astext().startswith(OVERVIEW)
        if not (placed or overview or in_cell(paragraph) or in_solution(paragraph)):
            yield from texts_of(paragraph)


def above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def texts_of(element: nodes.Element) -> Iterator[nodes.Text]:
    for child in list(element):
        if isinstance(child, nodes.Text):
            yield child
        # A bold word introduces a term; bold words with a full stop are a heading.
        elif isinstance(child, nodes.strong) and child.astext()[-1:] in ".:?":
            continue
        elif isinstance(child, nodes.Element) and not isinstance(child, NO_PROSE):
            yield from texts_of(child)


def link_terms(document: nodes.document, find: Finder, page: str, address: str) -> list[Entry]:
    """Link the first use of each term on a page; returns the entries that are used."""
    used: dict[str, Entry] = {}
    title = document.next_node(nodes.title)
    subjects = {entry.anchor for _, entry in find(title.astext())} if title else set()
    for text in prose_of(document):
        said, parts, end = text.astext(), [], 0
        for match, entry in find(said):
            quoted = said.rfind("“", 0, match.start()) > said.rfind("”", 0, match.start())
            known = entry.anchor in used or entry.anchor in subjects
            if quoted or known or not page.startswith(entry.pages):
                continue
            used[entry.anchor] = entry
            link = note_link("", match[0], href=f"{address}#{entry.anchor}", kind="term")
            link["note"] = entry.anchor.replace("term-", "gloss-", 1)
            parts += [nodes.Text(said[end : match.start()]), link]
            end = match.end()
        if parts:
            parts.append(nodes.Text(said[end:]))
            text.parent.replace(text, [part for part in parts if part.astext()])
    return list(used.values())


def seen_from(glossary: str, link: str) -> str:
    """A link of the glossary as it is written on a page that writes `glossary` for the glossary.

    >>> seen_from("../../glossary.html", "#term-a"), seen_from("../../glossary.html", "intro.html")
    ('../../glossary.html#term-a', '../../intro.html')
    """
    if "://" in link:
        return link
    return glossary + link if link.startswith("#") else join(dirname(glossary), link)


def gloss_of(entry: Entry, address: str) -> nodes.container:
    """What the box shows for an entry, with links as seen from another page."""
    box = nodes.container(ids=[entry.anchor.replace("term-", "gloss-", 1)])
    box += [child.deepcopy() for child in entry.definition]
    first = box.next_node(nodes.paragraph)
    first[0:0] = [nodes.strong("", entry.name), nodes.Text(": ")]
    for link in box.findall(nodes.reference):
        link["refuri"] = seen_from(address, link.get("refuri") or f"#{link['refid']}")
    more = nodes.reference("", "In the glossary", internal=True, refuri=f"{address}#{entry.anchor}")
    box += nodes.paragraph("", "", more, classes=["note-more"])
    return box


def glossary_of(app: Sphinx) -> Finder:
    """The finder for the book's glossary, made once a build."""
    if not hasattr(app, "book_finder"):
        entries = entries_in(app.env.get_and_resolve_doctree(GLOSSARY, app.builder))
        app.book_finder = Finder(entries)  # type: ignore[attr-defined]
    return app.book_finder


def add_links(app: Sphinx, document: nodes.document, page: str) -> None:
    if app.builder.format == "html" and is_chapter(app, page):
        address = app.builder.get_relative_uri(page, GLOSSARY)
        document["book_terms"] = link_terms(document, glossary_of(app), page, address)


def add_entries(app: Sphinx, page: str, _template: str, context: dict, tree: Any) -> None:
    """Put the entries that a page uses below its text, hidden."""
    entries = tree.get("book_terms") if tree is not None else None
    if entries:
        address = app.builder.get_relative_uri(page, GLOSSARY)
        glosses = nodes.container("", *(gloss_of(entry, address) for entry in entries))
        said = app.builder.render_partial(glosses)["fragment"]
        hidden = '<div class="glosses" hidden>'
        context["body"] += f"{hidden}\n{said}</div>\n"


def all_chapters(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """A changed glossary changes all pages."""
    if not any(GLOSSARY in pages for pages in changes):
        return []
    return [page for page in env.found_docs if is_chapter(app, page)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("book_notes")
    app.connect("env-get-outdated", all_chapters)
    app.connect("doctree-resolved", add_links, priority=900)  # when citations are links
    app.connect("html-page-context", add_entries)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
