"""No small bug in the book's code passes its checker, but those that are listed with a reason.

`make mutants` tries them and records what it found; code that has changed since is an error here.
"""

from __future__ import annotations

import ast
import doctest
import re

import pytest

from tools import assignments, book, mutants, mutations

NAMES = [*book.toc_pages(), *(f"assignments/{path.stem}" for path in assignments.masters([]))]


@pytest.mark.parametrize("name", NAMES)
def test_no_small_bug_survives_without_a_reason(name: str) -> None:
    known = mutants.record()
    groups = list(mutants.groups(f"{name}:"))
    stale = [g.key for g in groups if known.get(g.key, {}).get("hash") != g.hash()]
    assert not stale, f"changed since bugs were planted: {stale}; run: make mutants PAGES={name}"
    wrong = [text for g in groups for text in mutants.complaints(g.key, known[g.key]["survived"])]
    assert not wrong, "\n".join(["after a better checker or a reason run: make mutants", *wrong])


def test_what_is_listed_and_recorded_is_there() -> None:
    keys = {group.key for group in mutants.groups()}
    assert set(mutants.record()) <= keys, "run: make mutants"
    assert set(mutants.reasons()) <= keys
    assert all(why.strip() for listed in mutants.reasons().values() for why in listed.values())


def test_the_guide_says_the_score() -> None:
    guide = mutants.GUIDE.read_text(encoding="utf-8")
    assert mutants.guide_with_score(guide, mutants.record()) == guide, "run: make mutants"


def test_what_loops_for_ever_is_stopped_and_noticed() -> None:
    (group,) = mutants.groups("assignments/foundations: q3")
    with mutants.Worker() as worker:
        assert worker.accepts(group.key, group.code, limit=300)
        assert not worker.accepts(group.key, "while True:\n    pass", limit=1)
        assert worker.process is None
        assert worker.accepts(group.key, group.code, limit=300)
        assert not worker.accepts(group.key, "predictions = {}", limit=60)


def test_planted_again_the_same_bugs_are_noticed() -> None:
    (group,) = mutants.groups("assignments/foundations: q3")
    with mutants.Worker() as worker:
        assert mutants.tried(group, worker) == mutants.record()[group.key]


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(mutations) == (0, 1)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("y = x @ w", ["«@ → *»", "«@ w → »", "«x @ → »"]),
        ("y = a < 1e-5", ["«< → <=»", "«1e-05 → 0.001»"]),
        ("y = x.max(dim=0)", ["«.max(dim=0) → »", "«max → min»", "«dim=0 → »", "«0 → 1»"]),
        ("x = f(x, a, b)", ["«x = f(x, a, b) → pass»", "«x, a → a, x»"]),
        ("y = f(x)", []),
        ("y = torch.exp(x) if a else x[1:n]",
         ["«if a else x[1:n] → »", "«torch.exp(x) if a else → »",
          "«torch.exp(x) → x»", "«exp → expm1»", "«1 → »", "«n → »", "«1 → 2»"]),
        ("def f(x: int = 3) -> 'int':\n    raise ValueError(f'{x + 1}')", []),
    ],
)  # fmt: skip
def test_bugs_are_those_that_people_make(code: str, expected: list[str]) -> None:
    tree = ast.parse(code)
    changes = [mutation.change for mutation in mutations.mutations(tree)]
    assert sorted(re.findall("«.*»", "\n".join(changes))) == sorted(expected)
    assert ast.unparse(tree) == ast.unparse(ast.parse(code))
