"""The search: the first hit answers, it works from disk, by keyboard, and without JavaScript."""

import gzip
import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, Route, expect

from tests.site import book
from tests.site.conftest import PHONE, WIDE, Visit
from tests.site.search_queries import ADDED, NAMES, OURS, REVIEW

QUERIES = REVIEW | OURS
CHAPTER = "chapters/optimization/adam"
SHORT = "teach"  # a page that is there at once
INDEX, TEXTS = (book.BUILT / "_static" / f"search-{name}.js" for name in ("index", "texts"))
MARKED = """() => [...CSS.highlights.get("search") ?? []].map((range) =>
    range.startContainer.data.slice(range.startOffset, range.endOffset).toLowerCase())"""


def index() -> list[list]:
    """What the index holds: for each page its address, its title and its entries."""
    text = INDEX.read_text(encoding="utf-8")
    return json.JSONDecoder().raw_decode(text, text.index('{"pages"'))[0]["pages"]


def texts() -> list[str]:
    """What the entries say, in their order."""
    text = TEXTS.read_text(encoding="utf-8")
    return json.JSONDecoder().raw_decode(text, text.index("["))[0]


def hits(page: Page, query: str) -> list[str]:
    """The anchors of the hits for a query on the search page, best first."""
    page.locator(".search-page input").fill(query)
    page.wait_for_function(
        """query => {
            const shown = document.querySelector(".search-hits")?.dataset;
            return shown?.query === query && shown.whole === "true";
        }""",
        arg=query,
    )
    links = page.locator(".search-hits a")
    found = links.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    return [re.sub(r"^\./|\?[^#]*", "", address) for address in found]


@pytest.fixture(scope="module")
def search(browser: Browser, address: str) -> Iterator[Page]:
    """The page of the search, opened once."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "search.html")
    yield page
    context.close()


def test_there_are_thirty_two_queries() -> None:
    assert (len(REVIEW), len(OURS)) == (12, 20)


@pytest.mark.parametrize("query", QUERIES)
def test_the_first_hit_answers(search: Page, query: str) -> None:
    first = hits(search, query)[0]
    assert first in (*QUERIES[query], *ADDED.get(query, ()))


@pytest.mark.parametrize("query", NAMES)
def test_a_page_is_found_by_its_short_name(search: Page, query: str) -> None:
    assert NAMES[query] in hits(search, query)[:2]


@pytest.mark.parametrize("name", book.notebooks())
def test_a_chapter_is_found_by_its_title(search: Page, name: str) -> None:
    title = next(title for url, title, _ in index() if url == f"{name}.html")
    assert f"{name}.html" in {hit.split("#")[0] for hit in hits(search, title)[:3]}


@pytest.mark.parametrize(
    "one, other",
    [
        ("initialisation", "initialization"),
        ("optimising", "optimizing"),
        ("neighbours", "neighbors"),
        ("warm-up", "warmup"),
        ("key-value cache", "KV cache"),
        ("Glorot", "Xavier"),
        ("λ", "lambda"),
    ],
)
def test_other_spellings_and_names_find_the_same(search: Page, one: str, other: str) -> None:
    assert hits(search, one)[0] == hits(search, other)[0]


@pytest.mark.parametrize(
    "typed, term",
    [
        ("perple", "perplexity"),
        ("batch norm", "batch-normalisation"),
        ("batch nor", "batch-normalisation"),
        ("teacher forc", "teacher-forcing"),
        ("initialis", "initialisation"),
        ("dropuot", "dropout"),  # two letters exchanged
        ("perplexty", "perplexity"),  # one left out
        ("momenrum", "momentum"),  # one changed
        ("sofftmax", "softmax"),  # one added
    ],
)
def test_the_beginning_of_a_word_or_a_typing_error_will_do(
    search: Page, typed: str, term: str
) -> None:
    found = hits(search, typed)[:3]
    assert f"glossary.html#term-{term}" in found


@pytest.mark.parametrize(
    "asked, page",
    [  # what readers asked, and did not find
        ("theta", "notation.html#symbol-"),
        ("kappa", "notation.html#symbol-"),
        ("eta", "notation.html#symbol-"),
        ("how does backpropagation work", "glossary.html#term-backpropagation"),
        ("dying ReLU", "glossary.html#term-dead-unit"),
        ("what is the difference between Adam and AdamW", "glossary.html#term-AdamW"),
        ("does batch norm work with batch size 1", "chapters/cnn/batch-normalization.html#"),
    ],
)
def test_questions_of_readers_are_answered(search: Page, asked: str, page: str) -> None:
    assert hits(search, asked)[0].startswith(page)


def test_the_first_letter_is_right_and_a_finished_question_is_not_completed(search: Page) -> None:
    assert not any("tying" in hit for hit in hits(search, "dying ReLU"))
    finished = hits(search, "how does backpropagation w?")
    assert finished == hits(search, "how does backpropagation w ")


def test_what_the_book_does_not_have_is_not_found(search: Page) -> None:
    assert hits(search, "xyzzyqwrt") == []
    expect(search.locator(".search-status")).to_contain_text("Nothing found")


def test_every_entry_leads_to_an_anchor_of_its_page() -> None:
    lost = [
        f"{url}#{anchor}"
        for url, _, found in index()
        for _, _, anchor, *_ in found
        if anchor not in book.document(url.removesuffix(".html")).ids
    ]
    assert lost == []


def test_all_kinds_are_in_the_index_and_in_plain_words() -> None:
    found = [entry for _, _, entries in index() for entry in entries]
    kinds = {"chapter", "part", "page", "section", "claim", "term", "question", "exercise"}
    assert {entry[0] for entry in found} == kinds | {"trouble", "symbol", "API"}
    said = [f"{entry[1]} {text}" for entry, text in zip(found, texts(), strict=True)]
    latex = re.compile(
        r"\\(?:math|text|frac|sqrt|left|cdot|operatorname|[a-z]+\{)|\$\$|import torch"
    )
    assert [text for text in said if latex.search(text)] == []


def test_the_index_is_light_and_is_the_only_one() -> None:
    assert len(gzip.compress(INDEX.read_bytes())) < 80_000  # hits wait for it
    chapters = len(book.notebooks())
    assert len(gzip.compress(TEXTS.read_bytes())) < 50_000 + 4_500 * chapters
    for name in book.pages():
        scripts = " ".join(book.document(name).resources)
        assert not re.search(
            r"search-index|search-texts|searchindex|searchtools|language_data|highlight", scripts
        )


def test_the_index_is_fetched_when_somebody_searches(tab: Visit) -> None:
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    page = tab.open(SHORT)
    assert not any(re.search("search-(index|texts)", url) for url in asked)
    page.keyboard.press("/")
    expect(page.get_by_role("dialog", name="Search")).to_be_visible()
    page.wait_for_function("() => window.bookSearch?.whole")
    for name in ("search-index.js", "search-texts.js"):
        assert sum(name in url for url in asked) == 1
    assert tab.complaints == []


def test_hits_by_name_do_not_wait_for_the_texts(tab: Visit) -> None:
    held: list[Route] = []
    tab.page.route("**/search-texts.js", lambda route: held.append(route))
    page = tab.open(SHORT)
    page.keyboard.press("/")
    page.keyboard.type("perplexity")
    links = page.locator(".search-dialog .search-hits a")
    expect(links.first).to_contain_text("erplexity")
    by_name = links.count()
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    page.wait_for_function("() => document.querySelector('.search-hits').dataset.whole === 'true'")
    assert links.count() > by_name
    expect(page.locator(".search-dialog .search-snippet").first).to_be_visible()


def test_without_the_texts_names_are_found(tab: Visit) -> None:
    tab.page.route("**/search-texts.js", lambda route: route.abort())
    page = tab.open(SHORT)
    page.keyboard.press("/")
    page.keyboard.type("No module named torch")
    page.keyboard.press("Enter")
    page.wait_for_url("**/troubleshooting.html*")


@pytest.fixture(params=["served", "from disk"])
def start(request: pytest.FixtureRequest, tab: Visit) -> Page:
    """A page, from a server and opened as a file."""
    if request.param == "served":
        return tab.open(SHORT)
    tab.page.goto((book.BUILT / f"{SHORT}.html").as_uri())
    return tab.page


def test_a_hit_is_opened_and_marked_by_keyboard_alone(start: Page) -> None:
    start.keyboard.press("Control+k")
    start.keyboard.type("No module named torch")
    start.keyboard.press("Enter")  # before the index is there: it waits
    start.wait_for_url("**/troubleshooting.html*")
    place = start.locator(".search-found")
    expect(place).to_be_focused()
    expect(place).to_be_in_viewport()
    expect(place).to_contain_text("No module named")
    start.wait_for_function("() => CSS.highlights.has('search')")
    assert {"module", "named", "torch"} <= set(start.evaluate(MARKED))
    address = start.evaluate("() => location.href")
    assert address.endswith(
        "troubleshooting.html#trouble-no-module-named-torch-select-kernel-vs-code"
    )
    start.keyboard.press("Escape")
    expect(place).to_have_count(0)
    assert start.evaluate(MARKED) == []


def test_a_hit_on_the_same_page_is_marked_too(tab: Visit) -> None:
    page = tab.open(CHAPTER)
    page.keyboard.press("Control+k")
    page.keyboard.type("how much memory does Adam need")
    page.keyboard.press("Enter")
    expect(page.locator("p.search-found")).to_contain_text("How much memory does it take?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_arrows_walk_through_the_hits_and_escape_closes(tab: Visit) -> None:
    page = tab.open(SHORT)
    page.keyboard.press("Control+k")
    field = page.get_by_role("searchbox", name="Search the book")
    expect(field).to_be_focused()
    page.keyboard.type("perplexity")
    links = page.locator(".search-dialog .search-hits a")
    expect(links.first).to_contain_text("perplexity")
    expect(page.locator(".search-status")).to_have_text(re.compile(r"^\d+ hits, best first\.$"))
    page.keyboard.press("ArrowDown")
    expect(links.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(field).to_be_focused()
    assert field.input_value() == "perplexity"  # the search can go on


def test_a_hit_says_what_it_is_and_where(tab: Visit) -> None:
    page = tab.open("search.html?q=adam+tuning")
    hits = page.locator(".search-hits li")
    hit = hits.filter(has=page.locator(".search-title", has_text="does not require tuning"))
    assert hit.locator(".search-kind").inner_text() == "claim"
    assert hit.locator(".search-where").inner_text().endswith("Adam")
    assert hit.locator(".search-snippet").inner_text().startswith("It depends.")
    assert "tuning" in hit.locator("mark").all_inner_texts()


def test_the_field_opens_the_search(tab: Visit) -> None:
    page = tab.open(SHORT)
    page.locator("a.search-open:visible").first.click()
    expect(page.get_by_role("dialog", name="Search")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_without_scripts_the_field_leads_to_a_page_that_helps(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    page = context.new_page()
    page.goto(f"{address}{SHORT}.html")
    page.locator("a.search-open:visible").first.click()
    page.wait_for_url("**/search.html")
    text = page.locator(".search-page")
    expect(text).to_contain_text("needs JavaScript")
    names = [link.get_attribute("href") for link in text.locator("a").all()]
    assert {"glossary.html", "claims.html", "intro.html"} <= set(names)
    context.close()


def test_the_page_for_lost_readers_leads_to_the_search(tab: Visit) -> None:
    page = tab.page
    page.goto(tab.address + "404.html")
    page.get_by_role("link", name="the search").click()
    expect(page.get_by_role("searchbox")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE, {"width": 320, "height": 640}])
def test_the_dialog_fits_and_is_accessible(
    browser: Browser, address: str, theme: str, size
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{address}{SHORT}.html")
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
    page.keyboard.press("/")
    page.keyboard.type("residual")
    expect(page.locator(".search-hits a").first).to_be_visible()
    box = page.locator(".search-dialog").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    assert box["y"] + box["height"] <= size["height"]
    hits = page.locator(".search-hits")
    assert hits.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("() => axe.run('.search-dialog')")["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:100]}" for v in found] == []
    context.close()
