"""A visible `#` on sections, figures, trials, exercises and questions: readers point to them.

Sphinx writes one for sections and figures, with a name ("#") that says nothing to those who do not
see it. The others are added here, to the HTML of the page. Each is a plain link; `page.js` copies
its address as well. The ids are made from names and words, not from numbers, and so are stable.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

OWN = re.compile(r'(<a class="headerlink" href="[^"]*") title="(Link to this \w+)"')
PLACES = {
    "exercise": re.compile(
        r'<div class="exercise admonition" id="(?P<id>[^"]+)">\s*<p class="admonition-title">.*?'
        r"(?=</p>)",
        re.DOTALL,
    ),
    "trial": re.compile(
        r'<div class="claim-card [^"]*" id="(?P<id>trial-[^"]+)".*?(?=</p>)', re.DOTALL
    ),
    "question": re.compile(r'<p id="(?P<id>question-[^"]+)">\s*<strong>.*?</strong>', re.DOTALL),
}
# A table made by pandas heads its first column with nothing.
NO_HEADER = re.compile(r"<th\b([^>]*)>\s*</th>")


def with_permalinks(body: str) -> str:
    """A page's HTML with a named `#` at each place that has an id of its own.

    >>> with_permalinks('<p id="question-a"><strong>A?</strong> Yes.</p>').count('="#question-a"')
    1
    """
    body = OWN.sub(r'\1 title="\2" aria-label="\2"', body)
    for kind, place in PLACES.items():
        words = f"Link to this {kind}"
        link = f'<a class="headerlink" href="#{{}}" title="{words}" aria-label="{words}">#</a>'
        body = place.sub(lambda match, link=link: match[0] + link.format(match["id"]), body)
    return NO_HEADER.sub(r"<td\1></td>", body)


def add_permalinks(_app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    if "body" in context:
        context["body"] = with_permalinks(context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_permalinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
