"""The ledger: all claims in folds, filters kept in the address, links that arrive, old ones too."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.site import book
from tests.site.conftest import PHONE, WIDE, Visit
from tests.site.test_accessibility import found_by_axe
from tests.site.test_pages import STICKING_OUT

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
VERDICTS = Counter(claim["verdict"] for claim in CLAIMS)
OLD = yaml.safe_load((book.ROOT / "redirects.yml").read_text(encoding="utf-8"))["claims"]
OPEN_ALL = "document.querySelectorAll('.ledger-page').forEach((fold) => { fold.open = true; })"


@pytest.fixture
def ledger(tab: Visit) -> Page:
    """The ledger, as it opens."""
    return tab.open("claims")


@pytest.fixture
def without_script(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that runs no scripts."""
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    yield context
    context.close()


def shown(page: Page) -> set[str]:
    """The claims that can be seen."""
    entries = page.locator(".ledger-page .ledger-entry:visible")
    return {entry.removeprefix("claim-") for entry in entries.evaluate_all("l => l.map(e => e.id)")}


def test_the_ledger_holds_every_claim_in_a_fold_of_its_page(ledger: Page) -> None:
    found = ledger.locator(".ledger-page").evaluate_all(
        "folds => folds.map((f) => [...f.querySelectorAll('.ledger-entry')].map((e) => e.id))"
    )
    pages: dict[str, list[str]] = {}
    for claim in CLAIMS:
        pages.setdefault(claim["page"], []).append(f"claim-{claim['id']}")
    assert sorted(map(sorted, found)) == sorted(map(sorted, pages.values()))
    assert shown(ledger) == set()


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE])
def test_the_whole_is_a_few_screens(tab: Visit, size: dict) -> None:
    tab.page.set_viewport_size(size)
    page = tab.open("claims")
    assert page.evaluate("document.documentElement.scrollHeight") <= 4 * size["height"]


def test_filters_by_verdict_and_source_stand_in_the_address(ledger: Page) -> None:
    for verdict in ("supported", "refuted", "depends"):
        button = ledger.locator(f'button[data-verdict="{verdict}"]')
        assert re.search(rf"\b{VERDICTS[verdict]}$", button.inner_text())
        button.focus()
        ledger.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        assert shown(ledger) == {c["id"] for c in CLAIMS if c["verdict"] == verdict}
        expect(ledger.locator(".ledger-status")).to_have_text(
            f"{VERDICTS[verdict]} of {len(CLAIMS)} claims fit."
        )
    ledger.locator('button[data-source="book"]').click()
    both = shown(ledger)
    assert {c["id"] for c in CLAIMS if c["source"] == "goodfellow2016"} & both
    assert all(c["verdict"] == "depends" for c in CLAIMS if c["id"] in both)
    assert "verdict=depends" in ledger.url
    assert "source=book" in ledger.url
    ledger.reload()
    assert shown(ledger) == both
    for key in ("verdict", "source"):
        ledger.locator(f'button[data-{key}=""]').click()
    assert "?" not in ledger.url
    assert ledger.locator(".ledger-page:visible:not([open])").count() == len(
        {claim["page"] for claim in CLAIMS}
    )


def test_filters_by_text(tab: Visit) -> None:
    page = tab.open("claims")
    field = page.get_by_label("Find in the ledger")
    field.fill("ALiBi Tokens")
    expect(page.locator(".ledger-status")).to_have_text(re.compile(r"^\d+ of \d+ claims? fits?\.$"))
    assert "alibi-extrapolates" in shown(page)
    assert len(shown(page)) < 5
    assert "find=ALiBi+Tokens" in page.url
    page = tab.open("claims.html?find=dropout&verdict=refuted")
    assert field.input_value() == "dropout"
    assert "dropout-gives-major-improvements" in shown(page)
    field.fill("no such word anywhere")
    expect(page.locator(".ledger-status")).to_have_text(f"None of {len(CLAIMS)} claims fit.")
    assert page.locator(".ledger-part:visible").count() == 0
    assert tab.complaints == []


def test_a_filtered_view_works_from_disk(browser: Browser, address: str) -> None:
    assert address  # the book is built
    page = browser.new_page()
    page.goto((book.BUILT / "claims.html").as_uri())
    page.locator('button[data-verdict="refuted"]').click()
    assert page.url.endswith("claims.html?verdict=refuted")
    page.reload()
    assert len(shown(page)) == VERDICTS["refuted"]
    page.close()


def test_without_a_script_and_on_paper_all_can_be_read(
    without_script: BrowserContext, address: str
) -> None:
    page = without_script.new_page()
    page.goto(address + "claims.html")
    expect(page.locator(".ledger-controls")).to_be_hidden()
    page.locator(".ledger-page > summary").first.click()
    assert shown(page) == {c["id"] for c in CLAIMS if c["page"] == CLAIMS[0]["page"]}
    expect(page.locator(".ledger-page[open] .ledger-zh").first).to_be_visible()
    page.emulate_media(media="print")
    assert shown(page) == {claim["id"] for claim in CLAIMS}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_link_to_a_claim_opens_its_fold_and_marks_it(
    browser: Browser, address: str, script: bool
) -> None:
    context = browser.new_context(java_script_enabled=script, viewport=WIDE)
    page = context.new_page()
    name = f"claim-{CLAIMS[40]['id']}"
    page.goto(f"{address}claims.html#{name}")
    entry = page.locator(f"#{name}")
    expect(entry).to_be_in_viewport()
    expect(entry).to_have_css("outline-style", "solid")
    link = entry.get_by_role("link", name="Link to this claim")
    expect(link).to_have_attribute("href", f"#{name}")
    context.close()


def test_a_link_to_a_claim_overrules_a_filter(tab: Visit) -> None:
    claim = next(claim for claim in CLAIMS if claim["verdict"] == "refuted")
    page = tab.open(f"claims.html?verdict=supported#claim-{claim['id']}")
    expect(page.locator(f"#claim-{claim['id']}")).to_be_in_viewport()
    assert "verdict" not in page.url


@pytest.mark.parametrize("page_of_claims", sorted({claim["page"] for claim in CLAIMS}))
def test_the_ledger_and_the_cards_lead_to_each_other(tab: Visit, page_of_claims: str) -> None:
    mine = [claim for claim in CLAIMS if claim["page"] == page_of_claims]
    cards = book.document(f"chapters/{page_of_claims}").ids
    assert [claim["id"] for claim in mine if f"trial-{claim['id']}" not in cards] == []
    claim = mine[-1]
    page = tab.open(f"claims.html#claim-{claim['id']}")
    entry = page.locator(f"#claim-{claim['id']}")
    said = entry.locator(".verdict").inner_text()
    link = entry.get_by_role("link", name="The trial").get_attribute("href")
    assert link == f"chapters/{page_of_claims}.html#trial-{claim['id']}"
    page.goto(tab.address + link, wait_until="domcontentloaded")  # mathematics does not matter here
    card = page.locator(f"#trial-{claim['id']}")
    expect(card).to_be_in_viewport()
    # One set of words for a verdict: in the ledger, on the card, and in the page's box.
    assert card.locator("p").first.locator("strong").inner_text() == said
    line = page.locator(f'.on-trial a[href="#trial-{claim["id"]}"] .verdict')
    assert line.text_content() == said
    card.get_by_role("link", name="This claim in the ledger").click()
    expect(page.locator(f"#claim-{claim['id']}")).to_be_in_viewport()


def test_chinese_is_behind_a_switch_that_is_remembered(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=WIDE, locale="en-GB")
    page = context.new_page()
    page.goto(address + "claims.html")
    page.get_by_role("button", name="Open all").click()
    chinese = page.locator(".ledger-zh:visible")
    assert chinese.count() == 0
    page.get_by_role("button", name="Chinese").click()
    assert chinese.count() == len([claim for claim in CLAIMS if claim.get("zh")])
    page.reload()
    page.get_by_role("button", name="Open all").click()
    assert chinese.count() > 0
    context.close()


def test_anchors_of_claims_that_are_tried_no_more_lead_on(tab: Visit) -> None:
    ids = {claim["id"] for claim in CLAIMS}
    places = ids | {claim["page"] for claim in CLAIMS}
    assert set(OLD) <= places
    old = [name for names in OLD.values() for name in names]
    assert len(set(old)) == len(old)
    assert not ids & set(old)
    page_of = {claim["id"]: claim["page"] for claim in CLAIMS}
    in_ledger = book.document("claims").ids
    for place, names in OLD.items():
        on_page = book.document(f"chapters/{page_of.get(place, place)}").ids
        assert [n for n in names if f"claim-{n}" not in in_ledger] == []
        assert [n for n in names if f"trial-{n}" not in on_page] == []
    place, (name, *_) = next((p, n) for p, n in OLD.items() if p in ids)
    page = tab.open(f"claims.html#claim-{name}")
    expect(page.locator(f"#claim-{place}")).to_be_in_viewport()
    expect(page.locator(".ledger-status")).to_contain_text("is tried no more")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_ledger_is_accessible(tab: Visit, scheme: str) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    page = tab.open("claims")
    page.evaluate(OPEN_ALL)
    page.get_by_role("button", name="Chinese").click()
    assert found_by_axe(tab, colours_only=scheme == "dark") == []


@pytest.mark.parametrize("width", [390, 320])
def test_the_open_ledger_fits_a_phone(tab: Visit, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 844})
    page = tab.open("claims")
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []


def test_what_kind_a_source_is() -> None:
    from book_ledger import kind_of

    assert kind_of("JAX documentation") == "manual"
    assert kind_of("A lecture of 2020") == "course"
    assert kind_of("folklore") is None
