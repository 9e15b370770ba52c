"""Every page in light and dark: axe-core finds nothing serious, and figures can be read."""

import io
import json

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image

from tests.site.conftest import Visit

# Formulas are thousands of elements in the colour of the text around them, which is measured.
RUN = "(options) => axe.run({ exclude: [['.katex']] }, options)"
OPTIONS = {"resultTypes": ["violations"], "iframes": False}
# The themes differ in colours only: the other rules are applied once.
DARK = OPTIONS | {"runOnly": ["color-contrast", "link-in-text-block"]}
# A long chapter has ten thousand coloured words of code in some twenty colours: measure each colour
# once on each ground, and let the other words take the colour of the text around them.
THIN_OUT = """() => {
  const ground = (node) => {
    for (let box = node; box; box = box.parentElement) {
      const colour = getComputedStyle(box).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
  };
  const seen = new Set();
  for (const block of document.querySelectorAll(".highlight pre")) {
    const place = ground(block) + !!block.closest(".admonition") + !!block.closest(".cell_output");
    for (const word of block.querySelectorAll("span[class]")) {
      const kind = `${word.className} ${place}`;
      if (seen.has(kind)) word.replaceWith(...word.childNodes);
      seen.add(kind);
    }
    block.normalize();
  }
}"""


def wear(tab: Visit, theme: str) -> None:
    """Put the page into the light or the dark theme, the way a reader's system would."""
    tab.page.emulate_media(color_scheme=theme)
    tab.page.wait_for_function(
        "theme => document.documentElement.dataset.theme === theme", arg=theme
    )
    # Colours that fade in are not the colours to measure.
    tab.page.add_style_tag(content="* { transition: none !important; animation: none !important }")


def unfold(tab: Visit) -> None:
    """Open every folded solution and cell, and let the keyboard scroll in them (after a while)."""
    tab.page.locator("details.fold").evaluate_all("folds => folds.forEach((f) => (f.open = true))")
    folded = tab.page.locator(".toggle-hidden .toggle-button")
    if folded.count():
        folded.evaluate_all("buttons => buttons.forEach((button) => button.click())")
        tab.page.wait_for_timeout(600)  # the theme waits until 300 ms after the last resizing


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Visit, theme: str) -> None:
    wear(opened, theme)
    unfold(opened)
    page = opened.page
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(THIN_OUT)
    found = page.evaluate(RUN, DARK if theme == "dark" else OPTIONS)["violations"]
    serious = [
        f"{v['id']}: {node['target']}\n    {node['html'][:160]}\n    "
        + json.dumps([check["message"] for check in node["any"]])
        for v in found
        if v["impact"] in {"serious", "critical"}
        for node in v["nodes"][:4]
    ]
    assert not serious, "\n".join(serious)


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
