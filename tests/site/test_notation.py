"""The notation page: its symbols are those of the pages, where it says so."""

import re

from tests.notebooks.conventions import text_of
from tests.site import book
from tests.site.conftest import Visit
from tools.book import read

LINK = r"\[[^\]]+\]\((chapters/[\w/-]+)\.ipynb(?:#[\w-]+)?\)(?: \{eq\}`([\w-]+)`)?"
PAGE = (book.ROOT / "notation.md").read_text(encoding="utf-8")
ROWS = re.findall(rf"^\| (\S.*?) \| (.*?) \| {LINK} \|$", PAGE, re.M)


def squeezed(formula: str) -> str:
    """A formula without blanks and braces, which TeX does not care for."""
    return re.sub(r"[\s{}]|\\[,;!]|\\bigl|\\bigr", "", formula).replace(r"\lvert", "|")


def test_symbols_stand_where_the_page_says() -> None:
    assert len(ROWS) > 50
    for symbols, _, page, equation in ROWS:
        text = text_of(read(book.ROOT / f"{page}.ipynb"))
        if equation:
            assert f"({equation})" in text, f"{page} has no {equation}"
        formulas = squeezed("".join(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, re.S)))
        for symbol in re.findall(r"\$([^$]+)\$", symbols):
            letter = re.sub(r"(\\in|_\{?[tsij]).*", "", symbol)
            assert squeezed(letter) in formulas, f"{symbol} does not occur on {page}"


def test_the_tables_fit_a_small_phone(tab: Visit) -> None:
    tab.page.set_viewport_size({"width": 320, "height": 640})
    page = tab.open("notation")
    tables = page.locator("table.notation")
    room = tables.evaluate_all(
        "(all) => all.map((t) => t.parentElement.clientWidth - t.scrollWidth)"
    )
    assert len(room) == 5
    assert min(room) >= 0
