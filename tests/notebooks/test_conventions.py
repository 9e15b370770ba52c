"""The book's notebooks keep to its conventions, and each check fails on one that does not."""

from __future__ import annotations

import copy
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks import conventions
from tools import book, normalise
from utils.pages import is_listed

NOTEBOOKS = book.notebooks()
SVG = "<svg></svg>"


# ------------------------------------------------------------------------------------- the book
def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("check", conventions.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, check: conventions.Check) -> None:
    found = check(book.read(path), path.stem)
    assert not found, "\n".join([path.name, *found])


@pytest.mark.parametrize("check", conventions.STANDARD, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_of_the_standard(path: Path, check: conventions.Check) -> None:
    found = check(book.read(path), path.stem)
    assert not found, "\n".join([path.name, *found])


def test_toc_lists_what_is_there_and_nothing_twice() -> None:
    there = {f"{path.parent.name}/{path.stem}" for path in NOTEBOOKS}
    assert set(book.toc_pages()) == there
    assert len(book.toc_pages()) == len(there), "a notebook is listed twice"
    assert all(is_listed(page, book.ROOT / "chapters") for page in there)


def test_every_notebook_that_is_kept_is_a_page() -> None:
    """Copies and notes that are in no commit are left alone."""
    listing = ["git", "ls-files", "-z", "chapters/*/*.ipynb"]
    done = subprocess.run(listing, cwd=book.ROOT, capture_output=True, encoding="utf-8")
    kept = {book.ROOT / name for name in done.stdout.split("\0") if name}
    for path in book.strays():
        assert path not in kept, f"{path.name} is not in _toc.yml"
        warnings.warn(book.left_alone(path), stacklevel=1)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_builds_on_earlier_pages_and_leads_to_later_ones(path: Path) -> None:
    order = [page.rpartition("/")[2] for page in book.toc_pages()]
    before, after = conventions.neighbours(book.read(path))
    place = order.index(path.stem)
    assert not set(before or ()) - set(order[:place]), "builds on a page that comes later"
    assert not set(after or ()) - set(order[place + 1 :]), "leads to a page that comes earlier"


def test_parts_are_known_and_slugs_differ_between_parts() -> None:
    assert {path.parent.name for path in NOTEBOOKS} <= set(book.PART_TITLES)
    slugs = [path.stem for path in NOTEBOOKS]
    assert len(slugs) == len(set(slugs)), "cell ids and labels begin with the slug"


def test_cell_ids_are_unique_in_the_project() -> None:
    ids = [cell.id for path in NOTEBOOKS for cell in book.read(path).cells]
    assert sorted(ids) == sorted(set(ids))


def test_whole_book_is_within_its_budget() -> None:
    assert sum(book.run_time(book.read(path)) or 0 for path in NOTEBOOKS) <= 2000


# ---------------------------------------------------------------------------- broken on purpose
def good_notebook() -> NotebookNode:
    """A notebook that keeps to every convention."""
    cells = [
        new_markdown_cell(
            "# A page\n\nAfter it you can add.\n\n"
            "*Needs: nothing; runs in about 5 s on two CPU cores.*\n\n"
            "*Builds on arithmetic; leads to [Another page](another.ipynb).*\n\n"
            "**In short.** One and one are two. Add.\n"
        ),
        new_code_cell("import math"),
        new_markdown_cell("## From scratch\n\n(page-sum)=\nText.\n\n$$ 1 + 1 = 2 $$ (eq-page-sum)"),
        new_code_cell("def add(a, b):\n    return a + b"),
        new_code_cell(
            "diagrams.draw()",
            outputs=[new_output("display_data", {"image/svg+xml": SVG})],
            metadata={
                "mystnb": {
                    "figure": {"name": "fig-page-line", "caption": "A line."},
                    "image": {"alt": "A line that rises from 0 to 1"},
                }
            },
        ),
        new_markdown_cell("## Beside the library\n\n## On real data\n\n## On trial"),
        *[
            new_code_cell(
                f'trial("{name}", effect, what="sum", more_than=1, vary=settings)',
                outputs=[new_output("display_data", {"text/plain": f"{name}: supported"})],
                metadata={"tags": ["claim", "nbval-check-output"]},
            )
            for name in ("one-is-one", "two-is-two", "three-is-three")
        ],
        new_markdown_cell("## Summary\n\nOne is one.\n\n## Exercises"),
    ]
    stub = "@checked_by(spec)\ndef double(x, times=2): ..."
    cells.append(new_code_cell(stub))
    kinds = ["Predict, then run", "Find the bug", "Pencil and paper", "Open"]
    for number, kind in enumerate(kinds, start=1):
        label = f"page-exercise-{number}"
        cells += [
            new_markdown_cell(f"```{{exercise}} {kind}\n:label: {label}\n\nWhat is 1 + 1?\n```"),
            new_markdown_cell(f"```{{solution-start}} {label}\n:class: dropdown\n```"),
            new_code_cell(
                "sum([1, 1])" + ("" if number > 1 else f"\n\n\n{stub}"),
                outputs=[new_output("execute_result", {"text/plain": "2"})],
            ),
            new_markdown_cell("```{solution-end}\n```"),
        ]
    cells.append(new_markdown_cell("## Questions readers ask\n\n**Why?** Because."))
    notebook = new_notebook(cells=cells)
    normalise.put_colab_cell(notebook, book.colab_cell())
    for count, (_, cell) in enumerate(conventions.code_cells(notebook), start=1):
        cell.execution_count = count
    normalise.normalise(notebook, "page", book.colab_cell())
    return notebook


def find(notebook: NotebookNode, text: str) -> NotebookNode:
    """The first cell that contains the text."""
    return next(cell for cell in notebook.cells if text in cell.source)


def replace(old: str, new: str) -> Callable[[NotebookNode], None]:
    """A change of the first cell that contains the text."""

    def change(notebook: NotebookNode) -> None:
        cell = find(notebook, old)
        cell.source = cell.source.replace(old, new, 1)

    return change


def drop(text: str) -> Callable[[NotebookNode], None]:
    """Remove the first cell that contains the text."""
    return lambda notebook: notebook.cells.remove(find(notebook, text))


def give(text: str, **changes: object) -> Callable[[NotebookNode], None]:
    """Set attributes of the first cell that contains the text."""
    return lambda notebook: find(notebook, text).update(changes)


def lengthen(notebook: NotebookNode) -> None:
    """Make all code cells nine lines long."""
    for _, cell in conventions.code_cells(notebook):
        cell.source += "\nx = 1" * 9


STDERR = [new_output("stream", name="stderr", text="  0%|          | 0/10")]
ERROR = [new_output("error", ename="E", evalue="", traceback=[])]
ADDRESS = [new_output("execute_result", {"text/plain": "[<Line2D at 0x7f33e0a0b1c0>]"})]
REMOTE = [new_output("display_data", {"text/html": '<script src="https://cdn.org/a.js"></script>'})]
NO_ALT = [new_output("display_data", {"text/html": '<img src="data:image/png;base64,">'})]
REFUSED = [new_output("display_data", {"text/plain": "✗ double: expected 4, got 3"})]
ALL = (*conventions.CHECKS, *conventions.STANDARD)
ONE_TRIAL = conventions.claim_cells_hold_one_trial
BROKEN: list[tuple[str, Callable[[NotebookNode], None], conventions.Check]] = [
    ("no colab cell", drop("google.colab"), conventions.first_cell_is_canonical),
    ("edited colab cell", replace("--quiet", "-q"), conventions.first_cell_is_canonical),
    ("no needs", replace("*Needs:", "*Wants:"), conventions.title_cell_is_complete),
    ("no time", replace("5 s", "N s"), conventions.title_cell_is_complete),
    ("no sentence", replace("After it you can add.", ""), conventions.title_cell_is_complete),
    ("two titles", replace("## Summary", "# Summary"), conventions.title_cell_is_complete),
    ("no place", replace("*Builds on", "*On"), conventions.place_is_said),
    ("no link", replace("(another.ipynb)", ""), conventions.place_is_said),
    ("no summary", replace("## Summary", "## The end"), conventions.sections_in_order),
    ("order", replace("## On real data", "## Summary"), conventions.sections_in_order),
    ("placeholder", replace("Text.", "@TEXT@"), conventions.nothing_is_left_to_fill_in),
    ("to do", replace("Text.", "TODO"), conventions.nothing_is_left_to_fill_in),
    ("long cell", replace("import math", "x = 1\n" * 31), conventions.no_long_cells),
    ("late import", replace("diagrams.draw()", "import sys"), conventions.imports_in_one_cell),
    ("nested import", replace("return a", "import os; return a"), conventions.imports_in_one_cell),
    ("wildcard", replace("import math", "from math import *"), conventions.imports_in_one_cell),
    (
        "other alias",
        replace("import math", "from utils import nn as fast"),
        conventions.imports_in_one_cell,
    ),
    ("bare target", replace("(page-sum)=", "(sum)="), conventions.labels_have_prefix),
    ("bare equation", replace("(eq-page-sum)", "(eq-sum)"), conventions.labels_have_prefix),
    ("label twice", replace("(page-sum)=", "(page-exercise-1)="), conventions.labels_have_prefix),
    ("no bug", replace("Find the bug", "Bug"), conventions.exercises_have_solutions),
    ("unfolded", replace(":class: dropdown", ":class: x"), conventions.exercises_have_solutions),
    ("unsolved", drop("{solution-start} page-exercise-2"), conventions.exercises_have_solutions),
    ("too few", drop("{exercise} Open"), conventions.exercises_have_solutions),
    (
        "no answer",
        replace("1])\n\n\n@checked", "1])\n\n\n@un"),
        conventions.stubs_and_solutions_agree,
    ),
    ("other answer", replace("times=2", "n=2"), conventions.stubs_and_solutions_agree),
    ("refused", give("sum([1, 1])\n", outputs=REFUSED), conventions.stubs_and_solutions_agree),
    ("open gate", drop("{solution-end}"), conventions.exercises_have_solutions),
    ("never run", give("diagrams.draw()", execution_count=None), conventions.was_really_run),
    ("out of order", give("diagrams.draw()", execution_count=9), conventions.was_really_run),
    ("stored error", give("diagrams.draw()", outputs=ERROR), conventions.was_really_run),
    ("empty claim", give('trial("one', outputs=[]), conventions.was_really_run),
    (
        "hidden",
        replace("diagrams.draw()", "# NBVAL_SKIP\ndiagrams.draw()"),
        conventions.was_really_run,
    ),
    ("stderr", give("diagrams.draw()", outputs=STDERR), conventions.shows_what_it_should),
    ("address", give("diagrams.draw()", outputs=ADDRESS), conventions.shows_what_it_should),
    ("other host", give("diagrams.draw()", outputs=REMOTE), conventions.shows_what_it_should),
    ("html image", give("def add", outputs=NO_ALT), conventions.shows_what_it_should),
    ("no figure", give("diagrams.draw()", outputs=[]), conventions.shows_what_it_should),
    ("no alt", give("diagrams.draw()", metadata=NotebookNode()), conventions.shows_what_it_should),
    ("poor picture", replace("Text.", "![x](a.png)"), conventions.alternative_texts_say_something),
    ("blanks", replace("diagrams.draw()", "diagrams.draw()  \n"), conventions.is_canonical),
    ("foreign id", give("diagrams.draw()", id="other-12345678"), conventions.is_canonical),
    ("unfolded code", give("sum([1", metadata=NotebookNode()), conventions.is_canonical),
    ("slow", replace("5 s", "65 s"), conventions.within_budget),
    ("untagged claim", give('trial("one', metadata=NotebookNode()), ONE_TRIAL),
    ("two trials", replace("trial(", 'trial("b")\ntrial('), ONE_TRIAL),
    ("wordy", replace("Text.", "word " * 3001), conventions.short_enough),
    ("much code", replace("return a", "\n".join(["x = 1"] * 301)), conventions.short_enough),
    ("long cells", lengthen, conventions.short_enough),
    ("no answer in short", replace("**In short.**", ""), conventions.says_it_in_short),
    ("two trials only", drop("two-is-two"), conventions.few_and_strong_trials),
    ("no diagram", replace("diagrams.draw()", "plt.show()"), conventions.has_a_diagram),
    ("no derivation", replace("Pencil and paper", "Long"), conventions.has_a_derivation),
    ("seeded", replace("return a", "g.manual_seed(0)"), conventions.seeds_come_from_one_place),
    ("burst", replace("import math", "a, b = f(\n    1\n)"), conventions.no_targets_burst),
    ("computed id", replace('"one-is-one"', "name"), ONE_TRIAL),
]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_a_good_notebook_passes(check: conventions.Check) -> None:
    assert check(good_notebook(), "page") == []


@pytest.mark.parametrize(
    ("change", "check"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_broken_notebook_fails(
    change: Callable[[NotebookNode], None], check: conventions.Check
) -> None:
    notebook = copy.deepcopy(good_notebook())
    change(notebook)
    assert check(notebook, "page") != []


def test_every_check_has_a_broken_notebook() -> None:
    assert {row[2] for row in BROKEN} == set(ALL)
