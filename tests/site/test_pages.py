"""Every page, in a real browser: it loads alone, shows its mathematics, and fits a phone."""

import re

from tests.site.conftest import PHONE, WIDE, Visit

# Elements that stick out to the right of the page and that no box around them scrolls.
STICKING_OUT = """() => {
  const limit = document.documentElement.clientWidth;
  const inside = (node) => {
    for (let box = node.parentElement; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (/auto|scroll|hidden/.test(style.overflowX) || style.position === "fixed") return true;
    }
    return false;
  };
  return [...document.querySelectorAll("article *")]
    .filter((node) => node.getBoundingClientRect().right > limit + 1 && !inside(node))
    .slice(0, 5)
    .map((node) => `${node.tagName.toLowerCase()}.${node.className}`);
}"""

# What is on the page as text: neither code nor set mathematics.
PROSE = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, .katex, dt").forEach((n) => n.remove());
  return copy.textContent;
}"""


def test_loads_without_an_error_or_another_host(opened: Visit) -> None:
    assert opened.strangers == []
    assert opened.complaints == []


def test_has_a_title_and_a_description(opened: Visit) -> None:
    page = opened.page
    assert page.locator("h1:visible").count() == 1
    assert page.title().strip()
    if opened.name not in {"genindex", "py-modindex", "search"}:
        description = page.locator('meta[name="description"]').get_attribute("content")
        assert description
        assert len(description) > 40


def test_mathematics_is_set(opened: Visit) -> None:
    page = opened.page
    parts = page.locator("main .math").evaluate_all(
        "all => all.map((f) => ['.katex-html', 'math'].map((s) => f.querySelectorAll(s).length))"
    )
    assert parts == [[1, 1]] * len(parts), "a formula for the eye and one for screen readers"
    assert page.locator(".katex-error, merror, main .math [tabindex]").count() == 0
    left = re.findall(r"\\\(|\\\[|\\[a-z]{3,}|\$\$|\w\$", page.evaluate(PROSE))
    assert left == [], "mathematics that was not recognised as such"


def test_images_say_what_they_show(opened: Visit) -> None:
    images = opened.page.locator("img").evaluate_all(
        "all => all.map((i) => [i.getAttribute('alt'), i.src, !!i.closest('.cell_output, figure')])"
    )
    for text, source, shows_something in images:
        assert text is not None, f"no alternative text: {source[:80]}"
        if shows_something:
            assert len(text.split()) >= 3, f"{text!r} does not say what {source[:80]} shows"
        assert not re.search(r"\.(png|svg|jpe?g|gif|webp)$", text), f"a file name: {text!r}"


def test_images_are_there(opened: Visit) -> None:
    broken = opened.page.evaluate(
        """async () => {
          const images = [...document.querySelectorAll("main img")];
          images.forEach((image) => { image.loading = "eager"; }); // not only what is in view
          await Promise.all(images.map((image) => image.decode().catch(() => null)));
          return images.filter((image) => image.src && !image.naturalWidth).map((i) => i.src);
        }"""
    )
    assert broken == []


def test_fits_a_phone(opened: Visit) -> None:
    page = opened.page
    page.set_viewport_size(PHONE)
    page.evaluate(
        "document.querySelectorAll('.toggle-hidden .toggle-button').forEach(b => b.click());"
        "document.querySelectorAll('details.fold').forEach(fold => { fold.open = true; })"
    )
    try:
        wide, shown = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= shown, f"scrolls sideways, {wide} > {shown}: {page.evaluate(STICKING_OUT)}"
        assert page.evaluate(STICKING_OUT) == []
    finally:
        page.set_viewport_size(WIDE)


def test_no_cell_for_colab_on_the_page(opened: Visit) -> None:
    assert "google.colab" not in opened.page.locator("article").text_content()
