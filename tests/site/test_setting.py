"""Formulas, icons, images and style sheets as the build makes them, and what it says if not."""

import sys
from pathlib import Path

import pytest
import tinycss2

from tests.site import book

sys.path.append(str(book.ROOT / "_ext"))

import book_icons
import book_images
import book_math
import book_styles


def test_a_formula_is_set_for_the_eye_and_for_screen_readers() -> None:
    html = book_math.typeset(r"\hat{\boldsymbol\theta} = \text{mean}(x_i)")
    assert 'class="katex-html" aria-hidden="true"' in html
    assert "<math" in html
    assert "annotation" not in html
    assert "tabindex" not in html


def test_a_function_below_a_letter_is_one_part_of_it() -> None:
    mathml = book_math.typeset(r"\lambda_{\max}").split("</semantics>")[0]
    assert "<msub><mi>λ</mi><mi>max</mi></msub>" in mathml


def test_a_formula_that_cannot_be_set_says_where_and_why() -> None:
    with pytest.raises(book_math.FormulaError, match=r"control sequence: \\nosuch at pos"):
        book_math.typeset(r"x + \nosuch{y}")


@pytest.mark.parametrize("text", [r"a &= b \\ c &= d", "a = b\n\nc = d", r"\frac{a}{b}"])
def test_sphinx_shorthand_for_several_equations_is_set(text: str) -> None:
    assert book_math.typeset(book_math.stacked(text), True).count("katex-display") == 1


@pytest.mark.parametrize("name", ["align", "gather", "equation", "alignat"])
def test_environments_of_amsmath_are_numbered_by_the_book_alone(name: str) -> None:
    more = "{1}" if name == "alignat" else ""
    formula = rf"\begin{{{name}}}{more} a + b \end{{{name}}}"
    assert "eqn-num" in book_math.typeset(formula, True)
    assert "eqn-num" not in book_math.typeset(book_math.UNNUMBERED.sub(r"\\\1{\2*}", formula), True)


def test_icons_become_drawings() -> None:
    html = book_icons.with_icons('<i class="theme-switch fa-solid fa-sun fa-lg" title="Light"></i>')
    assert html.startswith('<svg class="icon theme-switch fa-lg" title="Light" aria-hidden="true"')
    old, new = (book_icons.outline(name, True) for name in ("pencil-alt", "pencil"))
    assert old == new
    with pytest.raises(book_icons.UnknownIconError, match="no icon called 'no-such'"):
        book_icons.with_icons('<i class="fas fa-no-such"></i>')


def test_a_rule_is_kept_where_a_page_has_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "_static" / "more").mkdir(parents=True)
    sheet = tmp_path / "_static" / "more" / "sheet.css"
    sheet.write_text(
        ".seen .gone, a.seen:not(.gone) { color : red }  @media print { .gone { top: 0 } }"
        'html[data-theme="dark"] .seen { background: url(../x.png) }',
        encoding="utf-8",
    )
    made = book_styles.Sheet(tmp_path, {"seen"})
    made.add("_static/more/sheet.css")
    assert made.text() == (
        "a.seen:not(.gone){color : red}"
        'html[data-theme="dark"] .seen{background: url("x.png")}'
        "@media (prefers-color-scheme:dark)"
        '{html[data-theme=auto] .seen{background: url("x.png")}}'
    )


def test_comments_and_blanks_are_left_out_of_sheets() -> None:
    tokens = tinycss2.parse_component_value_list('a  b /* c */ { d :  "e  f" }')
    assert book_styles.compact(tokens) == 'a b {d : "e  f"}'


def test_sheets_of_single_pages_keep_their_place() -> None:
    link = '<link rel="stylesheet" href="../_static/{}.css?v=1" />\n'
    names: list[str] = []
    book_styles.with_one_sheet(link.format("a") + link.format("c"), "../", names)
    page = book_styles.with_one_sheet("".join(map(link.format, "abc")), "../", names)
    assert names == ["_static/a.css", "_static/b.css", "_static/c.css"]
    assert page.count("stylesheet") == 1


def test_drawings_have_sizes_in_pixels(tmp_path: Path) -> None:
    drawing = tmp_path / "d.svg"
    drawing.write_text('<svg width="72pt" height="36pt" viewBox="0 0 1 1">', encoding="utf-8")
    assert book_images.size_of(drawing) == (96, 48)
    page = '<article><img src="x/d.svg"><img src="x/d.svg">'
    page = book_images.with_sizes(page, {"d.svg": drawing})
    first, second = page.split("<img")[1:]
    assert 'width="96" height="48"' in first
    assert 'loading="lazy"' not in first
    assert 'loading="lazy"' in second
