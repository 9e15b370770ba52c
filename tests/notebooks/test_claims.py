"""Every claim has exactly one trial, and stored cards agree with `chapters/claims.yml`."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from tests.notebooks.conventions import code_cells, trial_ids
from tools import book
from tools.cards import worded
from utils.claims import load_claims
from utils.claims.card import Card
from utils.claims.replication import DECIDES, Effect, Measured, Run, load_runs, read_run
from utils.claims.rule import Rule
from utils.claims.sample import Sample
from utils.pages import fingerprint
from utils.paths import replications_folder

VERDICTS = ("supported", "refuted", "depends")
KEYS = {"id", "part", "page", "statement", "verdict", "correction", "zh", "source"}
MORE_KEYS = {"where", "depends_on", "depends_in_words"}
NO_SOURCE = ("folklore", "lecture notes")  # names nobody; old pages may still say it
BY_ID = {claim["id"]: claim for claim in book.claims()}


def read(page: str) -> Any:
    """A page's notebook."""
    return book.read(book.ROOT / "chapters" / f"{page}.ipynb")


def bibliography() -> str:
    """All of `references.bib`."""
    return (book.ROOT / "references.bib").read_text(encoding="utf-8")


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
    if not KEYS <= set(claim) <= KEYS | MORE_KEYS:
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


def source_errors(claim: dict[str, Any], cited: Collection[str]) -> list[str]:
    """What is wrong with where a claim is said, and with what it depends on."""
    source, found = claim["source"], []
    if source in NO_SOURCE:
        found.append(f"{source!r} cannot be looked up: name a paper, a course or a manual")
    if re.fullmatch(r"[a-z]+\d{4}[a-z]?", source) and source not in cited:
        found.append(f"references.bib has no {source}")
    if not claim.get("where"):
        found.append("the place in the source is missing (where: section 4.1)")
    if (claim["verdict"] == "depends") != bool(claim.get("depends_on")):
        found.append("depends_on is there if and only if the verdict is depends")
    return found


def replication_errors(claim: dict[str, Any], runs: list[Run], code: str) -> list[str]:
    """What is wrong between a claim, its stored runs, and the code that is on the page now."""
    if not runs or runs[0].name != DECIDES:
        return [f"no run of seed 0: make replicate NOTEBOOKS=chapters/{claim['page']}.ipynb"]
    found = []
    for run in runs:
        if run.code(claim["id"]) != code:
            found.append(f"the run {run.name} is stale: its code has changed, renew it")
    measured = runs[0].measured(claim["id"])
    if found or measured is None:
        return found
    if measured.verdict != claim["verdict"]:
        found.append(f"the stored run says {measured.verdict}, the file {claim['verdict']}")
    if claim["verdict"] == "depends" and claim.get("depends_on") not in measured.turned_by():
        turned = ", ".join(sorted(measured.turned_by())) or "nothing alone"
        found.append(f"depends_on is {claim.get('depends_on')!r}; what turns it: {turned}")
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
    verdict = re.match(r"\W*(?:IT )?([A-Za-z]+)", card)
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


def test_a_page_of_the_standard_can_be_looked_up() -> None:
    cited = set(re.findall(r"^@\w+\{([^,]+),", bibliography(), re.M))
    for page, name, _ in trials():
        assert source_errors(BY_ID[name], cited) == [], f"{page}, {name}"


@pytest.mark.parametrize(
    ("page", "name", "cell"), trials(), ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_claim_was_replicated_with_the_code_on_its_page(page: str, name: str, cell: Any) -> None:
    sources = [cell.source for _, cell in code_cells(read(page))]
    assert replication_errors(BY_ID[name], load_runs(page), fingerprint(sources, name)) == []


@pytest.mark.parametrize(
    ("page", "name", "cell"), trials(), ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_card_shows_the_stored_run(page: str, name: str, cell: Any) -> None:
    runs, claim = load_runs(page), load_claims()[name]
    found = [run.measured(name) for run in runs]
    held = [measured.verdict == claim.verdict for measured in found if measured]
    (card,) = (output.data["text/plain"] for output in cell.outputs if "data" in output)
    wanted = Card(claim, runs[0], found[0], held)
    assert wanted.ground() in card, "run tools/execute on the page"
    for line in repr(wanted).splitlines():
        if line.startswith(("  · ✓", "  · ✗", "  · ?")):
            assert line in card, "run tools/execute on the page"


def test_stored_runs_belong_to_pages_and_claims() -> None:
    tried: dict[str, set[str]] = {page: set() for page in book.toc_pages()}
    for page, name, _ in trials():
        tried[page].add(name)
    for path in sorted(replications_folder().glob("*/*/*")):
        page = f"{path.parent.parent.name}/{path.parent.name}"
        assert path.suffix == ".json" and page in tried, path
        assert set(read_run(path).trials) == tried[page], f"{path}: other claims than on the page"


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
    depends = "◐ IT DEPENDS ON THE SIZE: Rain is wet."
    assert card_errors(depends, GOOD | {"verdict": "depends"}) == []


SAID = {**GOOD, "source": "noah2024", "where": "section 7"}


@pytest.mark.parametrize(
    "change",
    [
        {"source": "folklore"},
        {"source": "lecture notes"},
        {"source": "anon2020"},
        {"where": None},
        {"verdict": "depends", "correction": "At times."},
        {"depends_on": "clouds"},
    ],
    ids=str,
)
def test_a_claim_that_cannot_be_looked_up_fails(change: dict[str, Any]) -> None:
    assert source_errors(SAID, {"noah2024"}) == []
    assert source_errors(SAID | {"source": "PyTorch documentation"}, {"noah2024"}) == []
    assert source_errors(SAID | change, {"noah2024"}) != []


def stored_run(name: str = DECIDES, code: str = "c0de", clouds: float = 0.3) -> Run:
    """A run that measured wetness: it is there, and as much with clouds as is said."""
    effects = tuple(
        Effect(setting, None, Sample((mean - 0.01, mean, mean + 0.01), of="seeds"))
        for setting, mean in (({}, 0.3), ({"clouds": 1}, clouds), ({"wind": 1}, 0.3))
    )
    base = {"clouds": 2, "wind": 0}
    measured = Measured(base, effects, {None: Rule(more_than=0.1)}, {None: "wetness"}, {None: ""})
    trial = {"code": code, **measured.as_json()}
    return Run("mlp/rain", name, 0, "cpu", "2026-01-01", "", {}, {"rain-is-wet": trial})


DEPENDS = SAID | {"verdict": "depends", "correction": "Under clouds.", "depends_on": "clouds"}


@pytest.mark.parametrize(
    ("claim", "runs"),
    [
        (SAID, []),
        (SAID, [stored_run(name="seed-5000")]),
        (SAID, [stored_run(code="0ld")]),
        (SAID, [stored_run(), stored_run(name="seed-5000", code="0ld")]),
        (SAID, [stored_run(clouds=0.0)]),
        (DEPENDS, [stored_run()]),
        (DEPENDS | {"depends_on": "wind"}, [stored_run(clouds=0.0)]),
    ],
)
def test_a_stale_missing_or_contrary_run_fails(claim: dict[str, Any], runs: list[Run]) -> None:
    assert replication_errors(SAID, [stored_run()], "c0de") == []
    assert replication_errors(DEPENDS, [stored_run(clouds=0.0)], "c0de") == []
    assert replication_errors(claim, runs, "c0de") != []


@pytest.mark.parametrize(("page", "name", "cell"), trials(), ids=[name for _, name, _ in trials()])
def test_a_better_wording_needs_no_run(page: str, name: str, cell: Any) -> None:
    (stored,) = (output.data for output in cell.outputs if "data" in output)
    claim = load_claims()[name]
    other = replace(
        claim,
        statement="Water `a < b` is wet & cold.",
        correction=claim.correction and "It is not.",
        depends_in_words=claim.depends_on and "weather",
    )
    data = copy.deepcopy(stored)
    worded(data, other)
    assert card_errors(data["text/plain"], vars(other)) == []
    assert "Water <code>a &lt; b</code> is wet &amp; cold." in data["text/html"]
    assert data["text/html"].count("It is not.") == bool(claim.correction)
    worded(data, claim)
    assert data == stored  # so all else has stayed
    against = replace(claim, verdict="refuted" if claim.verdict == "supported" else "supported",
                      correction=None if claim.correction else "No.", depends_on=None)  # fmt: skip
    worded(data, against)
    assert data == stored  # another verdict is no matter of words
