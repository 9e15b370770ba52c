"""Attention in the plane: the query moves by mouse and keys, and the weights with it."""

import pytest
from playwright.sync_api import Page, expect

from tests.site.live import content, weights

SCORES = ["additive", "dot product", "scaled dot product"]


NAME = "attention"


def bars(page: Page) -> dict[str, list[float]]:
    """The weights that are drawn, by score."""
    rows = page.locator(".live-score:has(.live-weights > [style])").evaluate_all(
        """rows => rows.map((row) => [...row.querySelectorAll(".live-weights > span")]
          .map((bar) => Number(bar.style.getPropertyValue("--p"))))"""
    )
    return dict(zip(SCORES, rows, strict=True))


def test_weights_are_positive_and_of_sum_one(page: Page) -> None:
    for row in bars(page).values():
        assert len(row) == 8
        assert min(row) >= 0
        assert sum(row) == pytest.approx(1, abs=1e-4)


def test_the_mouse_takes_the_query_along(page: Page) -> None:
    page.get_by_role("radio", name="after 200 steps").check()
    plane = page.locator(".live-plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box
    boot = content("attention")["meta"]["classes"].index("ankle boot")
    x, y = weights("attention")["keys"][boot].tolist()
    reach = 2.3
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(
        box["x"] + box["width"] * (x + reach) / (2 * reach),
        box["y"] + box["height"] * (reach - y) / (2 * reach),
        steps=5,
    )
    page.mouse.up()
    found = bars(page)
    for score in ("additive", "scaled dot product"):  # both have learned to find the same class
        assert found[score][boot] == max(found[score])
    where = f"Query at {x:.1f}, {y:.1f}".replace("-", "−")
    expect(page.locator(".live-status")).to_contain_text(where)


def test_arrow_keys_move_the_query(page: Page) -> None:
    plane = page.locator(".live-plane")
    plane.click(position={"x": 200, "y": 200})
    expect(page.locator(".live-status")).to_contain_text("Query at 0.0")
    before = bars(page)
    plane.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator(".live-status")).to_contain_text("Query at 0.5, 0.5")
    assert bars(page) != before


def test_dividing_keeps_an_untrained_layer_undecided(page: Page) -> None:
    page.get_by_role("radio", name="untrained").check()
    page.locator(".live-plane").click(position={"x": 300, "y": 100})
    expect(page.locator(".live-status")).to_contain_text("networks untrained")
    found = bars(page)
    assert max(found["dot product"]) > max(found["scaled dot product"]) + 0.3


def test_the_map_follows_the_chosen_score(page: Page) -> None:
    page.get_by_role("radio", name="after 200 steps").check()
    pictures = set()
    for score in SCORES:
        page.get_by_role("radio", name=score, exact=True).check()
        pictures.add(page.locator(".live-plane").evaluate("plane => plane.toDataURL()"))
        expect(page.locator(".live-score.is-shown")).to_contain_text(score)
    assert len(pictures) == 3
