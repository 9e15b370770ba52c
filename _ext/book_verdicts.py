"""How a verdict is said, everywhere on the site, and how what gives one away is marked.

*Guess first* (`book_guess.py`) hides what carries the class `spoils` until the reader has guessed
the claim `<id>` that a second class, `of-<id>`, names; what tells several verdicts of a page at
once carries `spoils-page`, and is hidden until all of the page's claims are guessed.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

VERDICTS = ("supported", "refuted", "depends")
WORDS = {"supported": "Supported", "refuted": "Refuted", "depends": "It depends"}
COUNTED = {"supported": "supported", "refuted": "refuted", "depends": "where it depends"}

SWITCH = (  # `guess.js` makes it work, and shows it
    '<div class="guess-bar"><button type="button" class="guess-switch" aria-pressed="false">'
    'Guess first</button> <span class="guess-about">hides the verdicts, and what a page says right '
    "after them, until you have guessed.</span> "
    '<span class="guess-score" role="status"></span></div>'
)


class spoiler(nodes.General, nodes.Element):
    """A block that gives verdicts away; its classes say which."""


def spoils(claim_id: str) -> list[str]:
    """The classes of what gives a claim's verdict away."""
    return ["spoils", f"of-{claim_id}"]


def words_of(claim: dict) -> str:
    """A verdict in words: `Supported`, or `It depends on the width`."""
    words = WORDS[claim["verdict"]]
    if on := claim.get("depends_in_words") or claim.get("depends_on"):
        words += f" on the {on.replace('_', ' ')}"
    return words


def verdict_of(claim: dict) -> nodes.inline:
    """A verdict in words; style sheets put its mark before it."""
    classes = ["verdict", f"verdict-{claim['verdict']}", *spoils(claim["id"])]
    return nodes.inline("", words_of(claim), classes=classes)


def visit_spoiler(self: Any, node: spoiler) -> None:
    self.body.append(self.starttag(node, "div"))


def depart_spoiler(self: Any, _node: spoiler) -> None:
    self.body.append("</div>\n")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(spoiler, html=(visit_spoiler, depart_spoiler))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
