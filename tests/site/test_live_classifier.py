"""The classifier in the plane: a hidden layer learns XOR, none cannot; points by mouse and keys."""

import re

from playwright.sync_api import Page, expect

NAME = "classifier"


def status(page: Page) -> dict[str, float]:
    """What the sentence says: steps, loss, how many points are right, of how many."""
    text = page.locator(".live-status").inner_text()
    found = re.match(r"(\d+) steps, .*: the loss is ([\d.]+), and (\d+) of (\d+) points", text)
    assert found, text
    return dict(zip(("steps", "loss", "right", "points"), map(float, found.groups())))


def set_up(page: Page, points: str, layers: str = "one") -> None:
    """Choose points and hidden layers; the network starts anew."""
    page.get_by_role("radio", name=points, exact=True).check()
    group = page.get_by_role("group", name="Hidden layers")
    group.get_by_role("radio", name=layers, exact=True).check()


def train(page: Page, steps: int) -> dict[str, float]:
    """Train for at least so many steps, or to the end."""
    page.get_by_role("button", name="Train").click()
    page.wait_for_function(
        """steps => {
          const text = document.querySelector(".live .live-status").textContent;
          return parseInt(text) >= steps || text.includes("end");
        }""",
        arg=steps,
    )
    if (pause := page.get_by_role("button", name="Pause")).count():
        pause.click()
    return status(page)


def test_a_hidden_layer_learns_xor_and_none_does_not(page: Page) -> None:
    set_up(page, "XOR")
    assert status(page)["steps"] == 0
    learned = train(page, 300)
    assert learned["right"] == learned["points"] == 100
    assert learned["loss"] < 0.05
    set_up(page, "XOR", "none")
    tossed = train(page, 300)
    assert tossed["right"] < 75
    assert tossed["loss"] > 0.6


def test_the_start_of_the_page_gets_stuck(page: Page) -> None:
    page.get_by_role("button", name="The page's start that gets stuck").click()
    stuck = train(page, 1000)
    assert stuck["points"] == 4
    assert stuck["right"] < 4
    assert page.get_by_role("slider", name="Units a layer").input_value() == "2"


def test_points_come_and_go_by_mouse_and_keyboard(page: Page) -> None:
    set_up(page, "none: place your own")
    page.get_by_role("slider", name="Units a layer").fill("8")
    says = page.locator(".live-status")
    expect(says).to_contain_text("there are no points yet")
    page.locator(".live-plane").click(position={"x": 100, "y": 100})
    assert status(page)["points"] == 1
    page.get_by_role("radio", name="purple crosses").check()
    page.locator(".live-plane").focus()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    assert status(page)["points"] == 2
    assert train(page, 300)["right"] == 2
    page.locator(".live-plane").focus()
    page.keyboard.press("Space")  # the point there goes
    assert status(page)["points"] == 1


def test_width_and_rate_are_chosen_with_the_keyboard(page: Page) -> None:
    set_up(page, "spiral", "two")
    width = page.get_by_role("slider", name="Units a layer")
    width.focus()
    page.keyboard.press("End")
    expect(page.locator(".live-status")).to_contain_text("two hidden layers of 24 ReLU units")
    page.get_by_role("slider", name="Learning rate").focus()
    page.keyboard.press("ArrowLeft")
    before = status(page)
    page.get_by_role("button", name="One step").click()
    after = status(page)
    assert after["steps"] == 1
    assert after["loss"] != before["loss"]


def test_two_layers_learn_the_spiral(page: Page) -> None:
    set_up(page, "spiral", "two")
    page.get_by_role("slider", name="Units a layer").fill("16")
    assert train(page, 1500)["right"] > 155
