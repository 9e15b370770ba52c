"""Terms of the glossary: all there, found in every form, linked once a page, shown in a box."""

import functools
import importlib
import re
from collections import Counter
from types import ModuleType

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from docutils import nodes
from playwright.sync_api import Browser, Page, expect

from tests.notebooks.conventions import outside_code, text_of
from tests.site import book
from tests.site.conftest import Visit
from tools.book import read

PAGE = "chapters/attention/transformer"
GLOSSARY = (book.ROOT / "glossary.md").read_text(encoding="utf-8").partition(":::{glossary}")[2]
# Bold words of the pages that begin a paragraph or stress a word, and introduce nothing.
NO_TERMS = {
    *("In practice", "In use", "Training", "Images", "Words", "The encoder", "The word head"),
    *("The loss", "The backward pass", "An operation of your own", "Gradients accumulate"),
    *("The convolutions have few parameters", "The convolutions do most of the work"),
    *("The gradient points in the direction of steepest ascent", "PyTorch's `nn.Linear`"),
    *("the error falls apart into $d$ independent numbers", "near the identity"),
    *("two", "steps", "seconds", "rotations", "4 × 4", "1 × 1", "relative", "absolute", "learned"),
}
ELSEWHERE = {  # what is introduced without an entry of its own, and why
    "variety": "a measure of that page only",
    "template": "a picture on that page only",
    "gate bias": "a setting of that page's trials only",
    "marked": "a word of that page's task",
    "copying": "a word of that page's task",
    "baseline": "a number, not a term",
    "residual": "in the entry skip connection; in regression it means something else",
    "inverted": "in the entry dropout",
    "classic": "in the entry dropout",
    "log-probabilities": "in the entry log-softmax",
    "decoupled": "in the entry decoupled weight decay",
    "Additive": "in the entry smoothing",
    "greedy": "in the entry greedy search",
    "LeCun": "in the entry initialisation",
    "Xavier": "in the entry initialisation",
    "He": "in the entry initialisation",
    "Kaiming": "in the entry initialisation",
    "Orthogonal": "in the entry orthogonal initialisation",
}
NO_PROSE = "h1, h2, h3, pre, code, figcaption, table, .math, .solution, .on-trial, a a"


def entries() -> dict[str, str]:
    """What the glossary says, by the first name of an entry."""
    parts = re.split(r"\n\n(?=\S)", GLOSSARY.strip().removesuffix(":::"))
    return {part.splitlines()[0]: part for part in parts}


@functools.cache
def article_of(page: str) -> BeautifulSoup:
    """The article of a built page, without its code, which takes long to parse and has no links."""
    text = (book.BUILT / f"{page}.html").read_text(encoding="utf-8")
    article = text[text.find("<article") : text.find("</article>")]
    code = re.compile(r"<pre\b.*?</pre>|<svg\b.*?</svg>|<script\b.*?</script>", re.S)
    assert "note-link" not in "".join(code.findall(article))
    return BeautifulSoup(code.sub("", article), "lxml")


def names() -> set[str]:
    """All names and forms of the glossary's terms, in small letters and without hyphens."""
    names = re.findall(r"^(?!:)\S.*$", GLOSSARY, re.M)
    forms = re.findall(r"^  % forms: (.*)$", GLOSSARY, re.M)
    return {plain(name) for name in names + ", ".join(forms).split(", ")}


def plain(text: str) -> str:
    return re.sub(r"[-\s]+", " ", text.lower())


def introduced(notebook: str) -> list[str]:
    """The bold words of a notebook; those that end a sentence are headings and questions."""
    text = outside_code(text_of(read(book.ROOT / f"{notebook}.ipynb")))
    bold = [" ".join(b.split()) for b in re.findall(r"\*\*(?!\s)([^*]+?)(?<!\s)\*\*", text)]
    return [words for words in bold if words[-1] not in ".?:"]


@pytest.fixture
def terms(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(book.ROOT / "_ext"))
    return importlib.import_module("book_terms")


@pytest.mark.parametrize("name", book.notebooks())
def test_what_a_page_introduces_is_in_the_glossary(name: str) -> None:
    known = names()
    missing = [
        words
        for words in introduced(name)
        if not any(plain(w) in known for w in (words, words[:-1], words[:-2], words[:-3] + "y"))
        and words not in NO_TERMS | ELSEWHERE.keys()
    ]
    assert missing == []


def test_exceptions_are_used_and_right() -> None:
    used = {words for name in book.notebooks() for words in introduced(name)}
    assert (NO_TERMS | ELSEWHERE.keys()) - used == set()
    for words, why in ELSEWHERE.items():
        if why.startswith("in the entry"):
            entry = why.removeprefix("in the entry ").partition(";")[0]
            assert re.search(words[:5], entries()[entry], re.I), f"{entry} does not say {words}"


def test_entries_are_in_order_and_say_where_they_are_taught() -> None:
    order = [name.casefold().translate(str.maketrans("₁₂", "12")) for name in entries()]
    assert order == sorted(order)
    untaught = {name for name, entry in entries().items() if "Taught in [" not in entry}
    assert untaught == {"claim", "inference", "seed"}  # of the book, or of no single page


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("batch normalisation", "Batch-normalizations", True),
        ("pre-training", "Pre training", True),
        ("query", "queries", True),
        ("key–value cache", "key–value caches", True),
        ("Adam", "adam", False),
        ("ReLU", "ReLUs", True),
        ("BLEU", "Bleu", False),
        ("gate", "investigate", False),
        ("attention", "self-attention", False),
        ("pooling", "pool", False),
    ],
)
def test_forms_are_found(terms: ModuleType, form: str, text: str, found: bool) -> None:
    entry = terms.Entry("term-x", form, nodes.definition(), [form])
    matches = [match[0] for match, _ in terms.Finder([entry])(f"So {text} is.")]
    assert matches == ([text] if found else [])


def test_the_longest_term_is_found_first(terms: ModuleType) -> None:
    entries = [terms.Entry(f, f, nodes.definition(), [f]) for f in ("gradient", "gradient descent")]
    found = [
        (match[0], entry.name)
        for match, entry in terms.Finder(entries)("Gradient descent follows the\ngradient.")
    ]
    assert found == [("Gradient descent", "gradient descent"), ("gradient", "gradient")]


def test_no_term_is_linked_in_a_quotation_or_below_its_own_title(terms: ModuleType) -> None:
    entries = [terms.Entry(f, f, nodes.definition(), [f]) for f in ("Adam", "gradient", "batch")]
    said = "Adam takes “a gradient”; a batch, says “one”, has a gradient."
    page = nodes.document(None, None, "", nodes.section("", nodes.title("", "Adam")))
    page[0] += nodes.paragraph("", said)
    terms.link_terms(page, terms.Finder(entries), "chapters/x/adam", "glossary.html")
    (paragraph,) = page.findall(nodes.paragraph)
    assert [str(part.astext()) for part in paragraph.children[1::2]] == ["batch", "gradient"]
    assert paragraph.astext() == said
    assert str(paragraph[2].astext()) == ", says “one”, has a "


@pytest.mark.parametrize("name", book.notebooks())
def test_first_uses_lead_to_their_entries_once(address: str, name: str) -> None:
    assert address
    page = article_of(name)
    links = page.select("article a.note-link.term")
    assert 15 <= len(links) <= 60
    assert page.select(", ".join(f"{kind} a.term" for kind in NO_PROSE.split(", "))) == []
    in_glossary = book.document("glossary").ids
    for link in links:
        address, _, anchor = str(link["href"]).partition("#")
        assert address == "../../glossary.html"
        assert anchor in in_glossary
        # The entry stands in the page hidden.
        (said,) = page.select(f".glosses[hidden] #{link['aria-describedby']}")
        assert len(said.text.split()) > 5
    assert max(Counter(link["href"] for link in links).values()) == 1
    everyday = re.findall(r"\n\n(\S.*)\n(?:  .*\n)+\n(?:  %.*\n)*  % not linked", GLOSSARY)
    assert everyday
    assert {link.text.lower() for link in links} & set(everyday) == set()


def test_other_pages_have_no_links_to_terms(address: str) -> None:
    assert address
    for name in set(book.pages()) - set(book.notebooks()):
        assert "note-link" not in (book.BUILT / f"{name}.html").read_text(encoding="utf-8")


def box_of(page: Page, words: str, where: str) -> None:
    """Hold that the box is shown, says this, lies beside its link and within the window."""
    box = page.locator(".note-box")
    expect(box).to_contain_text(words)
    sides, link = box.bounding_box(), page.locator(where).first.bounding_box()
    assert sides
    assert link
    assert sides["x"] >= 0
    assert sides["x"] + sides["width"] <= page.evaluate("document.documentElement.clientWidth")
    gap = max(sides["y"] - link["y"] - link["height"], link["y"] - sides["y"] - sides["height"])
    assert -30 < gap < 10  # a link may be broken over two lines


TERM = ".note-link.term[href$='term-skip-connection']"


def test_the_pointer_opens_the_box_and_may_go_into_it(tab: Visit) -> None:
    page = tab.open(PAGE)
    box = page.locator(".note-box")
    page.locator(TERM).hover()
    box_of(page, "Adding a block’s input", TERM)
    box.hover()
    page.wait_for_timeout(500)
    expect(box).to_be_visible()
    page.locator("h1:visible").hover()
    expect(box).to_have_count(0)
    page.locator(TERM).hover()
    expect(box).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    page.locator(TERM).click()
    page.wait_for_url("**/glossary.html#term-skip-connection")


def test_the_keyboard_opens_the_box_and_reaches_its_links(tab: Visit) -> None:
    page = tab.open(PAGE)
    box = page.locator(".note-box")
    page.keyboard.press("Tab")  # the reader uses the keyboard
    page.locator(TERM).focus()
    box_of(page, "Adding a block’s input", TERM)
    page.keyboard.press("Tab")
    expect(box.get_by_role("link").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(page.locator(TERM)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(TERM)).not_to_be_focused()


def test_a_tap_opens_the_box_and_a_link_in_it_leads_on(browser: Browser, address: str) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    for link in page.locator(".note-link").all()[::7]:
        link.tap()
        box_of(page, "", ".note-link:has(+ .note-box)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.locator("h1:visible").tap()
    expect(page.locator(".note-box")).to_have_count(0)
    page.locator(TERM).tap()
    page.locator(".note-box").get_by_role("link", name="In the glossary").tap()
    page.wait_for_url("**/glossary.html#term-skip-connection")
    context.close()


def test_without_a_script_terms_are_links(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    link = page.locator(TERM)
    expect(link).to_have_accessible_description(re.compile("Adding a block’s input"))
    link.click()
    page.wait_for_url("**/glossary.html#term-skip-connection")
    context.close()


def test_axe_finds_nothing_in_the_box(tab: Visit) -> None:
    page = tab.open(PAGE)
    page.evaluate(AXE_SCRIPT)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("s => document.documentElement.dataset.theme === s", arg=scheme)
        page.locator(TERM).hover()
        expect(page.locator(".note-box")).to_be_visible()
        found = page.evaluate("() => axe.run('.bd-article p:has(.note-box)')")["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:120]) for v in found] == []
        page.keyboard.press("Escape")
        page.mouse.move(0, 0)
