"""What the book holds so far, told from the table of contents so that it cannot be out of date.

`notebooks` lists a part's notebooks on its overview page: links where written, plain text if not.

    ```{notebooks} foundations
    autograd | Automatic differentiation | One backward pass gives every derivative.
    ```

`parts` lists all parts with their chapters, `progress` says how many are written, `continue` offers
to go on where one was, `clone-commands` says how to get the book, and `citation` how to cite it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from book_ledger import reading_order
from book_overview import chapter_facts, chapter_picture, chapter_question
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

RESUME = Path(__file__).with_name("resume.js")


def planned(source: Path) -> dict[str, list[str]]:
    """The chapters that each part will have, by the part's folder, as its overview lists them."""
    return {
        index.parent.name: re.findall(
            r"^([\w-]+) \| .+ \| ", index.read_text(encoding="utf-8"), re.M
        )
        for index in sorted(source.glob("chapters/*/index.md"))
    }


def link_to(docname: str, title: str, env: BuildEnvironment) -> addnodes.pending_xref:
    """A link to a page of the book; without a title it has the page's own."""
    target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{docname}"}
    link = nodes.inline("", title, classes=["std", "std-doc"])
    explicit = bool(title)
    return addnodes.pending_xref(
        "", link, **target, refdoc=env.docname, refexplicit=explicit, refwarn=True
    )


class NotebookList(SphinxDirective):
    """Lines of `slug | title | what it answers`, in reading order."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        part = self.arguments[0]
        items = nodes.bullet_list(classes=["notebook-list"])
        for number, line in enumerate(self.content):
            if line.strip():
                slug, title, about = (field.strip() for field in line.split("|"))
                lineno = self.content_offset + number + 1
                items += self.item(f"chapters/{part}/{slug}", title, about, lineno)
        self.env.note_reread()  # what is linked depends on the table of contents
        return [items]

    def item(self, docname: str, title: str, about: str, lineno: int) -> nodes.list_item:
        written = docname in self.env.found_docs
        paragraph = nodes.paragraph()
        if written:
            paragraph += chapter_picture(docname=docname)
            paragraph += nodes.strong("", "", link_to(docname, title, self.env))
            paragraph += chapter_question(docname=docname)
        else:
            paragraph += nodes.strong("", title)
            paragraph += nodes.Text(" ")
            paragraph += nodes.inline("", "to be written", classes=["to-come"])
        paragraph += nodes.Text(" ")
        children, messages = self.parse_inline(about, lineno=lineno)
        paragraph += nodes.inline("", "", *children, *messages, classes=["notebook-about"])
        if written:
            paragraph += chapter_facts(docname=docname)
        return nodes.list_item("", paragraph, classes=["written" if written else "unwritten"])


class PartList(SphinxDirective):
    """All parts in reading order, each with its chapters, and with what is still to be written."""

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list(classes=["part-list"])
        parts = planned(Path(self.env.srcdir))
        order = (page for page in reading_order(self.env.app) if page.endswith("/index"))
        for index in order:
            part = index.split("/")[1]
            self.env.note_dependency(str(self.env.doc2path(index)))
            written = [s for s in parts[part] if f"chapters/{part}/{s}" in self.env.found_docs]
            paragraph = nodes.paragraph("", "", nodes.strong("", "", link_to(index, "", self.env)))
            for slug in written:
                paragraph += nodes.Text(" · " if slug != written[0] else ": ")
                paragraph += link_to(f"chapters/{part}/{slug}", "", self.env)
            paragraph += nodes.Text(" ")
            if lacking := len(parts[part]) - len(written):
                words = f"{lacking} more to be written" if written else "to be written"
                paragraph += nodes.inline("", words, classes=["to-come"])
            kind = "written" if written else "unwritten"
            items += nodes.list_item("", paragraph, classes=[kind])
        self.env.note_reread()
        return [items]


class Continue(SphinxDirective):
    """A link to where the reader was, which a script shows when it knows (`place.js` notes it)."""

    def run(self) -> list[nodes.Node]:
        script = RESUME.read_text(encoding="utf-8")
        self.env.note_dependency(str(RESUME))
        html = f'<p class="continue" hidden></p>\n<script>\n{script}</script>\n'
        return [nodes.raw("", html, format="html")]


class Progress(SphinxDirective):
    """One sentence: how many of the planned notebooks are written."""

    def run(self) -> list[nodes.Node]:
        parts = planned(Path(self.env.srcdir))
        for part in parts:
            self.env.note_dependency(str(self.env.doc2path(f"chapters/{part}/index")))
        chapters = [f"chapters/{part}/{slug}" for part, slugs in parts.items() for slug in slugs]
        self.env.note_reread()
        written = sum(docname in self.env.found_docs for docname in chapters)
        if written == len(chapters):
            text = f"All {written} chapters are written."
        else:
            text = (
                f"The book is being written: {written} of {len(chapters)} chapters are finished. "
                "The page of each part says what is there and what is still to come."
            )
        return [nodes.paragraph("", text, classes=["book-progress"])]


class CloneCommands(SphinxDirective):
    """The commands that fetch and build the book, with the address from `_config.yml`."""

    def run(self) -> list[nodes.Node]:
        address = self.config.html_theme_options["repository_url"]
        text = f"git clone {address}\ncd {address.rstrip('/').split('/')[-1]}\nmake book"
        return [nodes.literal_block(text, text, language="bash")]


class Citation(SphinxDirective):
    """The book as an entry of BibTeX, from `CITATION.cff` and the site's settings."""

    def run(self) -> list[nodes.Node]:
        source = Path(self.env.srcdir, "CITATION.cff")
        self.env.note_dependency(str(source))
        book = yaml.safe_load(source.read_text(encoding="utf-8"))
        fields = {
            "title": f"{{{book['title']}}}",  # braces in braces keep the capitals
            "author": " and ".join(f"{{{author['name']}}}" for author in book["authors"]),
            "year": self.config.copyright,
            "version": book["version"],
            "url": book["repository-code"],
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        key = re.sub(r"\W+", "-", book["title"].lower())
        text = "\n".join([f"@misc{{{key},", *lines, "}"])
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("notebooks", NotebookList)
    app.add_directive("parts", PartList)
    app.add_directive("progress", Progress)
    app.add_directive("continue", Continue)
    app.add_directive("clone-commands", CloneCommands)
    app.add_directive("citation", Citation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
