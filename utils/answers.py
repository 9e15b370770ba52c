"""What a student answered, read as it is meant, whatever type it has; complaints are in words."""

import numbers
import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class NotWritten(Exception):
    """The reader has not written the answer yet: it returned nothing, or an ellipsis."""

    def __init__(self, what: str = "there is nothing here yet") -> None:
        super().__init__(what)


def tensor_of(value: Any, shape: Collection[int] | None = None) -> Tensor:
    """The tensor that an answer is or means: an array, a number, a list of numbers.

    >>> tensor_of([1.0, 2.0], shape=(2,))
    tensor([1., 2.])

    Raises:
        NotWritten: there is no answer.
        AssertionError: it means no tensor, or one of another shape.
    """
    if value is None or value is ...:
        raise NotWritten
    try:
        if hasattr(value, "_kind"):  # a stand-in for what is not data, see `grading.remote`
            raise TypeError
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(f"expected a tensor, got {_kind(value)}") from None
    if shape is not None and tensor.shape != tuple(shape):
        raise AssertionError(f"expected shape {tuple(shape)}, got {tuple(tensor.shape)}")
    return tensor


def parts_of(value: Any, *what: str) -> list[Any]:
    """The parts of an answer that consists of several, as a tuple or a list.

    >>> parts_of((1, 2), "the width", "the height")
    [1, 2]

    Raises:
        NotWritten: there is no answer, or a part of it is missing.
        AssertionError: it has no parts, or another number of them.
    """
    if value is None or value is ...:
        raise NotWritten
    names = f"{', '.join(what[:-1])} and {what[-1]}"
    try:
        parts = list(value)
    except TypeError:
        raise AssertionError(f"expected {names}, got {_kind(value)}") from None
    if len(parts) != len(what):
        raise AssertionError(f"expected {names}, got {len(parts)} of them")
    if any(part is None or part is ... for part in parts):
        raise NotWritten
    return parts


def number_of(value: Any) -> float:
    """The number that an answer is: Python's, NumPy's, or a tensor with one element.

    >>> number_of(torch.tensor([8]))
    8.0

    Raises:
        NotWritten: there is no answer.
        AssertionError: it is no number.
    """
    if value is None or value is ...:
        raise NotWritten
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Tensor | np.ndarray | np.generic):
        try:
            return float(value.item())
        except (TypeError, ValueError, RuntimeError):
            pass
    raise AssertionError(f"expected a number, got {_kind(value)}")


def numbers_of(value: Any, *what: str) -> tuple[float, ...]:
    """The numbers that an answer consists of; raises what `parts_of` and `number_of` raise.

    >>> numbers_of([4, torch.tensor(15)], "the height", "the width")
    (4.0, 15.0)
    """
    return tuple(number_of(part) for part in parts_of(value, *what))


def word_of(value: Any, choices: Iterable[str]) -> str:
    """The one of these words that an answer is; case, blanks and punctuation make no difference.

    >>> word_of("Shifted  alike.", ["the same", "shifted alike"])
    'shifted alike'

    Raises:
        NotWritten: there is no answer.
        AssertionError: it is none of them.
    """
    if value is None or value is ...:
        raise NotWritten
    by_letters = {_letters(choice): choice for choice in choices}
    if not isinstance(value, str) or _letters(value) not in by_letters:
        shown = ", ".join(repr(choice) for choice in by_letters.values())
        raise AssertionError(f"expected one of {shown}, got {_kind(value)}")
    return by_letters[_letters(value)]


def entry(answers: Any, key: str) -> Any:
    """What a dictionary of answers says to a key; case and blanks of its keys make no difference.

    >>> entry({"Divided by d": "A"}, "divided by d")
    'A'

    Raises:
        NotWritten: there is no such key, or nothing behind it.
        AssertionError: it is no dictionary.
    """
    if answers is None or answers is ...:
        raise NotWritten
    if not isinstance(answers, dict):
        raise AssertionError(f"expected a dictionary with the key {key!r}, got {_kind(answers)}")
    found = {_letters(str(name)): value for name, value in answers.items()}.get(_letters(key))
    if found is None or found is ...:
        raise NotWritten(f"there is nothing for {key!r} yet")
    return found


def _letters(text: str) -> str:
    """A text without what makes no difference."""
    return re.sub(r"[\W_]+", "", text).casefold()


def _kind(value: Any) -> str:
    """What a value is, for a message."""
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    kind = str(getattr(value, "_kind", type(value).__name__))
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"
