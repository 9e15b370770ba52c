"""`make gpu` compares what must be the same on any device; the CPU stands in for the GPU here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_notebook

from tests.notebooks.test_guard import CARD, checked
from tools import gpu
from tools.book import ROOT

TENSOR = "tensor([[ 0.2500, -0.5000],\n        [ 1.0000,  2.0000]])"
CASES = {
    "same": (checked("2", "2"), "PASSED"),
    "digits": (checked("2 / 3", "0.6667"), "PASSED"),
    "tensor": (checked("import torch\ntorch.tensor([[0.5, 0.5], [-1, 3e-5]])", TENSOR), "PASSED"),
    "word": (checked("'0.5 agree'", "'0.5 disagree'"), "FAILED"),
    "count": (checked("'12 of 0.5'", "'11 of 0.5'"), "FAILED"),
    "shape": (checked("(2, 3)", "(2, 4)"), "FAILED"),
    "card": (checked(CARD, "Rain is wet.\n  · wetness 1.7\nsupported"), "PASSED"),
    "verdict": (checked(CARD, "Rain is wet.\n  · wetness 2.3\nrefuted"), "FAILED"),
    "device": (checked("import os\nos.environ['BOOK_DEVICE']", "'cpu'"), "PASSED"),
    "error": (checked("1 / 0", "0"), "FAILED"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What pytest says about each notebook."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name, (cell, _) in CASES.items():
        nbformat.write(new_notebook(cells=[cell]), folder / f"{name}.ipynb")
    command = gpu.command([folder], 0, folder / "sanitize.cfg")
    # the notebooks lie outside the repository: the project's conftest must be named
    command += ["-rA", "-q", "--color=no", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "BOOK_DEVICE": "cpu"}, capture_output=True, text=True
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*?([\w-]+)\.ipynb", done.stdout, re.M)
    return {name: word for word, name in found}


@pytest.mark.parametrize("name", CASES)
def test_what_is_compared(outcome: dict[str, str], name: str) -> None:
    assert outcome[name] == CASES[name][1], outcome


def test_without_a_gpu_it_fails_in_one_line() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    line = [sys.executable, "-m", "tools.gpu"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"This machine has no cuda device .*\n", done.stdout + done.stderr)
