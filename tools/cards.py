"""The words of stored cards are those of `chapters/claims.yml`: a better wording needs no run.

A card's numbers come from a run; its statement, its correction and the name of what it depends on
come from the file. `tools/normalise` puts the file's words into the stored card, as long as the
verdict is the same. A card with another verdict, or none, waits for `tools/execute`.
"""

from __future__ import annotations

import html
import re

from nbformat import NotebookNode

from utils.claims.card import SYMBOLS, heading_of, inline
from utils.claims.record import Claim
from utils.pages import statements_of, trials_in

TEXT = re.compile(r"\A(?P<symbol>\S) [^:\n]*: [^\n]*")
RATHER = re.compile(r"^  rather: .*$", re.M)
HEAD = re.compile(r"<strong>[^<]*</strong></p>(<p [^>]*>)<em>.*?</em></p>", re.S)
HOLDS = re.compile(r"(<strong>What holds:</strong> ).*?(</p></div>)\Z", re.S)


def worded(data: NotebookNode, claim: Claim) -> None:
    """Put a claim's words into the data of its stored card, unless the card has another verdict."""
    text, page = data.get("text/plain", ""), data.get("text/html", "")
    first = TEXT.match(text)
    if not first or first["symbol"] != SYMBOLS[claim.verdict] or not HEAD.search(page):
        return
    heading, rather = heading_of(claim), claim.correction or ""
    line = f"{first['symbol']} {heading.upper()}: {claim.statement}"
    text = line + text[first.end() :]
    data["text/plain"] = RATHER.sub(lambda _: f"  rather: {rather}", text)
    head = f"<strong>{html.escape(heading)}</strong></p>"
    page = HEAD.sub(lambda m: f"{head}{m[1]}<em>{inline(claim.statement)}</em></p>", page, count=1)
    data["text/html"] = HOLDS.sub(lambda m: f"{m[1]}{inline(rather)}{m[2]}", page)


def word_cards(notebook: NotebookNode, claims: dict[str, Claim]) -> None:
    """Put the words of the claims into all stored cards of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type != "code" or "claim" not in cell.metadata.get("tags", []):
            continue
        tried = [name for s in statements_of([cell.source]) for name in trials_in(s)]
        if len(tried) != 1 or tried[0] not in claims:
            continue  # the conventions and the claims' tests say what is wrong
        for output in cell.outputs:
            if "claim-card" in output.get("data", {}).get("text/html", ""):
                worded(output.data, claims[tried[0]])
