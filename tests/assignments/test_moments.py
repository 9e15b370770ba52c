"""An answer counts as it stands where the notebook checks it, whatever comes later."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from grading import marking
from grading.limits import Limits
from grading.marks import Mark

FIRST = """from utils.forms import Checks
grader = Checks(globals(), {})"""
# for each question: the name its test looks at, the cells, whether it is right, what is said
QUESTIONS: dict[str, tuple[str, list[str], bool, str]] = {
    "a-value-overwritten": ("seven", ["seven = 7", "CHECK", "seven = 'else'"], True, ""),
    "a-function-overwritten": (
        "make",
        ["def make(): return 7", "CHECK", "for make in range(3): pass"],
        True,
        "",
    ),
    "its-helper-overwritten": (
        "helped",
        ["def helper(): return 7\ndef helped(): return helper()", "CHECK", "helper = 0"],
        True,
        "",
    ),
    "overwritten-by-a-star": (
        "argmax",
        ["def argmax(): return 7", "CHECK", "from torch import *"],
        True,
        "",
    ),
    "settings-changed": (
        "sized",
        [
            "import torch\ndef sized():\n    x = torch.ones(1, requires_grad=True) * 7\n"
            "    return x.item() if x.dtype == torch.float32 and x.requires_grad else 0",
            "CHECK",
            "torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)",
        ],
        True,
        "",
    ),
    "mended-below": (
        "mended",
        ["def mended(): return 6", "CHECK", "def mended(): return 7"],
        True,
        "",
    ),
    "written-below": ("late", ["def late(): ...", "CHECK", "def late(): return 7"], True, ""),
    "a-value-below": ("later", ["later = ...", "CHECK", "later = 7"], True, ""),
    "a-second-guess": ("guess", ["guess = 6", "CHECK", "guess = 7"], False, "6 is not 7"),
    "in-one-cell": ("one", ["def one(): return 7\nCHECK"], True, ""),
    "never-checked": ("unchecked", ["unchecked = 7"], True, ""),
    "checked-twice": ("twice", ["twice = ...\nCHECK", "twice = 7", "CHECK", "twice = 8"], True, ""),
    "no-return": (
        "silent",
        ["def silent():\n    x = 7", "CHECK"],
        False,
        "`silent` returns None where an answer is expected: is there a `return`?",
    ),
    "an-empty-one-below": (
        "again",
        ["def again(): return 7", "def again():\n    '''Seven.'''\n    ...", "CHECK"],
        False,
        "there is nothing here yet: the last cell that defines `again` is empty",
    ),
    "nothing": ("empty", ["def empty(): ...", "CHECK"], False, "there is nothing here yet"),
}


def seven(name: str) -> Callable[..., None]:
    """A test that holds what has this name, or what it returns, to 7."""

    def is_seven(**values: Any) -> None:
        from utils.answers import number_of

        value = values[name]
        value = value() if callable(value) else value
        assert number_of(value) == 7, f"{value} is not 7"

    return is_seven


@pytest.fixture(scope="module", params=[False, True], ids=["public", "hidden"])
def mark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mark:
    """All questions in one notebook, which goes on to use their names again."""
    cells, files = [FIRST], []
    for question, (name, sources, _, _) in QUESTIONS.items():
        cells += [source.replace("CHECK", f'grader.check("{question}")') for source in sources]
        body = SimpleNamespace(test_func=seven(name), _get_func_params=lambda name=name: [name])
        case = SimpleNamespace(name=f"{question} - 1", points=1, hidden=request.param, body=body)
        files.append(SimpleNamespace(name=question, test_cases=[case]))
    path = tmp_path_factory.mktemp("moments") / "jane.ipynb"
    code = [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in cells]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4}))
    return marking.mark(path, files, Limits(seconds=200))  # type: ignore[arg-type]


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_counts_where_it_is_checked(mark: Mark, question: str) -> None:
    _, _, right, said = QUESTIONS[question]
    (outcome,) = mark.questions[question]
    assert bool(outcome.earned) == right, outcome.message
    assert outcome.message.startswith(said)


def test_nothing_failed(mark: Mark) -> None:
    assert not mark.errors
