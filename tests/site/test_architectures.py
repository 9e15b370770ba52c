"""The comparison of architectures on the page of their part says what is stored."""

import json
import statistics

from tests.site import book
from tests.site.conftest import Visit

STORED = json.loads((book.ROOT / "chapters" / "architectures.json").read_text(encoding="utf-8"))[
    "cpu"
]


def test_each_line_has_the_stored_numbers(tab: Visit) -> None:
    page = tab.open("chapters/cnn/index")
    lines = page.locator("table.results tbody tr").all()
    assert len(lines) == len(STORED["networks"])
    for line, (name, result) in zip(lines, STORED["networks"].items(), strict=True):
        shown, accuracy, seconds, parameters, macs, memory, rate = (
            cell.inner_text() for cell in line.locator("td").all()
        )
        assert shown == name
        assert accuracy.split()[0] == f"{100 * statistics.fmean(result['accuracy']):.1f}"
        assert int(parameters.replace(",", "")) == result["parameters"]
        assert abs(float(macs.split()[0]) - result["macs"] / 1e6) <= 0.005
        assert abs(float(memory.split()[0]) - result["megabytes"]) <= 0.05
        assert abs(int(seconds) - result["seconds"]) <= 0.5 and float(rate) == result["rate"]


def test_the_figure_is_told_in_words(tab: Visit) -> None:
    picture = tab.open("chapters/cnn/index").locator("figure#fig-architectures img")
    said = picture.get_attribute("alt") or ""
    for name, result in STORED["networks"].items():
        assert f"{name} {100 * statistics.fmean(result['accuracy']):.1f} %" in said
