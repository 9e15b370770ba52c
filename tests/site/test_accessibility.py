"""Every page in light and dark: axe-core finds nothing serious, and figures can be read."""

import io
import json

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image

from tests.site.conftest import Visit

# Formulas are thousands of elements in the colour of the text around them, which is measured.
RUN = "([place, options]) => axe.run(place, options)"
EVERYWHERE = {"exclude": [[".katex"]]}
SAMPLES = {"include": [["[data-sample]"]], "exclude": [[".katex"]]}
OPTIONS = {"resultTypes": ["violations"], "iframes": False}
# The themes differ in colours only: the other rules are applied once.
COLOURS = ["color-contrast", "link-in-text-block"]
COLOURS_ONLY = OPTIONS | {"runOnly": COLOURS}
REST = OPTIONS | {"rules": {rule: {"enabled": False} for rule in COLOURS}}
# A long page has ten thousand words and numbers in some hundred looks: each look (kind, colour,
# ground, size, and those of the text around it) is measured once, at its first visible element.
SAMPLE = """() => {
  const ground = (node) => {
    const faded = [];
    for (let box = node; box; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (style.opacity !== "1") faded.push(style.opacity);
      if (!/, 0\\)$|transparent/.test(style.backgroundColor) || style.backgroundImage !== "none")
        return [style.backgroundColor, style.backgroundImage, ...faded];
    }
    return faded;
  };
  const look = (node) => {
    const { color, fontSize, fontWeight, textDecorationLine } = getComputedStyle(node);
    return [node.tagName, node.className, color, fontSize, fontWeight, textDecorationLine];
  };
  const seen = new Set();
  document.querySelectorAll("[data-sample]").forEach((node) => delete node.dataset.sample);
  for (const node of document.body.querySelectorAll("*")) {
    const speaks = [...node.childNodes].some((part) => part.nodeType === 3 && part.data.trim());
    if (!speaks && node.tagName !== "INPUT") continue;
    if (node.closest(".katex, svg, script, style")) continue;
    if (!node.checkVisibility({ visibilityProperty: true })) continue;
    const around = node.parentElement;
    const kind = JSON.stringify([look(node), look(around), ground(node)]);
    if (!seen.has(kind)) node.dataset.sample = "";
    seen.add(kind);
  }
  return document.querySelectorAll("[data-sample]").length;
}"""
PLAIN = "transition: none !important; animation: none !important; background-image: none !important"


def wear(tab: Visit, theme: str) -> None:
    """Put the page into the light or the dark theme, the way a reader's system would."""
    tab.page.emulate_media(color_scheme=theme)
    tab.page.wait_for_function(
        "theme => document.documentElement.dataset.theme === theme", arg=theme
    )
    # Colours that fade in are not the colours to measure, and on a ground with a gradient, as that
    # of everything that scrolls (it cues its edges), axe measures none.
    tab.page.add_style_tag(content=f"* {{ {PLAIN} }}")


def unfold(tab: Visit) -> None:
    """Open every folded solution and cell, and let the keyboard scroll in them (after a while)."""
    tab.page.locator("details.fold").evaluate_all("folds => folds.forEach((f) => (f.open = true))")
    folded = tab.page.locator(".toggle-hidden .toggle-button")
    if folded.count():
        folded.evaluate_all("buttons => buttons.forEach((button) => button.click())")
        tab.page.wait_for_timeout(600)  # the theme waits until 300 ms after the last resizing


def found_by_axe(tab: Visit, *, colours_only: bool = False) -> list[str]:
    """What axe finds serious: in the colours of the samples, and otherwise on the whole page."""
    page = tab.page
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    assert page.evaluate(SAMPLE) > 10
    violations = page.evaluate(RUN, [SAMPLES, COLOURS_ONLY])["violations"]
    if not colours_only:
        violations += page.evaluate(RUN, [EVERYWHERE, REST])["violations"]
    return [
        f"{v['id']}: {node['target']}\n    {node['html'][:160]}\n    "
        + json.dumps([check["message"] for check in node["any"]])
        for v in violations
        if v["impact"] in {"serious", "critical"}
        for node in v["nodes"][:4]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Visit, theme: str) -> None:
    wear(opened, theme)
    unfold(opened)
    serious = found_by_axe(opened, colours_only=theme == "dark")
    assert not serious, "\n".join(serious)


@pytest.mark.parametrize(
    "place", ["article p", "article li a.term", ".highlight .k", ".claim-card em", "td p", ".eqno"]
)
def test_axe_finds_a_pale_word_among_many(tab: Visit, place: str) -> None:
    page = tab.open("chapters/cnn/lenet")
    wear(tab, "light")
    words = page.locator(f"{place}:visible")
    assert words.count()
    words.last.evaluate("word => word.style.setProperty('color', '#bbb', 'important')")
    assert "color-contrast" in "".join(found_by_axe(tab, colours_only=True))


def luminance(pixel: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [c / 255 for c in pixel]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: float, b: float) -> float:
    """The contrast ratio of two luminances."""
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def test_drawings_can_be_read_in_the_dark(opened: Visit) -> None:
    wear(opened, "dark")
    unfold(opened)
    drawings = opened.page.locator('article img[src$=".svg"]:visible')
    for number, drawing in enumerate(drawings.all()):
        drawing.scroll_into_view_if_needed()
        drawing.evaluate("image => image.decode()")  # those further down wait until they are near
        shot = drawing.screenshot()
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        tally = sorted(image.getcolors(maxcolors=2**24), reverse=True)
        total = image.width * image.height
        ground = luminance(tally[0][1])
        assert ground < 0.05, f"drawing {number} has a bright ground on a dark page"
        readable = sum(n for n, colour in tally if contrast(luminance(colour), ground) >= 4.5)
        assert readable > total / 500, f"drawing {number} has hardly a line that stands out"


def test_pictures_keep_their_colours_in_the_dark(opened: Visit) -> None:
    wear(opened, "dark")
    for picture in opened.page.locator('article img[src$=".png"]').all():
        look = picture.evaluate(
            "image => [getComputedStyle(image).filter, getComputedStyle(image).backgroundColor]"
        )
        assert look == ["none", "rgb(255, 255, 255)"]
