"""What the site needs beyond its theme: its own address, and no other hosts."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

STYLE_LINK = re.compile(r"<link\b[^>]*\bhref\s*=\s*[\"']?(?:https?:)?//[^>]*>", re.IGNORECASE)
REMOTE = re.compile(
    r"<(?:script|img|iframe|video|audio|source|link)\b[^>]*\b(?:src|href)\s*=\s*[\"']?"
    r"((?:https?:)?//[^\"'\s>]+)",
    re.IGNORECASE,
)


def published_address(repository: str) -> str:
    """The address at which GitHub Pages publishes a repository.

    Args:
        repository: The repository's address, `https://github.com/<owner>/<name>`.

    Returns:
        The address of the book's front page, ending in a slash.
    """
    owner, name = urlsplit(repository).path.strip("/").split("/")[:2]
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def derive_address(app: Sphinx, config: Config) -> None:
    """Set the canonical address from the one `repository:` setting."""
    if not config.html_baseurl:
        config.html_baseurl = published_address(config.html_theme_options["repository_url"])


def without_thebe(app: Sphinx, config: Config) -> None:
    """Leave Thebe out: its script, which Jupyter Book adds to all pages, names another host."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            module = getattr(listener.handler, "__module__", "")
            if module == "sphinx_thebe" and listener.handler.__name__ != "st_static_path":
                app.disconnect(listener.id)


class UniqueIds(SphinxTransform):
    """sphinx-exercise gives all exercises, and all solutions, one id; ids must be unique."""

    default_priority = 11  # just after the gated ones are merged
    repeated = ("exercise-content", "solution-content")

    def apply(self, **_: Any) -> None:
        for section in list(self.document.findall(nodes.section)):
            if len(section["ids"]) == 1 and section["ids"][0] in self.repeated:
                # A container, not a section: this is no entry of the table of contents.
                box = nodes.container(classes=section["ids"])
                box.extend(section.children)
                section.replace_self(box)
                box["ids"].clear()  # replacing hands the id on


# The theme lets the keyboard scroll what is wide, but looks for it only on load and on resizing;
# what is wide inside a fold shows only once the fold is open.
UNFOLDED = """document.addEventListener("click", (event) => {
  if (event.target.closest(".toggle, summary")) window.dispatchEvent(new Event("resize"));
});"""


def list_of_references(app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    """Make the bibliography a plain list to screen readers: its entries' role is obsolete."""
    if "doc-biblioentry" in context.get("body", ""):
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def name_summaries(app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    """Name the triangles that unfold a part in the side bar, for those who do not see them."""
    toctree = context.get("generate_toctree_html")
    if toctree is not None:

        def named(*args: Any, **kwargs: Any) -> str:
            label = '<summary aria-label="Show or hide the chapters of this part">'
            return str(toctree(*args, **kwargs)).replace("<summary>", label)

        context["generate_toctree_html"] = named


def keep_to_this_host(app: Sphinx, doctree: nodes.document) -> None:
    """Take style sheets of other hosts out of stored outputs, and refuse anything else remote.

    Matplotlib's animations ask a font service for their button icons; the theme has the same icons.
    """
    for raw in doctree.findall(nodes.raw):
        if "html" not in raw.get("format", ""):
            continue
        text = STYLE_LINK.sub("", raw.astext())
        if found := REMOTE.search(text):
            logger.warning(
                "%s: an output asks another host: %s", app.env.docname, found[1], location=raw
            )
        if text != raw.astext():
            raw.rawsource = text
            raw.children = [nodes.Text(text)]


NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>No such page · {title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1.15rem/1.6 Charter, Cambria, Georgia, serif; max-width: 34rem;
         margin: 12vh auto 0; padding: 0 1.5rem; }}
  a {{ color: light-dark(#0f6b57, #66d1ab); }}
  header {{ align-items: center; display: flex; font-weight: 700; gap: 0.6rem; }}
  input, button {{ font: inherit; padding: 0.3rem 0.6rem; }}
</style>
</head>
<body>
<header><img src="{home}_static/favicon.svg" width="48" height="48" alt="">
<a href="{home}">{title}</a></header>
<main>
<h1>There is no such page.</h1>
<p>It may have moved, or it may not be written yet.
<a href="{home}">The front page</a> lists what is in the book, and
<a href="{home}search.html">the search</a> looks through all of it:</p>
<form action="{home}search.html" role="search"><input type="search" name="q" aria-label="Search">
<button>Search</button></form>
</main>
</body>
</html>
"""


def write_not_found(app: Sphinx, error: Exception | None) -> None:
    """Write `404.html`, which is served at any depth: its links start at the site's root."""
    if error is None and app.builder.format == "html":
        home = urlsplit(app.config.html_baseurl).path
        page = NOT_FOUND.format(title=html.escape(app.config.html_title), home=home)
        Path(app.outdir, "404.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", derive_address)
    app.connect("config-inited", without_thebe)
    app.add_transform(UniqueIds)
    app.connect("doctree-read", keep_to_this_host)
    app.connect("html-page-context", list_of_references)
    app.connect("html-page-context", name_summaries, priority=900)  # after the theme's own
    app.connect("build-finished", write_not_found)
    app.add_js_file(None, body=UNFOLDED)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
