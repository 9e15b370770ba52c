"""A chapter's references at its end: what it cites, and the sources of its claims.

The list is folded. A citation in the text shows its reference (`book_notes.py`) and leads to it;
from there one comes to the full list on the page `references`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from book_ledger import claims_in, page_of
from book_notes import note_link
from book_page import is_chapter
from docutils import nodes
from pybtex.plugin import find_plugin
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.transforms import node_text_transform

TITLE = "References of this page"
ANCHOR = "this-pages-references"
BACKEND = find_plugin("pybtex.backends", "docutils")()


class folded(nodes.General, nodes.Element):
    """The list, behind a line that says how long it is."""


def visit_folded(self: Any, node: folded) -> None:
    count = node["count"]
    works = "1 work" if count == 1 else f"{count} works"
    self.body.append(f'<details class="references-fold"><summary>{works}</summary>\n')


def depart_folded(self: Any, _node: folded) -> None:
    self.body.append("</details>\n")


def sources_of(app: Sphinx, document: nodes.document) -> set[str]:
    """The keys that a page cites, in its text and as sources of its claims."""
    known = app.env.get_domain("cite").bibdata.data.entries  # type: ignore[attr-defined]
    cited = {
        key.strip()
        for reference in document.findall(pending_xref)
        if reference["refdomain"] == "cite"
        for key in reference["reftarget"].split(",")
    }
    claims = claims_in(Path(app.srcdir, "chapters", "claims.yml"))
    said = {str(claim.get("source")) for claim in claims if page_of(claim) == app.env.docname}
    return cited | {key for key in said if key in known}


def add_list(app: Sphinx, document: nodes.document) -> None:
    """Add the section, with a label for each reference, so that it is in the table of contents."""
    page = app.env.docname
    head = document.next_node(nodes.section)
    if head is None or not is_chapter(app, page):
        return
    if keys := sources_of(app, document):
        section = nodes.section("", nodes.title("", TITLE), ids=[ANCHOR], names=[ANCHOR])
        items = nodes.bullet_list(classes=["references"])
        for key in sorted(keys):
            label = pending_xref(
                "", nodes.inline(), refdomain="cite", reftype="alp", reftarget=key, refdoc=page
            )
            # An inline, no paragraph: it is no part of the text that takes time to read.
            line = nodes.inline("", "", label, classes=["reference"])
            items += nodes.list_item("", line, ids=[f"cited-{key}"])
        section += folded("", items, count=len(keys))
        document.note_explicit_target(section, section)
        head += section


def write_list(app: Sphinx, document: nodes.document, page: str) -> None:
    """Write out the references, and let the citations of the text lead to them."""
    lists = [
        node for node in document.findall(nodes.bullet_list) if "references" in node["classes"]
    ]
    if app.builder.format != "html" or not is_chapter(app, page) or not lists:
        return
    citations = app.env.get_domain("cite").citations  # type: ignore[attr-defined]
    keys = {citation.citation_id: citation.key for citation in citations}
    entries = {f"cited-{citation.key}": citation.formatted_entry for citation in citations}
    for reference in list(document.findall(nodes.reference)):
        _, _, anchor = reference.get("refuri", "").partition("#")
        if "bibtex-citation" not in reference.parent.get("classes", ()) or anchor not in keys:
            continue
        reference.attributes.pop("reftitle", None)
        if "reference" not in reference.parent.parent.get("classes", ()):  # not of the list itself
            note = f"cited-{keys[anchor]}"
            link = note_link("", "", *reference.children, href=f"#{note}", note=note, kind="cited")
            reference.replace_self(link)
    for items in lists:
        for item in items:
            entry = BACKEND.paragraph(entries[item["ids"][0]])
            node_text_transform(entry)
            item[0] += [nodes.Text(": "), *entry.children]


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("book_notes")
    app.add_node(folded, html=(visit_folded, depart_folded))
    app.connect("doctree-read", add_list, priority=400)  # before the table of contents is made
    app.connect("doctree-resolved", write_list)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
