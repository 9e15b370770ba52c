"""The phone: nothing is hidden without a cue, figures open large, buttons can be seen and hit."""

import pytest
from playwright.sync_api import Browser

from tests.site import book
from tests.site.conftest import Visit, visit

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
    && !box.closest("svg, span.math, .katex-mathml, mjx-container");
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
