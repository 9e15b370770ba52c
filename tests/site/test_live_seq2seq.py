"""The translator of numbers: its names are those of num2words, and it tells what it does."""

import pytest
from playwright.sync_api import Page, expect

from tests.site.live import content
from utils.data import number_names
from utils.data.translation import LANGUAGES

NAME, MOTION = "seq2seq", "reduce"


def type_in(page: Page, text: str) -> None:
    """Type a number and press Enter."""
    page.get_by_label("A number from 0 to 9999").fill(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_names_are_those_of_num2words(page: Page, language: str) -> None:
    rule = f"bookLive.forward.seq2seq.names.{language}"
    found = page.evaluate(f"() => Array.from({{ length: 10000 }}, (_, n) => {rule}(n))")
    assert found == [LANGUAGES[language](n) for n in range(10_000)]


def test_words_and_digits_are_the_same(page: Page) -> None:
    answers = []
    for typed in ("4296", "4,296", "Four thousand, two hundred and ninety-six"):
        type_in(page, typed)
        answers.append(page.locator(".live-answer").inner_text())
    assert len(set(answers)) == 1
    assert "four thousand, two hundred and ninety-six" in answers[0]
    # begin, eight words, a comma, a hyphen, end: what is read; each step of writing has a best word
    expect(page.locator("ol.live-steps").first.locator(":scope > li")).to_have_count(11)
    best = page.locator(".live-next > li:first-child > span:first-child").all_inner_texts()
    written = " ".join(best[:-1]).replace(" hyphen ", "-")
    assert best[-1] == "end"
    assert written in answers[0]


def test_the_verdict_and_what_was_held_out(page: Page) -> None:
    held_out = content("seq2seq")["meta"]["held_out"]
    assert [str(n) for n in held_out] == [digits for digits, _ in number_names("digits", "fr")[1]]
    type_in(page, str(held_out[0]))
    status = page.locator(".live-status")
    expect(status).to_contain_text(f"{held_out[0]} was held out")
    type_in(page, str(next(n for n in range(2000, 3000) if n not in held_out)))
    expect(status).to_contain_text("numbers that the network has learned from")
    page.get_by_label("Forget").check()
    expect(status).to_contain_text("✗ Wrong")
    page.get_by_label("Forget").uncheck()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Type a number from 0 to 9999"),
        ("12000", "12000 is too large"),
        ("-5", "no whole number"),
        ("3.5", "no whole number"),
        ("one million", "does not know “million”"),
        ("and " * 30, "These are 30 words"),
        ("hundred seven", "nobody can say what is right"),
    ],
)
def test_strange_input_is_told(page: Page, typed: str, told: str) -> None:
    type_in(page, typed)
    expect(page.locator(".live-status")).to_contain_text(told)


def test_finds_a_mistake_and_follows_a_unit(page: Page) -> None:
    page.get_by_role("button", name="Find a mistake").click()
    expect(page.locator(".live-status")).to_contain_text("✗ Wrong: it is", timeout=60_000)
    page.get_by_label("Follow one unit").press("ArrowRight")
    values = page.locator(".live-steps .live-value").all_inner_texts()
    assert values and all(value[0] in "+−" for value in values)
