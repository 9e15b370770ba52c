"""A reader does not get lost: the way back, the way on, where one was, and links to every place."""

import json
import re
from statistics import median

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, expect

from tests.site import book
from tests.site.conftest import PHONE, Visit

LAPTOP = {"width": 1280, "height": 800}
PAGE, LATER = "chapters/cnn/lenet", "chapters/attention/transformer"
ORDER = [
    page for page in book.pages() if (book.ROOT / f"{page}.md").exists() or page in book.notebooks()
]
EMPTY = [
    page
    for page in ORDER
    if page.endswith("/index") and not any(n.startswith(page[:-5]) for n in book.notebooks())
]
WRITTEN = [page for page in ORDER if page not in EMPTY]
FORBIDDEN = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("forbidden", "SecurityError"); },
});"""
# Characters a line, of a page's longer paragraphs.
LINES = """() => [...document.querySelectorAll("article section > p")].flatMap((paragraph) => {
  const style = getComputedStyle(paragraph);
  const lines = paragraph.getBoundingClientRect().height / parseFloat(style.lineHeight);
  const long = lines > 4.5 && !paragraph.querySelector(".math");
  return long ? [paragraph.textContent.length / lines] : [];
})"""


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_way_back_is_always_in_view(tab: Visit, size: dict) -> None:
    tab.page.set_viewport_size(size)
    page = tab.open(LATER)
    for height in (0, 4000):
        page.evaluate("top => scrollTo({ top, behavior: 'instant' })", height)
        page.wait_for_timeout(100)
        for what in (
            "a:has(.logo__image):visible, .header-home:visible",
            ".search-button-field:visible, .search-button:visible",
            ".breadcrumbs",
        ):
            expect(page.locator(what).first).to_be_in_viewport(ratio=1)
    crumbs = page.get_by_role("navigation", name="Breadcrumbs")
    expect(crumbs.locator("[aria-current=page]")).to_contain_text("The Transformer")
    crumbs.get_by_role("link").click()
    page.wait_for_url("**/chapters/attention/index.html")


def test_the_current_entry_is_visible_in_the_side_bar(tab: Visit) -> None:
    tab.page.set_viewport_size(LAPTOP)
    tab.open("chapters/foundations/calculus")  # the theme remembers how far the list was scrolled
    tab.page.locator(".bd-sidebar-primary").evaluate("bar => { bar.scrollTop = 0; }")
    for name in ("chapters/optimization/adam", LATER, PAGE):
        entry = tab.open(name).locator(".bd-sidebar-primary li.active > a").last
        expect(entry).to_be_in_viewport(ratio=1)
        on_top = "e => { const r = e.getBoundingClientRect();"
        on_top += " return e.contains(document.elementFromPoint(r.left + 9, r.top + 9)); }"
        assert entry.evaluate(on_top), "logo and search cover it"


@pytest.mark.parametrize("name", ORDER)
def test_next_and_previous_pass_empty_parts_by(address: str, name: str) -> None:
    assert address
    text = (book.BUILT / f"{name}.html").read_text(encoding="utf-8")
    found = re.findall(r'class="(left-prev|right-next)"\s+href="([^"]+)"', text)
    links = {side: (book.BUILT / name).parent.joinpath(href).resolve() for side, href in found}
    place = ORDER.index(name)
    before = [page for page in ORDER[:place] if page not in EMPTY][-1:]
    after = [page for page in ORDER[place + 1 :] if page not in EMPTY][:1]
    want = {"left-prev": before, "right-next": after}
    assert links == {s: (book.BUILT / f"{p[0]}.html").resolve() for s, p in want.items() if p}


def test_what_is_unwritten_says_so(tab: Visit) -> None:
    assert EMPTY
    page = tab.open("intro")
    bar = page.locator(".bd-sidebar-primary")
    for place, entries in ((bar, "li.toctree-l1"), (page.locator("ul.part-list"), "li")):
        for part in EMPTY:
            entry = place.locator(f"{entries}:has(a[href='{part}.html'])")
            expect(entry).to_contain_text("to be written")
    planned = re.search(
        r"```\{notebooks\} cnn\n(.*?)```",
        (book.ROOT / "chapters" / "cnn" / "index.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert planned
    written = [page for page in ORDER if page.startswith("chapters/cnn/")]
    left = len(planned[1].splitlines()) - len(written) + 1  # the overview is no notebook
    expect(bar.locator("li.toctree-l1:has(> a[href='chapters/cnn/index.html'])")).to_contain_text(
        f"{left} to be written"
    )
    links = page.locator("ul.part-list a").evaluate_all(
        "all => all.map((a) => a.getAttribute('href'))"
    )
    assert links == [f"{page}.html" for page in ORDER if page.startswith("chapters/")]


def test_the_front_page_goes_on_where_one_was(tab: Visit) -> None:
    offer = tab.open("intro").locator(".continue")
    expect(offer).to_be_hidden()
    tab.open(f"{PAGE}.html#on-real-data")
    tab.page.wait_for_timeout(700)
    link = tab.open("intro").locator(".continue a")
    assert link.inner_text() == "LeNet: a network that looks at pictures: On real data"
    link.click()
    tab.page.wait_for_url(f"**/{PAGE}.html#on-real-data")
    kept = json.loads(tab.page.evaluate("localStorage.getItem('book-place')"))
    assert kept["page"] == PAGE
    tab.open("intro")
    tab.page.evaluate("localStorage.setItem('book-place', JSON.stringify({page: 'https://a.b/c'}))")
    expect(tab.open("intro").locator(".continue")).to_be_hidden()  # not one of ours
    assert tab.complaints == []


def test_where_one_was_needs_no_storage(tab: Visit) -> None:
    tab.page.add_init_script(FORBIDDEN)
    tab.open(PAGE)
    expect(tab.open("intro").locator(".continue")).to_be_hidden()
    assert [c for c in tab.complaints if "place" in c or "resume" in c] == []


@pytest.mark.parametrize("part", sorted({name.rpartition("/")[0] for name in book.notebooks()}))
def test_an_overview_says_what_its_pages_ask(tab: Visit, part: str) -> None:
    page = tab.open(f"{part}/index")
    mine = [name for name in book.notebooks() if name.startswith(f"{part}/")]
    assert page.locator("ul.notebook-list .written").count() == len(mine)
    for name in mine:
        entry = page.locator(f".written:has(a[href='{name.rpartition('/')[2]}.html'])")
        text = (book.BUILT / f"{name}.html").read_text(encoding="utf-8")
        question = re.findall(r"<h2>(.*?)<a", text)[0]
        assert re.sub("<.*?>", "", question) in entry.inner_text()
        facts = entry.locator(".notebook-facts").inner_text()
        seconds = re.search(r"runs in about (\d+) s", text)
        assert seconds
        assert re.match(rf"\d+ min to read · runs in about {seconds[1]} s", facts)
        told = sum(int(n) for n in re.findall(r"(\d+) (?:supported|refuted|where)", facts))
        assert told == text.count('class="claim-card')
        picture = entry.locator("img")
        assert picture.get_attribute("loading") == "lazy"
        assert picture.evaluate(
            "async (image) => { await image.decode(); return image.naturalWidth; }"
        )


@pytest.mark.parametrize("name", book.notebooks())
def test_every_place_has_a_link(tab: Visit, name: str) -> None:
    page = tab.open(name)
    lacking = page.evaluate("""() => [...document.querySelectorAll(
      "article :is(section[id] > :is(h2, h3), figure[id], .exercise, .claim-card[id])"
    )].filter((place) => {
      const id = place.id || place.parentElement.id;
      const links = [...place.querySelectorAll("a.headerlink")];
      return links.length !== 1 || decodeURIComponent(links[0].hash) !== `#${id}`
        || !/^Link to this \\w+/.test(links[0].getAttribute("aria-label"))
        || !links[0].checkVisibility({ opacityProperty: true, visibilityProperty: true });
    }).map((place) => place.textContent.slice(0, 60))""")
    assert lacking == []
    questions = page.locator("section#questions-readers-ask > p")
    assert questions.count() >= 1
    links = page.locator("section#questions-readers-ask > p[id^=question-] > a.headerlink")
    assert links.count() == questions.locator("> strong:first-child").count() >= 1


def test_a_link_to_a_place_is_copied(browser: Browser, address: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    link = page.get_by_role("link", name="Link to this exercise").first
    link.click()
    expect(page.locator("[role=status]", has_text="The link was copied.")).to_have_count(1)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    assert copied.endswith(link.get_attribute("href") or "?")
    context.close()


def test_pages_are_short_and_lines_too(browser: Browser, address: str) -> None:
    heights, longest = [], []
    for width in (1280, 1920):
        page = browser.new_page(viewport=LAPTOP | {"width": width})
        for name in book.notebooks() if width == 1280 else [PAGE, LATER]:
            page.goto(f"{address}{name}.html")
            if width == 1280:
                heights.append(page.evaluate("document.documentElement.scrollHeight") / 800)
            longest.append(median(page.evaluate(LINES)))
        page.close()
    assert median(heights) <= 20, "laptop screens a page"
    assert 60 < max(longest) < 80, "characters a line"


@pytest.mark.parametrize("name", ["intro", LATER, "chapters/cnn/index"])
def test_all_is_in_a_landmark_and_tables_have_heads(tab: Visit, name: str) -> None:
    page = tab.open(name)
    page.evaluate(AXE_SCRIPT)
    options = {"runOnly": ["region", "empty-table-header", "landmark-unique"]}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    assert [(v["id"], node["html"][:200]) for v in found for node in v["nodes"]] == []
