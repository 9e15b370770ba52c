"""Figures can be enlarged: on a phone, one of several panels is too small to be read.

Each figure gets a link to its picture, which works without a script; `page.js` opens it in a dialog
on the page instead, with its caption.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

FIGURE = re.compile(r"<figure\b.*?</figure>", re.DOTALL)
IMAGE = re.compile(r"<img\b[^>]*\bsrc=\"([^\"]+)\"[^>]*>")
NUMBER = re.compile(r'<span class="caption-number">(.*?)</span>')


def with_link(figure: str) -> str:
    """A figure's HTML with a link to its picture.

    >>> print(with_link('<figure><img src="a.svg"></figure>').replace("><", ">\\n<"))
    <figure>
    <img src="a.svg">
    <a class="enlarge" href="a.svg" aria-label="Enlarge this figure">Enlarge</a>
    </figure>
    """
    number = NUMBER.search(figure)
    name = number[1].strip() if number else "this figure"
    link = rf'\g<0><a class="enlarge" href="\1" aria-label="Enlarge {name}">Enlarge</a>'
    return IMAGE.sub(link, figure, count=1)


def add_links(_app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    if "body" in context:
        context["body"] = FIGURE.sub(lambda match: with_link(match[0]), context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
