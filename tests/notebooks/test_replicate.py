"""`tools/replicate` runs a page's trials in all settings and stores them whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import book, execute, normalise, replicate
from utils.claims import replication
from utils.claims.replication import load_runs
from utils.pages import fingerprint

CLAIM = book.claims()[0]["id"]
SET_UP = "import torch\nfrom utils import generator, trial"
EFFECT = '''
def effect(seed: int, *, width: int = 8, steps: int = 100) -> float:
    """A number that depends on its seed."""
    return width / 8 + torch.rand((), generator=generator(seed)).item()
'''
TRIAL = f'trial("{CLAIM}", effect, what="it", more_than=0.5, vary=dict(width=[4], steps=[9]))'
LAST = 'raise SystemError("not needed")'


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with one trial, and a folder for its runs."""
    monkeypatch.setattr(replicate, "replications_folder", lambda: tmp_path / "runs")
    monkeypatch.setattr(replication, "replications_folder", lambda: tmp_path / "runs")
    for name in ("BOOK_REPLICATE", "BOOK_SEED", "BOOK_DEVICE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that what the tool sets ends with the test
    path = tmp_path / "mlp" / "x.ipynb"
    path.parent.mkdir()
    cells = [new_code_cell(source) for source in (SET_UP, EFFECT, TRIAL, LAST)]
    normalise.write(new_notebook(cells=cells), path)
    return path


def test_a_run_is_stored_with_all_that_it_needs(page: Path) -> None:
    target, result = replicate.replicate(page, seed=5000, device="cpu")
    replicate.store(target, result)
    (run,) = load_runs("mlp/x")
    assert (run.name, run.seed, run.device) == ("seed-5000", 5000, "cpu")
    assert {"python", "torch"} <= set(run.versions) and run.date and run.machine
    measured = run.measured(CLAIM)
    assert [e.setting for e in measured.effects] == [{}, {"width": 4}, {"steps": 9}]
    assert measured.effects[0].sample.n == 10
    assert run.code(CLAIM) == fingerprint([SET_UP, EFFECT, TRIAL], CLAIM)
    first = target.read_text(encoding="utf-8")
    _, again = replicate.replicate(page, seed=0, device="cpu")
    assert again["trials"][CLAIM]["effects"] != json.loads(first)["trials"][CLAIM]["effects"]
    assert not list(target.parent.glob("*.tmp"))


def test_a_page_that_fails_stores_nothing(page: Path) -> None:
    notebook = book.read(page)
    notebook.cells[1].source = notebook.cells[1].source.replace("width / 8", "width / 0")
    normalise.write(notebook, page)
    with pytest.raises(execute.NotebookFailed, match="ZeroDivisionError"):
        replicate.replicate(page, seed=0, device="cpu")


def test_a_page_without_trials_is_refused(page: Path) -> None:
    notebook = book.read(page)
    del notebook.cells[2]
    normalise.write(notebook, page)
    with pytest.raises(execute.NotebookFailed, match="no trial"):
        replicate.replicate(page, seed=0, device="cpu")


def test_the_fingerprint_holds_what_matters_and_nothing_else() -> None:
    before = fingerprint([SET_UP, EFFECT, TRIAL], CLAIM)
    idle = EFFECT.replace("A number that", "Some number which") + "\n# a remark\nunused = 3"
    assert fingerprint([SET_UP + "\nimport math", idle, "print(1)", TRIAL], CLAIM) == before
    for changed in (
        [SET_UP, EFFECT.replace("width / 8", "width / 9"), TRIAL],
        [SET_UP, EFFECT, TRIAL.replace("0.5", "0.4")],
        [SET_UP, EFFECT, TRIAL.replace("[9]", "[10]")],
        [SET_UP, "size = 8", EFFECT.replace("width / 8", "width / size"), TRIAL],
    ):
        assert fingerprint(changed, CLAIM) != before
    with pytest.raises(ValueError, match="No cell tries"):
        fingerprint([SET_UP], CLAIM)
