"""What a reader does: choose a door, unfold a solution."""

import re

from playwright.sync_api import expect

from tests.site.conftest import Visit


def test_the_front_page_has_three_doors(tab: Visit) -> None:
    page = tab.page
    page.goto(tab.address)  # the bare address leads to the front page
    page.wait_for_url("**/intro.html")
    doors = page.locator(".door")
    assert [door.locator(".sd-card-title").inner_text() for door in doors.all()] == [
        "Read",
        "Run",
        "Teach",
    ]
    for number in range(3):
        page = tab.open("intro")
        start = page.url
        page.locator(".door").nth(number).click()
        page.wait_for_url(lambda url, start=start: url != start)
        assert page.locator("h1:visible").count() == 1


def test_solutions_open(chapter: Visit) -> None:
    page = chapter.page
    exercises = page.locator(".admonition.exercise")
    solutions = page.locator(".admonition.solution")
    assert exercises.count() >= 1
    assert solutions.count() == exercises.count()
    for solution in solutions.all():
        content = solution.locator(":scope > :not(.admonition-title)").first
        expect(content).to_be_hidden()
        solution.locator(".toggle-button").focus()
        page.keyboard.press("Enter")
        expect(content).to_be_visible()


def test_figures_and_exercises_are_numbered(chapter: Visit) -> None:
    page = chapter.page
    for caption in page.locator("figure .caption-number").all_inner_texts():
        assert re.fullmatch(r"Fig\. \d+\.\d+\.\d+\s*", caption)
    for title in page.locator(".admonition.exercise > .admonition-title").all_inner_texts():
        assert re.match(r"Exercise \d+\.\d+\.\d+", title)


def test_the_theme_can_be_changed(tab: Visit) -> None:
    page = tab.open("intro")
    themes = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}
