"""Every claim has exactly one trial, and stored cards agree with `chapters/claims.yml`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.notebooks.conventions import code_cells, trial_ids
from tools import book

VERDICTS = ("supported", "refuted", "depends")
KEYS = {"id", "part", "page", "statement", "verdict", "correction", "zh", "source"}
BY_ID = {claim["id"]: claim for claim in book.claims()}


def trials() -> list[tuple[str, str, Any]]:
    """Each trial in the book: its page, its claim, and its cell."""
    return [
        (f"{path.parent.name}/{path.stem}", claim, cell)
        for path in book.notebooks()
        for _, cell in code_cells(book.read(path))
        for claim in trial_ids(cell)
    ]


def schema_errors(claim: dict[str, Any]) -> list[str]:
    """What is wrong with an entry of the file, in itself."""
    found = []
    if set(claim) != KEYS:
        return [f"keys {sorted(set(claim) ^ KEYS)} are missing or unknown"]
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim["id"]):
        found.append("the id is not in kebab-case")
    if claim["verdict"] not in VERDICTS:
        found.append(f"verdict {claim['verdict']!r} is none of {VERDICTS}")
    if bool(claim["correction"]) != (claim["verdict"] in ("refuted", "depends")):
        found.append("a correction is there if and only if the verdict is refuted or depends")
    if claim["part"] != claim["page"].split("/")[0] or claim["part"] not in book.PART_TITLES:
        found.append("part and page do not agree, or the part is unknown")
    found += [f"{key} is empty" for key in ("statement", "zh", "source") if not claim[key]]
    return found


def pairing_errors(tried: list[tuple[str, str]], recorded: dict[str, str]) -> list[str]:
    """What is wrong between trials (page, id) and the file (id to page)."""
    found = [
        f"trial of {name!r} on {page}: no such claim"
        for page, name in tried
        if name not in recorded
    ]
    counts = Counter(name for _, name in tried)
    found += [f"{name!r} is tried {counts[name]} times" for name in recorded if counts[name] != 1]
    found += [
        f"{name!r} is tried on {page}, not on {recorded[name]}"
        for page, name in tried
        if recorded.get(name, page) != page
    ]
    return found


def card_errors(card: str, claim: dict[str, Any]) -> list[str]:
    """What is wrong between a stored card and the entry of its claim."""
    flat = " ".join(card.split())
    found = []
    if " ".join(claim["statement"].split()) not in flat:
        found.append("the card shows another statement")
    verdict = re.match(r"\W*([A-Za-z]+)", card)
    if verdict is None or verdict[1].lower() != claim["verdict"]:
        found.append(f"the card begins with {card[:20]!r}, the file says {claim['verdict']}")
    return found


# ------------------------------------------------------------------------------------- the book
def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(book.claims())


@pytest.mark.parametrize("claim", book.claims(), ids=lambda claim: claim["id"])
def test_entry_is_well_formed(claim: dict[str, Any]) -> None:
    assert schema_errors(claim) == []
    assert (book.ROOT / "chapters" / f"{claim['page']}.ipynb").is_file()


def test_each_claim_has_one_trial_and_each_trial_a_claim() -> None:
    recorded = {name: claim["page"] for name, claim in BY_ID.items()}
    assert recorded, "the book tries no claims"
    assert pairing_errors([(page, name) for page, name, _ in trials()], recorded) == []


@pytest.mark.parametrize(
    ("page", "name", "cell"), trials(), ids=lambda x: x if isinstance(x, str) else ""
)
def test_stored_card_agrees_with_the_file(page: str, name: str, cell: Any) -> None:
    cards = [
        output.data
        for output in cell.outputs
        if f'id="trial-{name}"' in output.get("data", {}).get("text/html", "")
    ]
    assert len(cards) == 1, "the cell has not exactly one card that the ledger can link to"
    assert card_errors(cards[0]["text/plain"], BY_ID[name]) == []
    assert f"claim-{BY_ID[name]['verdict']}" in cards[0]["text/html"]


# ---------------------------------------------------------------------------- broken on purpose
GOOD = {
    "id": "rain-is-wet",
    "part": "mlp",
    "page": "mlp/rain",
    "statement": "Rain is wet.",
    "verdict": "supported",
    "correction": None,
    "zh": "雨是湿的。",
    "source": "folklore",
}


def test_a_good_entry_passes() -> None:
    assert schema_errors(GOOD) == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": "Rain_is_wet"},
        {"verdict": "true"},
        {"verdict": "refuted"},
        {"correction": "It is dry."},
        {"part": "cnn"},
        {"part": "weather", "page": "weather/rain"},
        {"statement": ""},
        {"why": "?"},
    ],
    ids=str,
)
def test_a_bad_entry_fails(change: dict[str, Any]) -> None:
    assert schema_errors(GOOD | change) != []


def test_pairing_finds_what_is_missing_doubled_or_elsewhere() -> None:
    assert pairing_errors([("mlp/a", "x")], {"x": "mlp/a"}) == []
    assert pairing_errors([], {"x": "mlp/a"}) != []
    assert pairing_errors([("mlp/a", "x")] * 2, {"x": "mlp/a"}) != []
    assert pairing_errors([("mlp/b", "x")], {"x": "mlp/a"}) != []
    assert pairing_errors([("mlp/a", "x"), ("mlp/a", "y")], {"x": "mlp/a"}) != []


def test_a_card_with_another_verdict_or_statement_fails() -> None:
    card = "✓ SUPPORTED: Rain is wet.\n  · wetness: 2.3"
    assert card_errors(card, GOOD) == []
    assert card_errors(card, GOOD | {"verdict": "refuted"}) != []
    assert card_errors(card, GOOD | {"statement": "Rain is dry."}) != []
