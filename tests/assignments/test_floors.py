"""A module of the grader imports only from the floors below it, as its docstring lists them."""

import ast
import re

import grading
from tools.book import ROOT

FLOORS = re.findall(r"`(\w+)`", grading.__doc__)


def imported(name: str) -> set[str]:
    """The modules of the grader that one of them imports."""
    tree = ast.parse((ROOT / "grading" / f"{name}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "grading":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("grading."):
            found.add(node.module.removeprefix("grading."))
    return found


def test_every_module_has_its_floor() -> None:
    there = {path.stem for path in (ROOT / "grading").glob("*.py")} - {"__init__"}
    assert sorted(FLOORS) == sorted(there)


def test_imports_go_down() -> None:
    for place, name in enumerate(FLOORS):
        assert imported(name) <= set(FLOORS[:place]), name
