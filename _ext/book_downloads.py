"""What readers may take along: the files of a release, and each chapter as a notebook and as code.

`release-files` lists files that `make downloads` attaches to a release, and says where they are.

    ```{release-files}
    deep-learning-tested.pdf | PDF | The whole book on A4.
    ```

`chapter-files` is a table of all chapters. The site itself carries their files: the notebooks where
the theme has put them, the code under `_downloads/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools import book, page_code

FOLDER = "_downloads"


def notebook_file(page: str) -> str:
    """Where on the site a chapter's notebook is, seen from its front page."""
    return f"_sources/chapters/{page}.ipynb"


def code_file(page: str) -> str:
    """Where on the site a chapter's code is."""
    path = Path(page)
    return f"{FOLDER}/{path.parent.as_posix()}/{page_code.file_name(path)}"


class ReleaseFiles(SphinxDirective):
    """Lines of `file | what it is | what it is good for`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        release = f"{self.config.html_theme_options['repository_url']}/releases/latest/download"
        items = nodes.bullet_list(classes=["release-files"])
        for number, line in enumerate(self.content):
            if line.strip():
                file, what, about = (field.strip() for field in line.split("|"))
                link = nodes.reference("", what, refuri=f"{release}/{file}")
                text, messages = self.parse_inline(about, lineno=self.content_offset + number + 1)
                paragraph = nodes.paragraph("", "", nodes.strong("", "", link), nodes.Text(": "))
                items += nodes.list_item("", paragraph.__iadd__([*text, *messages]))
        return [items]


class ChapterFiles(SphinxDirective):
    """A line for each chapter, with links to its page, its notebook and its code."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # what is listed depends on the table of contents
        rows = ["| Chapter | Notebook | Code |", "|---|---|---|"]
        for page in book.toc_pages(Path(self.env.srcdir)):
            title = book.title(book.read(Path(self.env.srcdir, "chapters", f"{page}.ipynb")))
            files = {"notebook": notebook_file(page), "code": code_file(page)}
            links = [
                f'<a href="{file}" download aria-label="{title}: {what}">{Path(file).name}</a>'
                for what, file in files.items()
            ]
            rows.append(f"| [{title}](/chapters/{page}) | {' | '.join(links)} |")
        return self.parse_text_to_nodes("\n".join(rows))


def write_code(app: Sphinx, error: Exception | None) -> None:
    """Put the chapters' code into the built site."""
    if error is not None or app.builder.format != "html":
        return
    for page in book.toc_pages(Path(app.srcdir)):
        file = Path(app.outdir, code_file(page))
        file.parent.mkdir(parents=True, exist_ok=True)
        source = Path(app.srcdir, "chapters", f"{page}.ipynb")
        file.write_text(page_code.module(source), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("release-files", ReleaseFiles)
    app.add_directive("chapter-files", ChapterFiles)
    app.connect("build-finished", write_code)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
