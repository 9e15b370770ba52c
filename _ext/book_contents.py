"""What the book holds so far, told from the table of contents so that it cannot be out of date.

`notebooks` lists a part's notebooks on its overview page: links where written, plain text if not.

    ```{notebooks} foundations
    autograd | Automatic differentiation | One backward pass gives every derivative.
    ```

`progress` says how many are written, `clone-commands` how to get the book, and `citation` how to
cite it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


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
            label = nodes.inline("", title)
            link = addnodes.pending_xref(
                "",
                label,
                refdomain="std",
                reftype="doc",
                reftarget="/" + docname,
                refdoc=self.env.docname,
                refexplicit=True,
                refwarn=True,
            )
            paragraph += nodes.strong("", "", link)
        else:
            paragraph += nodes.strong("", title)
        paragraph += nodes.Text(" ")
        if not written:
            paragraph += nodes.inline("", "to be written", classes=["to-come"])
            paragraph += nodes.Text(" ")
        children, messages = self.parse_inline(about, lineno=lineno)
        paragraph += nodes.inline("", "", *children, *messages, classes=["notebook-about"])
        return nodes.list_item("", paragraph, classes=["written" if written else "unwritten"])


class Progress(SphinxDirective):
    """One sentence: how many of the planned notebooks are written."""

    def run(self) -> list[nodes.Node]:
        planned = []
        for index in sorted(Path(self.env.srcdir, "chapters").glob("*/index.md")):
            self.env.note_dependency(str(index))
            listed = re.findall(r"^([\w-]+) \| .+ \| ", index.read_text(encoding="utf-8"), re.M)
            planned += [f"chapters/{index.parent.name}/{slug}" for slug in listed]
        self.env.note_reread()
        written = sum(docname in self.env.found_docs for docname in planned)
        if written == len(planned):
            text = f"All {written} chapters are written."
        else:
            text = (
                f"The book is being written: {written} of {len(planned)} chapters are finished. "
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
    app.add_directive("progress", Progress)
    app.add_directive("clone-commands", CloneCommands)
    app.add_directive("citation", Citation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
