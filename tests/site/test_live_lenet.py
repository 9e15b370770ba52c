"""LeNet on its page: drawn by mouse or keyboard, a shoe is a shoe; images move by pixels."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

# Corners of an outline, in pixels of the 28 × 28
SNEAKER = [(2, 16), (3, 19), (25, 19), (26, 15), (25, 11), (20, 13), (15, 10), (11, 14), (2, 16)]
BOOT = [(3, 21), (3, 25), (24, 25), (24, 4), (14, 4), (14, 15), (4, 20), (3, 21)]
SEVEN = [(8, 6), (20, 6), (12, 23)]
# The first row and column of 28 that are not black
CORNER = """paper => {
  const side = paper.width / 28, context = paper.getContext("2d");
  const lit = (x, y) => context.getImageData((x + 0.5) * side, (y + 0.5) * side, 1, 1).data[0] > 60;
  const all = [...Array(28).keys()];
  return [all.findIndex((x) => all.some((y) => lit(x, y))),
          all.findIndex((y) => all.some((x) => lit(x, y)))];
}"""


NAME = "lenet"


def paper_of(page: Page) -> Locator:
    """The drawing surface, empty."""
    page.get_by_role("button", name="Clear").click()
    return page.locator(".live-paper")


def draw(page: Page, corners: list[tuple[int, int]]) -> None:
    """Draw a line with the mouse."""
    paper = paper_of(page)
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box
    zoom = box["width"] / 28
    places = [(box["x"] + x * zoom, box["y"] + y * zoom) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


@pytest.mark.parametrize(("outline", "answer"), [(SNEAKER, "sneaker"), (BOOT, "ankle boot")])
def test_a_drawn_shoe_is_a_shoe(page: Page, outline: list, answer: str) -> None:
    page.get_by_role("radio", name="trained on garments").check()
    draw(page, outline)
    expect(page.locator(".live-guess")).to_contain_text(f"{answer}, ")
    expect(page.locator(".live-status")).to_contain_text(f"It reads {answer} with")


def test_digits_are_read_by_the_other_network(page: Page) -> None:
    page.get_by_role("radio", name="trained on digits").check()
    draw(page, SEVEN)
    expect(page.locator(".live-guess")).to_contain_text("7, ")
    assert page.locator(".live-classes li").count() == 10


def test_the_keyboard_draws_and_clears(page: Page) -> None:
    page.get_by_role("radio", name="trained on digits").check()
    paper = paper_of(page)
    paper.focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator(".live-guess")).to_contain_text("1, ")
    page.keyboard.press("Delete")
    expect(page.locator(".live-guess")).to_have_text("Nothing is drawn.")


def test_a_test_image_is_moved_by_arrow_keys(page: Page) -> None:
    page.get_by_role("radio", name="trained on garments").check()
    page.get_by_role("button", name="Test image: ankle boot").click()
    status = page.locator(".live-status")
    expect(status).to_contain_text("It reads ankle boot with")
    paper = page.locator(".live-paper")
    left, top = paper.evaluate(CORNER)
    paper.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(status).to_contain_text("The image has moved by 2 to the right and 1 down.")
    assert paper.evaluate(CORNER) == [left + 2, top + 1]
    page.get_by_role("button", name="Move left").click()
    expect(status).to_contain_text("The image has moved by 1 to the right and 1 down.")


def test_probabilities_are_of_sum_one(page: Page) -> None:
    bars = page.locator(".live-classes li").evaluate_all(
        "bars => bars.map((bar) => Number(bar.style.getPropertyValue('--p')))"
    )
    assert sum(bars) == pytest.approx(1, abs=1e-4)
    best = page.locator(".live-classes .is-best").inner_text()
    assert re.match(r"[a-z0-9/ -]+", best)[0].strip() in page.locator(".live-guess").inner_text()
