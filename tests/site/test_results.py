"""The table of results says what the notebooks have printed."""

import nbformat
import yaml

from tests.site import book
from tests.site.conftest import Visit

TASKS = yaml.safe_load((book.ROOT / "chapters" / "results.yml").read_text(encoding="utf-8"))


def lines_of(page: str) -> list[list[str]]:
    """The lines that a notebook has printed, as words."""
    cells = nbformat.read(book.ROOT / "chapters" / f"{page}.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    return [line.replace(",", " ").split() for text in texts for line in text.splitlines()]


def test_each_number_stands_in_its_notebook(tab: Visit) -> None:
    table = tab.open("chapters/attention/index").locator("table.results")
    shown = table.locator("tbody tr:not(.task)").all()
    rows = [row for task in TASKS for row in task["rows"]]
    assert len(shown) == len(rows)
    for line, row in zip(shown, rows, strict=True):
        model, result, _ = line.locator("td").all()
        link = line.locator("a").get_attribute("href") or ""
        assert model.inner_text() == row["model"]
        assert link.endswith(f"{row['page'].split('/')[1]}.html")
        number = result.inner_text().split()  # "88 %" is printed in two words
        found = lines_of(row["page"])
        assert any(number == words[i : i + len(number)]
                   for words in found for i in range(len(words))), (row, number)  # fmt: skip


def test_the_table_covers_both_parts() -> None:
    pages = {row["page"] for task in TASKS for row in task["rows"]}
    written = {name.removeprefix("chapters/") for name in book.notebooks()}
    assert pages == {page for page in written if page.startswith(("sequences/", "attention/"))}
