"""The head and the foot of a chapter page, made from records so that they cannot be out of date.

Head: how long the page takes to read, beside the run time, and below the title block a box with
the page's claims from `chapters/claims.yml`, each with its verdict and a link to its card. A card
leads back to its entry in the ledger. Foot (`page-foot.html`): the licences, how to cite the book,
and the last of the page's runs under `chapters/replications/`.

The box is a closed `<details>` on a phone; style sheets open it where there is room, and on paper.
"""

from __future__ import annotations

import datetime
import re
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import Any

from book_folds import in_solution, is_folded
from book_ledger import claims_in, page_of, runs_of
from book_verdicts import COUNTED, SWITCH, VERDICTS, spoils, verdict_of
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.i18n import format_date

logger = logging.getLogger(__name__)

CARD = re.compile(r'<div class="claim-card [^"]*" id="trial-([\w-]+)"')
LEDGER = "claims"
TITLE = "On trial on this page"
WORDS_A_MINUTE = 200
# A line of code, a displayed formula and a figure take a reader as long as so many words.
LINE, FORMULA, FIGURE = 6, 40, 60


class trials_box(nodes.General, nodes.Element):
    """The box of a page's claims; `tally` counts their verdicts, and shows while it is folded."""


def is_chapter(app: Sphinx, docname: str) -> bool:
    """Whether a page is a chapter of the book, that is, a notebook."""
    return docname in app.env.found_docs and str(app.env.doc2path(docname)).endswith(".ipynb")


def in_cell(node: nodes.Node) -> bool:
    """Whether a node stands in a code cell or in its output."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.Element) and node.get("nb_element"):
            return True
    return False


def reading_minutes(document: nodes.document) -> int:
    """The minutes that a page takes, without what is folded: a rough measure."""

    def shown(*kinds: type[nodes.Element]) -> list[nodes.Element]:
        found = [node for kind in kinds for node in document.findall(kind)]
        return [node for node in found if not in_solution(node)]

    texts = [text for text in shown(nodes.paragraph, nodes.title) if not in_cell(text)]
    words = sum(len(text.astext().split()) for text in texts)
    words += FORMULA * len(shown(nodes.math_block)) + FIGURE * len(shown(nodes.figure))
    for cell in shown(nodes.container):
        if cell.get("nb_element") == "cell_code_source" and not is_folded(cell):
            words += LINE * len(cell.astext().splitlines())
    return max(1, round(words / WORDS_A_MINUTE))


def cards_of(document: nodes.document) -> dict[str, nodes.raw]:
    """The verdict cards of a page by the claim's id, in the order of the trials."""
    raws = [node for node in document.findall(nodes.raw) if node.get("format") == "html"]
    found = ((CARD.search(node.astext()), node) for node in raws)
    return {match[1]: node for match, node in found if match}


def sentence(text: str) -> list[nodes.Node]:
    """A claim's sentence, with what stands in backquotes set as code.

    >>> [type(node).__name__ for node in sentence("`relu` is faster.")]
    ['literal', 'Text']
    """
    parts = enumerate(" ".join(text.split()).split("`"))
    return [nodes.literal("", p) if i % 2 else nodes.Text(p) for i, p in parts if p]


def box_of(claims: list[dict]) -> trials_box:
    """The box: a line a claim, which is one link to the claim's card."""
    verdicts = [claim["verdict"] for claim in claims]
    tally = [f"{verdicts.count(v)} {COUNTED[v]}" for v in VERDICTS if v in verdicts]
    lines = nodes.bullet_list()
    for claim in claims:
        line = nodes.list_item(classes=[f"is-{claim['verdict']}", "claim-of", f"of-{claim['id']}"])
        link = nodes.reference("", "", internal=True, refuri=f"#trial-{claim['id']}")
        colon = nodes.inline("", ": ", classes=spoils(claim["id"]))
        link += [verdict_of(claim), colon, *sentence(claim["statement"])]
        line += nodes.paragraph("", "", link)
        lines += line
    return trials_box("", lines, tally=", ".join(tally))


def link_to_ledger(card: nodes.raw, address: str) -> None:
    """Write a link into the foot of a card, whose HTML is a notebook's stored output."""
    help_at = f"{address.partition('#')[0]}#how-to-read-a-card"
    links = {"This claim in the ledger": address, "How to read this card": help_at}
    found = (f'<a href="{escape(url)}">{words}</a>' for words, url in links.items())
    link = f'<p class="card-ledger">{" · ".join(found)}</p>'
    head, end, tail = card.astext().rpartition("</div>")
    card.rawsource = head + link + end + tail
    card.children = [nodes.Text(card.rawsource)]


def add_head(app: Sphinx, document: nodes.document) -> None:
    """Put the reading time and the box under a chapter's title, and links into its cards."""
    page = app.env.docname
    head = document.next_node(nodes.section)
    if head is None or not is_chapter(app, page):
        return
    source = Path(app.srcdir, "chapters", "claims.yml")
    for path in (source, *runs_of(app.srcdir, page)):
        app.env.note_dependency(str(path))
    claims = {claim["id"]: claim for claim in claims_in(source) if page_of(claim) == page}
    cards = cards_of(document)
    for name in claims.keys() ^ cards.keys():
        lacking = "the page has no card" if name in claims else "claims.yml has no claim"
        logger.warning("%s: %s %s", page, lacking, name, location=page)
    shown = [name for name in cards if name in claims]

    # The title block: everything above the first cell or section.
    block = list(takewhile(lambda node: isinstance(node, nodes.TextElement), head))
    for paragraph in block:
        if "; runs in about" in paragraph.astext():
            time = f"Reading takes about {reading_minutes(document)} minutes."
            paragraph += [nodes.Text(" "), nodes.emphasis("", time, classes=["reading-time"])]
    if shown:
        head.insert(len(block), box_of([claims[name] for name in shown]))
    for name in shown:
        ledger = app.builder.get_relative_uri(page, LEDGER)
        link_to_ledger(cards[name], f"{ledger}#claim-{name}")


def visit_box(self: Any, node: trials_box) -> None:
    summary = f'{TITLE}<span class="spoils-page">: {escape(node["tally"])}</span>'
    # Of the two one is shown: the summary while the list can be folded, else the paragraph.
    self.body.append(
        '<nav class="on-trial" aria-labelledby="trials-here">'
        f'<p class="on-trial-title" id="trials-here">{summary}</p>'
        f"<details><summary>{summary}</summary>\n"
    )


def depart_box(self: Any, _node: trials_box) -> None:
    self.body.append(f"</details>{SWITCH}</nav>\n")


def last_run(app: Sphinx, page: str) -> dict[str, Any] | None:
    """What the foot says of a page's replication: its last run, and how many there are."""
    runs = runs_of(app.srcdir, page)
    if not runs:
        return None
    last = max(runs.values(), key=lambda run: run["date"])
    date = datetime.date.fromisoformat(last["date"])
    words = format_date("%-d %B %Y", date=date, language=app.config.language)
    return last | {"date_in_words": words, "device": last["device"].upper(), "runs": len(runs)}


def add_foot(app: Sphinx, page: str, _template: str, context: dict, _tree: Any) -> None:
    """Give `page-foot.html` what it says of a chapter."""
    context["has_foot"] = is_chapter(app, page)
    if context["has_foot"]:
        context["last_run"] = last_run(app, page)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(trials_box, html=(visit_box, depart_box))
    app.connect("doctree-read", add_head)
    app.connect("html-page-context", add_foot)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
