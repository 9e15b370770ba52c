"""What a reader does: choose a door, unfold a solution, filter the ledger."""

import re
from collections import Counter

import pytest
import yaml
from playwright.sync_api import Browser, expect

from tests.site import book
from tests.site.conftest import Visit

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
VERDICTS = Counter(claim["verdict"] for claim in CLAIMS)


def test_the_front_page_has_three_doors(tab: Visit) -> None:
    page = tab.page
    page.goto(tab.address)  # the bare address leads to the front page
    page.wait_for_url("**/intro.html")
    doors = page.locator(".door")
    assert [door.locator(".sd-card-title").inner_text() for door in doors.all()] == [
        "Read",
        "Run",
        "Teach",
    ]
    for number in range(3):
        page = tab.open("intro")
        start = page.url
        page.locator(".door").nth(number).click()
        page.wait_for_url(lambda url, start=start: url != start)
        assert page.locator("h1:visible").count() == 1


@pytest.mark.parametrize("name", book.notebooks())
def test_solutions_open(tab: Visit, name: str) -> None:
    page = tab.open(name)
    exercises = page.locator(".admonition.exercise")
    solutions = page.locator(".admonition.solution")
    assert exercises.count() >= 1
    assert solutions.count() == exercises.count()
    for solution in solutions.all():
        content = solution.locator(":scope > :not(.admonition-title)").first
        expect(content).to_be_hidden()
        solution.locator(".toggle-button").focus()
        page.keyboard.press("Enter")
        expect(content).to_be_visible()


@pytest.mark.parametrize("name", book.notebooks())
def test_figures_and_exercises_are_numbered(tab: Visit, name: str) -> None:
    page = tab.open(name)
    for caption in page.locator("figure .caption-number").all_inner_texts():
        assert re.fullmatch(r"Fig\. \d+\.\d+\.\d+\s*", caption)
    for title in page.locator(".admonition.exercise > .admonition-title").all_inner_texts():
        assert re.match(r"Exercise \d+\.\d+\.\d+", title)


def test_the_ledger_holds_every_claim(tab: Visit) -> None:
    page = tab.open("claims")
    entries = page.locator(".ledger-entry")
    assert {entry.get_attribute("id") for entry in entries.all()} == {
        f"claim-{claim['id']}" for claim in CLAIMS
    }


def test_the_ledger_filters_by_verdict(tab: Visit) -> None:
    page = tab.open("claims")
    shown = page.locator(".ledger-entry:visible")
    for verdict in ("supported", "refuted", "depends"):
        button = page.locator(f'.ledger-filter button[data-verdict="{verdict}"]')
        assert re.search(rf"\b{VERDICTS[verdict]}$", button.inner_text())
        button.focus()
        page.keyboard.press("Enter")
        assert button.get_attribute("aria-pressed") == "true"
        assert shown.count() == VERDICTS[verdict] == page.locator(f".is-{verdict}:visible").count()
        assert str(VERDICTS[verdict]) in page.locator(".ledger-status").inner_text()
    page.reload()  # the choice is in the address
    assert shown.count() == VERDICTS["depends"]
    page.locator('.ledger-filter button[data-verdict="all"]').click()
    assert shown.count() == len(CLAIMS)


def test_the_ledger_reads_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "claims.html")
    assert page.locator(".ledger-entry:visible").count() == len(CLAIMS)
    assert page.locator(".ledger-filter").is_hidden()
    context.close()


@pytest.mark.parametrize("page_of_claims", sorted({claim["page"] for claim in CLAIMS}))
def test_the_ledger_leads_to_the_trials(tab: Visit, page_of_claims: str) -> None:
    mine = [claim for claim in CLAIMS if claim["page"] == page_of_claims]
    cards = book.document(f"chapters/{page_of_claims}").ids
    assert [claim["id"] for claim in mine if f"trial-{claim['id']}" not in cards] == []
    claim = mine[-1]
    page = tab.open("claims")
    page.locator(f"#claim-{claim['id']} a.trial-link").click()
    page.wait_for_url(f"**/chapters/{page_of_claims}.html#trial-{claim['id']}")
    card = page.locator(f"#trial-{claim['id']}")
    expect(card).to_be_in_viewport()
    expect(card).to_have_text(re.compile(rf"^\W*(it )?{claim['verdict']}", re.IGNORECASE))


def test_the_theme_can_be_changed(tab: Visit) -> None:
    page = tab.open("intro")
    themes = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}
