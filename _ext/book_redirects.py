"""Addresses that were once published go on leading somewhere (`redirects.yml`).

A page that has moved leaves a page behind that leads to the new one. A claim that is tried no more
leaves its anchors behind, in the ledger and on its chapter's page: at the claim that has taken its
place, or where the claims of its page begin.
"""

from __future__ import annotations

import posixpath
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx

MOVED = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}: moved</title>
<link rel="canonical" href="{address}">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="0; url={link}">
<p>This page has moved: <a href="{link}">go on to it</a>.</p>
</html>
"""


def redirects(root: Path) -> dict[str, dict]:
    """What `redirects.yml` says, `pages` and `claims`."""
    return yaml.safe_load(Path(root, "redirects.yml").read_text(encoding="utf-8"))


def anchors(root: Path, target: str, prefix: str) -> list[nodes.raw]:
    """The old anchors that lead to a claim, or to the claims of a page (`<part>/<slug>`).

    `prefix` is `claim` in the ledger, and `trial` on a chapter's page.
    """
    old = redirects(root)["claims"].get(target, [])
    spans = "".join(f'<span class="claim-gone" id="{prefix}-{name}"></span>' for name in old)
    return [nodes.raw("", spans, format="html")] if old else []


def moved(old: str, new: str, title: str, base: str) -> str:
    """The page that is left where `old` was, which has moved to `new` (names, without `.html`)."""
    link = posixpath.relpath(f"{new}.html", posixpath.dirname(old) or ".")
    address = posixpath.join(base, f"{new}.html")
    return MOVED.format(title=escape(title), address=escape(address), link=escape(link))


def write_moved(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        for old, new in (redirects(Path(app.srcdir))["pages"] or {}).items():
            path = Path(app.outdir, f"{old}.html")
            path.parent.mkdir(parents=True, exist_ok=True)
            text = moved(old, new, app.config.html_title, app.config.html_baseurl)
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", write_moved)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
