"""A chapter's head lists what is on trial and how long it reads; its foot, licence and last run."""

import json
import re

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, expect

from tests.notebooks.conventions import text_of
from tests.site import book
from tests.site.conftest import PHONE, WIDE, Visit
from tests.site.test_pages import STICKING_OUT
from tools.book import read

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
WORDS = {"supported": "Supported", "refuted": "Refuted", "depends": "It depends on the "}
PAGE = "chapters/cnn/lenet"

# The lines of the box, and the page's cards.
LINES = """() => [...document.querySelectorAll(".on-trial li")].map((line) => ({
  links: [...line.querySelectorAll("a")].map((link) => link.getAttribute("href")),
  verdict: line.querySelector("a .verdict").textContent,
  text: line.querySelector("a").textContent,
}))"""
CARDS = """() => [...document.querySelectorAll("article .claim-card[id]")].map((card) => ({
  id: card.id,
  claim: card.querySelector("em").textContent,
  ledger: card.querySelector(".card-ledger a").getAttribute("href"),
}))"""


def claims_of(page: str) -> dict[str, dict]:
    """The claims of a page by id."""
    return {claim["id"]: claim for claim in CLAIMS if f"chapters/{claim['page']}" == page}


def plain(text: str) -> str:
    """A sentence of `claims.yml` as it reads on a page."""
    return " ".join(text.replace("`", "").split())


def test_the_box_lists_the_claims_of_the_page(chapter: Visit) -> None:
    claims = claims_of(chapter.name)
    page = chapter.page
    lines, cards = page.evaluate(LINES), page.evaluate(CARDS)
    assert claims
    # Every link leads to the card of its claim, in the order of the trials, and back to the ledger.
    assert [line["links"] for line in lines] == [[f"#{card['id']}"] for card in cards]
    assert sorted(card["id"] for card in cards) == sorted(f"trial-{key}" for key in claims)
    for line, card in zip(lines, cards, strict=True):
        key = card["id"].removeprefix("trial-")
        claim = claims[key]
        assert line["verdict"].startswith(WORDS[claim["verdict"]])
        assert line["text"] == f"{line['verdict']}: {plain(claim['statement'])}"
        assert plain(card["claim"]) == plain(claim["statement"])
        assert card["ledger"] == f"../../claims.html#claim-{key}"


@pytest.mark.parametrize("name", [page for page in book.pages() if not claims_of(page)])
def test_a_page_without_claims_has_no_box(address: str, name: str) -> None:
    assert address
    assert 'class="on-trial"' not in (book.BUILT / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_box_is_folded_on_a_phone_only(browser: Browser, address: str, script: bool) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=script)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    box = page.locator(".on-trial")
    line = box.locator("li").first
    expect(line).to_be_hidden()
    page.emulate_media(media="print")
    expect(line).to_be_visible()
    expect(page.locator(".page-foot")).to_be_visible()
    page.emulate_media(media="screen")
    page.set_viewport_size(WIDE)
    expect(line).to_be_visible()
    expect(box.locator("summary")).to_be_hidden()
    expect(box.get_by_text("On trial on this page")).to_have_count(2)  # here, and folded
    page.set_viewport_size(PHONE)
    box.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(line).to_be_visible()
    link = box.locator("a").last
    link.focus()
    page.keyboard.press("Enter")
    target = (link.get_attribute("href") or "").removeprefix("#")
    expect(page.locator(f"[id='{target}'].claim-card")).to_be_in_viewport()
    context.close()


def test_the_box_and_its_lines_have_names(tab: Visit) -> None:
    box = tab.open(PAGE).get_by_role("navigation", name="On trial on this page")
    expect(box).to_have_count(1)
    links = box.get_by_role("link")
    assert links.count() == len(claims_of(PAGE))
    verdicts = [claim["verdict"] for claim in claims_of(PAGE).values()]
    for verdict in set(verdicts):
        found = box.get_by_role("link", name=re.compile(f"^{WORDS[verdict]}"))
        assert found.count() == verdicts.count(verdict)
    marks = box.locator(".verdict").evaluate_all(
        "(all) => all.map((verdict) => getComputedStyle(verdict, '::before').content)"
    )
    assert all(re.match(r'"[✓✗◐] "', mark) for mark in marks), "told apart by colour alone"


def test_head_and_foot_fit_a_phone(chapter: Visit) -> None:
    page = chapter.page
    wide = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth && e.clientWidth).length"
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        summary = page.locator(".on-trial summary")
        summary.click()
        assert page.evaluate(STICKING_OUT) == []
        for part in (".on-trial", ".page-foot"):
            box = page.locator(part).bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert page.locator(f"{part}, {part} *:not(a, span, time)").evaluate_all(wide) == 0
        summary.click()
    page.set_viewport_size(WIDE)


@pytest.mark.parametrize("name", book.notebooks())
def test_the_reading_time_is_that_of_the_page(address: str, name: str) -> None:
    assert address
    page = BeautifulSoup((book.BUILT / f"{name}.html").read_text(encoding="utf-8"), "lxml").article
    said = page.select_one("p:-soup-contains('; runs in about') .reading-time")
    found = re.fullmatch(r"Reading takes about (\d+) minutes\.", said.text)
    assert found
    notebook = text_of(read(book.ROOT / f"{name}.ipynb"))
    prose = re.sub(r"\{solution-start\}.*?\{solution-end\}", "", notebook, flags=re.S)
    shown = {
        kind: [node.text for node in page.select(kind) if not node.find_parent(is_folded)]
        for kind in ("div.math", "figure", ".cell_input pre")
    }
    lines = sum(len(code.rstrip().splitlines()) for code in shown[".cell_input pre"])
    words = len(prose.split()) + 40 * len(shown["div.math"]) + 60 * len(shown["figure"]) + 6 * lines
    # The Markdown also has the words of directives and addresses.
    assert abs(int(found[1]) - words / 200) < 2


def is_folded(node: Tag) -> bool:
    """Whether a node is a solution, or folded code."""
    classes = node.get("class", [])
    return "solution" in classes or "fold" in classes


def test_the_foot_says_licence_citation_and_last_run(chapter: Visit) -> None:
    name = chapter.name.removeprefix("chapters/")
    files = (book.ROOT / "chapters" / "replications").glob(f"{name}/*")
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    foot = chapter.page.locator(".page-foot")
    assert foot.locator("time").get_attribute("datetime") == max(run["date"] for run in runs)
    said = " ".join(foot.inner_text().split())
    assert f"{len(runs)} run{'s are' if len(runs) > 1 else ' is'} on record" in said
    assert any(f"({run['device'].upper()}; {run['machine']})" in said for run in runs)
    assert [link.inner_text() for link in foot.locator("a[rel=license]").all()] == [
        "CC BY 4.0",
        "MIT",
    ]
    foot.get_by_role("link", name="Cite this").click()
    section = chapter.page.locator("section:has(> #cite-it)")
    expect(section.locator("h2")).to_be_in_viewport()
    title = yaml.safe_load((book.ROOT / "CITATION.cff").read_text(encoding="utf-8"))["title"]
    expect(section.locator("pre")).to_contain_text(f"title = {{{{{title}}}}}")
