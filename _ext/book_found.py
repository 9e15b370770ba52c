"""How the book is found and shown by others: descriptions, previews, structured data, a map."""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections import Counter
from pathlib import Path
from typing import Any

import book_preview
from book_ledger import claims_in, page_of
from docutils import nodes
from sphinx.application import Sphinx

LICENCE = "https://creativecommons.org/licenses/by/4.0/"

FRONT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="description" content="{about}">
<link rel="canonical" href="{address}">
<meta http-equiv="refresh" content="0; url={page}">
</head>
<body><p><a href="{page}">{title}</a></p></body>
</html>
"""


def first_paragraph(doctree: nodes.document) -> str:
    """The first paragraph of a page as plain text, cut at a word to at most 200 characters."""
    for paragraph in doctree.findall(nodes.paragraph):
        words = re.sub(r"\s+", " ", paragraph.astext()).strip()
        if len(words) > 40:
            return words if len(words) <= 200 else words[:199].rsplit(" ", 1)[0] + "…"
    return ""


def preview(app: Sphinx, pagename: str, title: str, about: str) -> tuple[str, str]:
    """The address of a page's preview below the book's, and what it shows in words."""
    claims = claims_in(Path(app.srcdir, "chapters", "claims.yml"))
    verdicts = Counter(c["verdict"] for c in claims if page_of(c) == pagename)
    folder = Path(app.outdir, app.builder.imagedir)
    name = book_preview.draw(folder, app.config.html_title, title, about, verdicts)
    shows = f"{app.config.html_title}: {title}. {about} {book_preview.in_words(verdicts)}"
    return f"{app.builder.imagedir}/{name}", shows.strip()


def structured(app: Sphinx, pagename: str, title: str, about: str, address: str) -> dict[str, Any]:
    """What a page is, in the words of schema.org: the front page is the book, a chapter a part."""
    root = app.config.root_doc
    book = {
        "@type": "Book",
        "@id": posixpath.join(app.config.html_baseurl, f"{root}.html"),
        "name": app.config.html_title,
    }
    common = {
        "description": about,
        "url": address,
        "inLanguage": app.config.language,
        "license": LICENCE,
        "isAccessibleForFree": True,
        "author": {"@type": "Organization", "name": app.config.author},
    }
    if pagename == root:
        return {"@context": "https://schema.org", **book, "bookFormat": "EBook", **common}
    kind = {"@type": ["Chapter", "LearningResource"], "name": title, "isPartOf": book}
    return {"@context": "https://schema.org", **kind, **common}


def add_meta(app: Sphinx, pagename: str, _template: str, context: dict, doctree: Any) -> None:
    """Describe a page to search engines and to sites that show a preview of a link."""
    if doctree is None:
        return
    # Markdown in a title ("`torch`") has become HTML by now: keep its text only.
    title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or app.config.html_title))
    about = app.env.metadata[pagename].get("description") or first_paragraph(doctree)
    address = posixpath.join(app.config.html_baseurl, f"{pagename}.html")
    image, shows = preview(app, pagename, title, about)
    if pagename == app.config.root_doc:
        context["docstitle"] = "from calculus to BERT, every experiment run"  # not the name twice
    tags = {
        "og:title": title,
        "og:type": "book" if pagename == app.config.root_doc else "article",
        "og:url": address,
        "og:site_name": app.config.html_title,
        "og:description": about,
        "og:image": posixpath.join(app.config.html_baseurl, image),
        "og:image:width": str(book_preview.SIZE[0]),
        "og:image:height": str(book_preview.SIZE[1]),
        "og:image:alt": shows,
    }
    lines = [f'<meta property="{k}" content="{html.escape(v)}" />' for k, v in tags.items() if v]
    lines.append('<meta name="twitter:card" content="summary_large_image" />')
    if about:
        lines.append(f'<meta name="description" content="{html.escape(about)}" />')
    data = json.dumps(structured(app, pagename, title, about, address), ensure_ascii=False)
    # "</" would end the script
    lines.append(
        f'<script type="application/ld+json">{data.replace("</", "<" + chr(92) + "/")}</script>'
    )
    context["metatags"] = context.get("metatags", "") + "\n    " + "\n    ".join(lines)


def sitemap(app: Sphinx) -> str:
    """The addresses of all pages, for search engines (sitemaps.org)."""
    base = app.config.html_baseurl
    pages = (posixpath.join(base, f"{page}.html") for page in sorted(app.env.found_docs))
    lines = [f"  <url><loc>{html.escape(page)}</loc></url>" for page in pages]
    schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{schema}">'
    return "\n".join([head, *lines, "</urlset>\n"])


def write_front(app: Sphinx, error: Exception | None) -> None:
    """Write `index.html`, which leads to the front page, the map of the site and `robots.txt`.

    The `index.html` that Jupyter Book writes has no title and no canonical address.
    """
    if error is not None or app.builder.format != "html":
        return
    page = f"{app.config.root_doc}.html"
    base = app.config.html_baseurl
    text = FRONT.format(
        title=html.escape(app.config.html_title),
        about=html.escape(app.env.metadata[app.config.root_doc]["description"]),
        address=posixpath.join(base, page),
        page=page,
    )
    Path(app.outdir, "index.html").write_text(text, encoding="utf-8")
    robots = f"User-agent: *\nAllow: /\n\nSitemap: {posixpath.join(base, 'sitemap.xml')}\n"
    Path(app.outdir, "sitemap.xml").write_text(sitemap(app), encoding="utf-8")
    Path(app.outdir, "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_meta)
    app.connect("build-finished", write_front, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
