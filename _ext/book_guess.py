"""Guess first: what gives a verdict away is marked, so that `guess.js` can hide it.

On a chapter's page that is the line of the box (`book_page.py`), most of the card, and what stands
between the card and the next heading or the next trial's introduction; *In short* and the summary
are hidden until all claims of the page are guessed. Overviews do not count verdicts meanwhile, and
the search does not tell them. Without a script and on paper nothing is hidden.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from book_early import load_early
from book_folds import kind_of
from book_overview import chapter_facts
from book_page import cards_of, is_chapter, trials_box
from book_redirects import anchors
from book_verdicts import spoiler, spoils
from docutils import nodes
from sphinx.application import Sphinx

SCRIPT = Path(__file__).with_name("guess.js")
HIDDEN = "Hidden until you have guessed all claims of this page."


def cell_of(node: nodes.Element) -> nodes.Element:
    """The code cell in whose output a node stands."""
    while node.get("nb_element") != "cell_code":
        node = node.parent
    return node


def is_code_of_trial(node: nodes.Node) -> bool:
    """Whether a node is a cell with the code of a trial."""
    return isinstance(node, nodes.container) and kind_of(node) == "trial-code"


def mark_conclusion(cell: nodes.Element, claim_id: str, cells: list[nodes.Element]) -> None:
    """Wrap what the page says of a trial after its card, up to the next section or trial."""
    section = cell.parent
    first = last = section.index(cell) + 1
    while last < len(section) and not isinstance(section[last], nodes.section):
        if any(section[last] is other for other in cells):
            # The next trial: its code, and the paragraph that says what is tried, stand before it.
            while is_code_of_trial(section[last - 1]):
                last -= 1
            last = max(first, last - 1)
            break
        last += 1
    said = section.children[first:last]
    if said:
        box = spoiler("", classes=["conclusion", *spoils(claim_id)])
        del section[first:last]
        box += said
        section.insert(first, box)


def mark_card(card: nodes.raw, claim_id: str, root: Path) -> None:
    """Name the claim in the card's classes, and keep the old anchors that lead to it."""
    name = re.escape(claim_id)
    found = rf'class="(claim-card [^"]*)" id="trial-{name}"([^>]*)>'
    gone = "".join(raw.astext() for raw in anchors(root, claim_id, "trial"))
    marked = rf'class="\1 claim-of of-{claim_id}" id="trial-{claim_id}"\2>{gone}'
    text = re.sub(found, marked, card.astext(), count=1)
    classes = " ".join(spoils(claim_id))
    result = r"(>Base: .*?)(Replication of .*?)</p>"  # what was measured, and what came of it
    text, count = re.subn(result, rf'\1<span class="{classes}">\2</span></p>', text, count=1)
    if not count:
        raise ValueError(f"The card of {claim_id} does not say what its replication found.")
    card.rawsource = text
    card.children = [nodes.Text(text)]


def mark_page(app: Sphinx, document: nodes.document) -> None:
    """Mark a chapter's cards, what follows them, and its *In short*."""
    page, root = app.env.docname, Path(app.srcdir)
    if not is_chapter(app, page):
        return
    app.env.note_dependency(str(root / "redirects.yml"))
    cards = cards_of(document)
    cells = [cell_of(card) for card in cards.values()]
    for (claim_id, card), cell in zip(cards.items(), cells, strict=True):
        if "claim-open" not in card.astext():  # without a replication there is no verdict to hide
            mark_card(card, claim_id, root)
            mark_conclusion(cell, claim_id, cells)
    for box in list(document.findall(trials_box)):
        place = box.parent.index(box)
        box.parent[place:place] = anchors(root, page.removeprefix("chapters/"), "trial")
    for strong in list(document.findall(nodes.strong)):
        if strong.astext().startswith("In short") and isinstance(strong.parent, nodes.paragraph):
            hide_told(strong.parent.parent, strong.parent.parent.index(strong.parent), 1)
    for section in document.findall(nodes.section):
        if "summary" in section["ids"] and cards:
            hide_told(section, 1, len(section) - 1)


def hide_told(section: nodes.Element, start: int, count: int) -> None:
    """Wrap what tells the results of the whole page, and say where it is hidden."""
    told = section.children[start : start + count]
    box = spoiler("", classes=["in-short", "spoils-page"])
    del section[start : start + count]
    box += told
    section.insert(start, [nodes.paragraph("", HIDDEN, classes=["guess-hidden"]), box])


def claims_on(tree: nodes.document) -> list[str]:
    """The claims whose verdicts a page tells."""
    marks = {name for node in tree.findall(nodes.Element) for name in node.get("classes", [])}
    return sorted(name.removeprefix("of-") for name in marks if name.startswith("of-"))


def add_script(app: Sphinx, _page: str, _template: str, context: dict, tree: Any) -> None:
    """Give pages with verdicts the script, in the head: a verdict must not flash."""
    claims = claims_on(tree) if tree is not None else []
    if claims or (tree is not None and any(tree.findall(chapter_facts))):
        names = f'<meta name="book-claims" content="{" ".join(claims)}" />'
        context["metatags"] = f"{context.get('metatags', '')}\n    {names}"
        load_early(app, context, SCRIPT)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", mark_page, priority=600)  # after the head is there
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
