"""`check("exercise", answer)` answers in any notebook, for every exercise that has a checker."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tools import book, normalise
from utils.check import check
from utils.pages import gather, run_what_is_needed

FOUND = gather(book.ROOT / "chapters")
ANSWERS = [
    (label, name) for label, entry in FOUND["exercises"].items() for name in entry["answers"]
]


def solution(label: str, name: str) -> Any:
    """An exercise's solution, with what it needs of the page."""
    entry = FOUND["exercises"][label]
    notebook = book.read(book.ROOT / "chapters" / f"{entry['page']}.ipynb")
    answers = {id(cell) for cell in normalise.solution_cells(notebook)}
    cells = [c for c in notebook.cells if c.cell_type == "code" and not normalise.is_colab_cell(c)]
    sources = [
        c.source.replace("@checked_by", "@_ignored") if id(c) in answers else c.source
        for c in cells
    ]
    ignored = "def _ignored(spec):\n    return lambda answer: answer"
    return run_what_is_needed([ignored, *sources], {name}, entry["page"])[name]


def test_most_pages_have_exercises_with_checkers() -> None:
    assert set(FOUND["pages"]) == set(book.toc_pages())


@pytest.mark.parametrize(("label", "name"), ANSWERS, ids=lambda x: x)
def test_the_solution_is_right_and_an_empty_answer_is_open(
    label: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def empty(*args: object, **kwargs: object) -> None:
        raise NotImplementedError

    empty.__name__ = name
    remark = check(label, solution(label, name))
    capsys.readouterr()
    assert remark.state == "right", remark
    assert check(label, empty).state != "right"


@pytest.mark.parametrize(("label", "name"), ANSWERS, ids=lambda x: x)
def test_the_solution_is_right_whatever_the_random_numbers(
    label: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checker that a right answer passes by luck would refuse another right answer."""
    answer, manual_seed = solution(label, name), torch.manual_seed
    for shift in range(1000, 13_000, 1000):
        with monkeypatch.context() as patch:
            patch.setattr(torch, "manual_seed", lambda seed, by=shift: manual_seed(seed + by))
            remark = check(label, answer)
        assert remark.state == "right", f"with seed {shift}: {remark}"


def test_unknown_exercises_are_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="lenet-"):
        check("lenet-flop", print)
