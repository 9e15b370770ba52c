"""nbval, as `make test` calls it, notices what it would pass over by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import NamedTuple

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.book import ROOT

CARD = (
    "class Card:\n"
    "    def __repr__(self): return 'Rain is wet.\\n  \\u00b7 wetness 2.3\\nsupported'\n"
    "    def _repr_html_(self): return '<b>2.3</b>'\n"
    "Card()"
)


class Outcome(NamedTuple):
    """What pytest said about each notebook, and how long it took."""

    status: dict[str, str]
    output: str
    seconds: float


def checked(source: str, text: str, **data: str) -> nbformat.NotebookNode:
    """A cell that was run, with a stored result that is compared."""
    output = new_output("execute_result", {"text/plain": text, **data}, execution_count=1)
    metadata = {"tags": ["nbval-check-output"]}
    return new_code_cell(source, execution_count=1, outputs=[output], metadata=metadata)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run of pytest with the Makefile's options over notebooks outside the repository."""
    folder = tmp_path_factory.mktemp("notebooks")
    cells = {
        "right": checked("1 + 1", "2"),
        "wrong": checked("1 + 1", "3"),
        "unrun": new_code_cell("1 + 1"),
        "dead": new_code_cell("import os\nos._exit(1)", execution_count=1),
        "card": checked(
            CARD, "Rain is wet.\n  · wetness 1.7\nsupported", **{"text/html": "<b>1.7</b>"}
        ),
        "other-verdict": checked(
            CARD, "Rain is wet.\n  · wetness 2.3\nrefuted", **{"text/html": "<b>2.3</b>"}
        ),
    }
    for name, cell in cells.items():
        nbformat.write(new_notebook(cells=[cell]), folder / f"{name}.ipynb")
    options = re.findall(r"--nbval-\S+", (ROOT / "Makefile").read_text(encoding="utf-8"))
    options += ["-rA", "-q", "--continue-on-collection-errors", "--color=no"]
    options += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    # The notebooks lie outside the repository: the project's conftest must be named.
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*?([\w-]+)\.ipynb", done.stdout, re.M)
    status = {name: word for word, name in found}
    return Outcome(status, done.stdout + done.stderr, time.monotonic() - started)


def test_a_right_output_passes_and_a_wrong_one_fails(outcome: Outcome) -> None:
    assert outcome.status["right"] == "PASSED", outcome.output
    assert outcome.status["wrong"] == "FAILED", outcome.output


def test_a_notebook_that_was_never_run_fails(outcome: Outcome) -> None:
    assert outcome.status["unrun"] == "ERROR", outcome.output
    assert "unrun.ipynb was not run" in outcome.output


def test_a_dead_kernel_is_noticed_long_before_the_timeout(outcome: Outcome) -> None:
    assert outcome.status["dead"] == "FAILED", outcome.output
    assert "the kernel died while it ran this cell" in outcome.output
    assert outcome.seconds < 200


def test_a_card_is_held_to_its_verdict_and_not_to_its_measurements(outcome: Outcome) -> None:
    assert outcome.status["card"] == "PASSED", outcome.output
    assert outcome.status["other-verdict"] == "FAILED", outcome.output
