"""The public checks that an assignment's form brings along: ``grader.check("q1")``."""

import inspect
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from utils.check import Remark, tried
from utils.errors import unknown

HOLDS = "the public checks hold. The rest of the points come from checks that you don't see."


@dataclass(frozen=True)
class Remarks:
    """Several remarks, one below the other, in a notebook and in a terminal."""

    remarks: tuple[Remark, ...]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.remarks))

    def _repr_html_(self) -> str:
        return "".join(remark._repr_html_() for remark in self.remarks)


class Checks:
    """What a form calls ``grader``.

    >>> grader = Checks({"double": lambda x: 3 * x}, {"q1": "def f(double): assert double(2) == 4"})
    >>> grader.check("q1")
    ✗ q1: the assertion does not hold (at: def f(double): assert double(2) == 4)

    Args:
        names: of the notebook, as ``globals()`` gives them.
        questions: the text of the functions that a question's answers are held to; their arguments
            are called as the answers are.
    """

    def __init__(self, names: Mapping[str, Any], questions: Mapping[str, str]) -> None:
        self._names, self._questions = names, questions

    def check(self, question: str) -> Remark:
        """Hold what is written now to the public checks of a question.

        Raises:
            ValueError: there is no such question.
        """
        if question not in self._questions:
            raise ValueError(unknown("question", question, self._questions))
        for function in _functions(question, self._questions[question]):
            names = inspect.signature(function).parameters
            missing = [name for name in names if self._names.get(name, ...) is ...]
            if missing:
                text = f"{question}: there is no {missing[0]} yet. Run the cell that defines it."
                return Remark("open", text)
            remark = tried(question, function, *(self._names[name] for name in names))
            if remark.state != "right":
                return remark
        return Remark("right", f"{question}: {HOLDS}")

    def check_all(self) -> Remarks:
        """The same for every question."""
        return Remarks(tuple(map(self.check, self._questions)))


def _functions(question: str, text: str) -> list[Callable[..., object]]:
    """The functions that a text defines; a complaint can quote their lines."""
    file, space = f"<checks of {question}>", dict[str, Any]()
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), space)
    return [value for value in space.values() if inspect.isfunction(value)]
