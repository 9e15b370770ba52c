"""The phone: nothing is hidden without a cue, figures open large, buttons can be seen and hit."""

import pytest
from playwright.sync_api import Browser, expect

from tests.site import book
from tests.site.conftest import PHONE, WIDE, Visit, visit
from tools.chromium import ARGUMENTS, find_chromium

PAGE = "chapters/cnn/lenet"
OPEN_ALL = """() => {
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  document.querySelectorAll(".toggle-hidden .toggle-button").forEach((b) => b.click());
}"""
# Boxes of the text of which a part is out of sight: those that scroll, and those that do not.
HIDING = """() => [...document.querySelectorAll("article *")].filter((box) => {
  const style = getComputedStyle(box);
  return box.clientWidth > 1 && box.scrollWidth > box.clientWidth + 1
    && style.overflowX !== "visible"
    && !box.closest("svg, span.math, .katex-mathml");
}).map((box) => ({
  what: `${box.tagName}.${box.className}: ${box.textContent.slice(0, 60)}`,
  scrolls: /auto|scroll/.test(getComputedStyle(box).overflowX),
  cue: getComputedStyle(box).backgroundImage.includes("gradient"),
}))"""
TOO_WIDE = """() => [...document.querySelectorAll("article div.math")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => `${box.id}: ${box.scrollWidth - box.clientWidth}`)"""


def on_a_phone(browser: Browser, address: str, width: int) -> Visit:
    """A tab of a phone with a touch screen."""
    size = {"width": width, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    return visit(context, address)


@pytest.fixture
def phone(browser: Browser, address: str):
    """A fresh tab on a phone of 390 pixels."""
    tab = on_a_phone(browser, address, 390)
    yield tab
    tab.page.context.close()


@pytest.mark.parametrize("name", book.pages())
def test_nothing_is_hidden_without_a_cue(phone: Visit, name: str) -> None:
    page = phone.open(name)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(TOO_WIDE) == [], "equations are to be stacked (aligned) until they fit"
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [box["what"] for box in page.evaluate(HIDING) if not box["scrolls"]] == []
        assert [box["what"] for box in page.evaluate(HIDING) if not box["cue"]] == []
    assert phone.complaints == []


def test_a_figure_opens_large(phone: Visit) -> None:
    page = phone.open(PAGE)
    link = page.get_by_role("link", name=f"Enlarge Fig. {book.number(PAGE)}.1")
    figure = page.locator("figure", has=link)
    text = figure.locator("img").get_attribute("alt")
    assert (link.bounding_box() or {})["height"] >= 44
    figure.locator(":scope > img").tap()
    dialog = page.get_by_role("dialog", name=f"Fig. {book.number(PAGE)}.1, enlarged")
    image = dialog.get_by_role("img", name=text)
    expect(image).to_be_visible()
    expect(dialog.locator("figcaption")).to_contain_text("Test images")
    before = (image.bounding_box() or {})["width"]
    assert before > 390, "no larger than on the page"
    dialog.get_by_role("button", name="Larger").tap()
    assert (image.bounding_box() or {})["width"] > before
    for button in dialog.get_by_role("button").all():
        box = button.bounding_box() or {}
        assert min(box["height"], box["width"]) >= 44
    view = dialog.get_by_role("group")
    view.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert view.evaluate("view => view.scrollLeft") > 0
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(link).to_be_focused()
    assert phone.complaints == []


def test_a_figure_opens_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    page.get_by_role("link", name=f"Enlarge Fig. {book.number(PAGE)}.1").click()
    page.wait_for_url("**/_images/*")
    context.close()


def test_buttons_can_be_seen_and_hit(phone: Visit) -> None:
    page = phone.open(PAGE)
    assert page.locator(".copybtn:not(details .copybtn, .solution .copybtn)").evaluate_all(
        "all => all.length && all.every((b) => getComputedStyle(b).opacity === '1')"
    )
    toggles = page.locator(".solution .toggle-button")
    assert toggles.count() >= 4
    titles = page.locator(".exercise > .admonition-title").all_inner_texts()
    titles = [title.removesuffix("#").strip() for title in titles]
    for toggle, title in zip(toggles.all(), titles, strict=True):
        assert (toggle.bounding_box() or {})["height"] >= 44
        label = toggle.evaluate("t => getComputedStyle(t, '::before').content")
        assert label == '"Show the solution"'
        name = toggle.get_attribute("aria-label")
        assert name == f"Show the solution to {title}"
    toggles.first.tap()
    expect(toggles.first).to_have_attribute("aria-label", f"Hide the solution to {titles[0]}")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["laptop", "phone"])
def test_letters_grow_as_a_reader_has_set_them(browser: Browser, address: str, size) -> None:
    arguments = [*ARGUMENTS, "--blink-settings=defaultFontSize=32"]
    large = browser.browser_type.launch(executable_path=find_chromium(), args=arguments)
    page = large.new_page(viewport=size)
    page.goto(f"{address}{PAGE}.html")
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    header = page.locator(".header-article__inner").locator(":is(.breadcrumbs, button, a):visible")
    boxes = [box for item in header.all() if (box := item.bounding_box())]
    title = page.locator("article h1").bounding_box()
    assert len(boxes) > 5 and title
    assert all(box["y"] + box["height"] <= title["y"] for box in boxes)
    large.close()
