"""Guess first: nothing on a page gives a verdict away until the reader has guessed the claim."""

import json
import re
from collections.abc import Callable

import pytest
import yaml
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.site import book
from tests.site.conftest import PHONE, WIDE, Visit
from tests.site.test_accessibility import COLOURS_ONLY, OPTIONS, RUN
from tests.site.test_ledger import OPEN_ALL
from tests.site.test_pages import STICKING_OUT

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
KEY = "book-guess-first"
PAGE = "chapters/cnn/lenet"
MINE = [claim for claim in CLAIMS if f"chapters/{claim['page']}" == PAGE]
LABELS = {"supported": "Supported", "refuted": "Refuted", "depends": "It depends"}

# What can be read of the box and the cards, and the colours of their edges.
TOLD = """() => {
  const boxes = [...document.querySelectorAll(".on-trial li, .claim-card, .ledger-page")];
  const seen = [...document.querySelectorAll(
    ".on-trial, .on-trial *, .claim-card, .claim-card *, .ledger-page, .ledger-page *"
  )].filter((e) => !e.closest(".guess, .guess-bar"))
    .filter((e) => e.checkVisibility({ visibilityProperty: true }));
  const text = (e) => [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("");
  return {
    words: seen.map(text).join(" "),
    strips: seen.filter((e) => e.matches("svg circle, .measured, [role=img]")).length,
    edges: new Set(boxes.map((box) => getComputedStyle(box).borderLeftColor)).size,
  };
}"""


def look_at(tab: Visit, name: str) -> Page:
    """Open a page without waiting for its mathematics, which no test here looks at."""
    path = name if ".html" in name else f"{name}.html"
    tab.page.goto(tab.address + path, wait_until="domcontentloaded")
    return tab.page


def guessing(page: Page, **guesses: str) -> None:
    """Let the reader have switched *guess first* on, and have guessed some claims."""
    kept = json.dumps({"on": True, "guesses": guesses})
    page.add_init_script(f"localStorage['{KEY}'] ??= '{kept}'")


def gives_away(told: dict) -> list[str]:
    """What of the words, strips and colours tells a verdict."""
    found = re.findall(
        r"(?i)\b(?:supported|refuted|depends? on|what holds|held in)\b", told["words"]
    )
    return found + ["strip"] * told["strips"] + ["colour"] * (told["edges"] > 1)


@pytest.mark.parametrize("name", book.notebooks())
def test_nothing_marked_is_shown_before_the_guess(tab: Visit, name: str) -> None:
    page = look_at(tab, name)
    assert gives_away(page.evaluate(TOLD))  # as it is, the page tells
    page.get_by_role("button", name="Guess first").click()
    assert gives_away(page.evaluate(TOLD)) == []
    cards = page.locator(".claim-card")
    assert page.locator(".claim-card .guess").count() == cards.count()
    expect(page.locator(".conclusion:visible, .in-short:visible")).to_have_count(0)
    assert page.locator(".guess-hidden:visible").count() == page.locator(".in-short").count() == 2
    # What is asked is still said: sentence, rule, settings and base.
    for card in cards.all():
        assert re.search(r"the claim asks for .+ base", card.inner_text().replace("\n", " "))
        assert "Base: " in card.inner_text()
    assert tab.complaints == []


def test_a_guess_reveals_the_card_and_is_kept(tab: Visit) -> None:
    claim, other = MINE[0], MINE[1]
    page = look_at(tab, PAGE)
    page.get_by_role("button", name="Guess first").focus()
    page.keyboard.press("Enter")
    card = page.locator(f"#trial-{claim['id']}")
    question = card.get_by_role("group", name=f"Your guess: {claim['statement'].strip()[:30]}")
    question.get_by_role("button", name=LABELS[claim["verdict"]]).focus()
    page.keyboard.press("Enter")
    expect(card.locator(".guessed")).to_contain_text("Right")
    expect(card.locator(".guessed")).to_be_focused()
    expect(card.locator("svg").first).to_be_visible()
    expect(card.get_by_text("What holds:")).to_be_visible()
    line = page.locator(f'.on-trial a[href="#trial-{claim["id"]}"] .verdict')
    expect(line).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="guessed")).to_have_text(
        f"1 of {len(MINE)} guessed, 1 right."
    )
    wrong = next(label for verdict, label in LABELS.items() if verdict != other["verdict"])
    card = page.locator(f"#trial-{other['id']}")
    card.get_by_role("button", name=wrong).click()
    expect(card.locator(".guessed")).to_contain_text(f"Not so: you guessed “{wrong.lower()}”")
    page.reload()
    expect(card.locator(".guessed")).to_contain_text("Not so")
    expect(page.locator(f"#trial-{MINE[2]['id']} .guess button")).to_have_count(3)
    page.get_by_role("button", name="Guess first").click()
    expect(page.locator(".guess")).to_have_count(0)
    expect(page.locator(".on-trial .verdict:visible")).to_have_count(len(MINE))


def test_in_short_comes_back_when_all_is_guessed(tab: Visit) -> None:
    guessing(tab.page, **{claim["id"]: claim["verdict"] for claim in MINE})
    page = look_at(tab, PAGE)
    expect(page.locator(".in-short").first).to_be_visible()
    expect(page.locator(".guess-hidden:visible")).to_have_count(0)
    expect(page.locator(".conclusion").first).to_be_visible()


def test_the_ledger_asks_and_keeps_the_score_by_part(tab: Visit) -> None:
    first = CLAIMS[0]
    page = look_at(tab, "claims.html?verdict=refuted")
    page.get_by_role("button", name="Guess first").click()
    expect(page.get_by_role("group", name="Verdict")).to_be_hidden()
    page.evaluate(OPEN_ALL)
    assert page.locator(".ledger-page .ledger-entry:visible").count() == len(CLAIMS)
    assert set(gives_away(page.evaluate(TOLD))) == {"Held in"}  # in how many runs says nothing
    entry = page.locator(f"#claim-{first['id']}")
    entry.get_by_role("button", name=LABELS[first["verdict"]]).click()
    expect(entry.locator(".verdict")).to_be_visible()
    expect(page.locator(".guess-part")).to_have_count(1)
    in_part = len([claim for claim in CLAIMS if claim["part"] == first["part"]])
    expect(page.locator("#ledger-foundations .guess-part")).to_have_text(
        f"1 of {in_part} guessed, 1 right."
    )
    page.get_by_role("button", name="Start again").click()
    expect(page.locator(".guess-part, .guessed")).to_have_count(0)
    expect(entry.locator(".verdict")).to_be_hidden()


def test_no_verdict_flashes(tab: Visit) -> None:
    guessing(tab.page)
    # Each time that something is added while the page loads, count the verdicts that show.
    tab.page.add_init_script(
        """window.flashed = 0;
        const look = () => {
          for (const told of document.querySelectorAll(".verdict, .claim-card > p:first-of-type"))
            window.flashed += told.checkVisibility();
        };
        new MutationObserver(look).observe(document, { childList: true, subtree: true });"""
    )
    page = look_at(tab, PAGE)
    assert page.evaluate("window.flashed") == 0


def test_without_a_script_and_on_paper_nothing_is_hidden(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    expect(page.locator(".on-trial .verdict:visible")).to_have_count(len(MINE))
    expect(page.locator(".guess-bar")).to_be_hidden()
    context.close()
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    guessing(page)
    page.goto(f"{address}{PAGE}.html")
    page.emulate_media(media="print")
    expect(page.locator(".on-trial .verdict:visible")).to_have_count(len(MINE))
    expect(page.locator(".guess:visible, .guess-bar:visible")).to_have_count(0)
    expect(page.locator(".claim-card svg:visible").first).to_be_visible()
    context.close()


def test_works_where_storage_is_forbidden(tab: Visit) -> None:
    tab.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    )
    page = look_at(tab, PAGE)
    page.get_by_role("button", name="Guess first").click()
    card = page.locator(f"#trial-{MINE[0]['id']}")
    card.get_by_role("button", name="Refuted").click()
    expect(card.locator(".guessed")).to_be_visible()
    expect(page.locator(f"#trial-{MINE[1]['id']} .guess button")).to_have_count(3)


@pytest.mark.parametrize("kept", ["nonsense", "null", '{"on": 1, "guesses": {"a b": "x"}}', "[]"])
def test_what_others_stored_does_no_harm(tab: Visit, kept: str) -> None:
    tab.page.add_init_script(f"localStorage.setItem('{KEY}', {json.dumps(kept)})")
    page = look_at(tab, PAGE)
    expect(page.locator(".on-trial .verdict:visible")).to_have_count(len(MINE))
    assert tab.complaints == []


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_asking_is_accessible_and_fits(tab: Visit, look: str) -> None:
    guessing(tab.page, **{MINE[0]["id"]: "refuted", MINE[1]["id"]: "supported"})
    if look == "phone":
        tab.page.set_viewport_size(PHONE | {"width": 320})
    else:
        tab.page.emulate_media(color_scheme=look)
    page = look_at(tab, PAGE)
    assert page.evaluate(STICKING_OUT) == []
    page.evaluate(AXE_SCRIPT)
    place = {"include": [[".on-trial"], [".claim-card"]]}
    found = page.evaluate(RUN, [place, COLOURS_ONLY if look == "dark" else OPTIONS])["violations"]
    assert [v["id"] for v in found if v["impact"] in {"serious", "critical"}] == []


def test_conclusions_are_as_wide_as_other_text(tab: Visit) -> None:
    page = look_at(tab, PAGE)
    width: Callable[[str], float] = lambda css: page.locator(css).first.evaluate(  # noqa: E731
        "p => parseFloat(getComputedStyle(p).maxWidth)"
    )
    assert width(".conclusion > p") == width("section > p:not([class])")


def test_overviews_and_the_search_keep_quiet_meanwhile(tab: Visit) -> None:
    guessing(tab.page)
    page = look_at(tab, "chapters/cnn/index")
    expect(page.locator(".notebook-facts").first).to_be_visible()
    expect(page.locator(".notebook-facts .verdict:visible")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("max pooling works better")
    hit = page.locator(".search-hits li", has=page.locator(".search-kind", has_text="claim")).first
    expect(hit).to_be_visible()
    expect(hit.locator(".search-snippet")).to_have_count(0)
