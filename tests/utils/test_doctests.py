"""The examples in the docstrings of `utils` give what they say, with shapes checked.

Those of `utils.diagrams` are left out: what they give is a drawing.
"""

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.book import ROOT
from utils import seed_everything

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples() -> Iterator[tuple[Path, str, int, str]]:
    """File, name, line and text of every docstring that holds an example."""
    paths = sorted((ROOT / "utils").rglob("*.py"))
    for path in (path for path in paths if "diagrams" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text and ">>>" in text:
                    yield path, getattr(node, "name", "module"), node.body[0].lineno, text


def module_of(path: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


EXAMPLES = list(examples())


@pytest.mark.parametrize(
    ("path", "name", "line", "text"), EXAMPLES, ids=[f"{e[0].stem}-{e[1]}" for e in EXAMPLES]
)
def test_example(path: Path, name: str, line: int, text: str) -> None:
    names = dict(vars(importlib.import_module(module_of(path))))
    test = doctest.DocTestParser().get_doctest(text, names, name, str(path), line)
    seed_everything(0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert not report, "".join(report)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 30
