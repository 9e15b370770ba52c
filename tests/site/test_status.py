"""The status page says what the stored records say, and nothing else."""

import json
import re

import pytest
import yaml

from tests.site import book
from tests.site.conftest import Visit

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
ROWS = """(table) => [...table.querySelectorAll("tbody tr")].map((row) =>
  [...row.querySelectorAll("td")].map((cell) => cell.textContent.trim()))"""


def runs_of(page: str) -> list[dict]:
    """The stored runs of a page, oldest first."""
    folder = book.ROOT / "chapters" / "replications" / page.removeprefix("chapters/")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(runs, key=lambda run: (run["date"], run["seed"]))


def held(claim: dict) -> list[bool]:
    """In which of the stored runs a claim's recorded verdict came out."""
    tried = [run["trials"].get(claim["id"]) for run in runs_of(claim["page"])]
    return [trial["verdict"] == claim["verdict"] for trial in tried if trial]


def test_each_notebook_has_its_line(tab: Visit) -> None:
    page = tab.open("status")
    rows = page.locator("table.status").first.evaluate(ROWS)
    assert len(rows) == len(book.notebooks())
    links = page.locator("table.status").first.locator("td:first-child a").all()
    for name, link, row in zip(book.notebooks(), links, rows, strict=True):
        assert link.get_attribute("href") == f"{name}.html"
        notebook = (book.ROOT / f"{name}.ipynb").read_text(encoding="utf-8")
        time = re.search(r"runs in about (\d+) s", notebook)
        runs = runs_of(name)
        last = runs[-1]
        mine = [held(claim) for claim in CLAIMS if f"chapters/{claim['page']}" == name]
        assert time
        seconds = sum(trial["seconds"] for trial in last["trials"].values())
        assert row[1:] == [
            f"{time[1]} s",
            last["date"],
            last["device"].upper(),
            last["versions"]["python"],
            last["versions"]["torch"],
            f"{seconds / 60:.0f} min",
            str(len(runs)),
            f"{sum(map(all, mine))} of {len(mine)}",
        ]


def test_each_run_and_each_verdict_has_its_line(tab: Visit) -> None:
    page = tab.open("status")
    _, runs, verdicts = (page.locator("table.status").nth(n).evaluate(ROWS) for n in range(3))
    stored = [run for name in book.notebooks() for run in runs_of(name)]
    assert [row[1:4] for row in runs] == [
        [str(run["seed"]), run["date"], f"{run['device'].upper()}; {run['machine']}"]
        for run in stored
    ]
    order = {name: place for place, name in enumerate(book.notebooks())}
    claims = sorted(CLAIMS, key=lambda claim: order[f"chapters/{claim['page']}"])
    results = [held(claim) for claim in claims]
    assert [row[1] for row in verdicts] == [f"{sum(r)} of {len(r)}" for r in results]


def test_what_is_not_stored_is_not_shown() -> None:
    from book_status import minutes, results_of, software

    run = {"versions": {"torch": "2.13.0"}, "trials": {"a": {"verdict": "refuted"}}}
    assert minutes(run) == ""
    assert software(run) == ["", "2.13.0"]
    assert results_of({"id": "b", "verdict": "refuted"}, [run]) == []
    assert results_of({"id": "a", "verdict": "depends"}, [run]) == [False]


@pytest.mark.parametrize("width", [390, 320])
def test_the_status_page_fits_a_phone(tab: Visit, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 844})
    page = tab.open("status")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
