"""What a student answered, read as it is meant, whatever type it has; complaints are in words."""

import dis
import inspect
import numbers
import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

NOTHING = "there is nothing here yet"
RETURNS_NONE = "it returns None: is there a `return`?"
# what a function does in which there is nothing: it begins, and returns a constant
EMPTY = {"RESUME", "NOP", "POP_TOP", "RETURN_VALUE", "COPY_FREE_VARS"}
WHOLE = 1 << 53  # from here on, not every whole number is a float


class NotWritten(Exception):
    """The reader has not written the answer yet: it returned nothing, or an ellipsis."""

    def __init__(self, what: str = NOTHING) -> None:
        super().__init__(what)


def see_that_it_is_there(value: Any) -> None:
    """Leave every value alone that is an answer.

    Raises:
        NotWritten: it is ``None`` or an ellipsis.
    """
    if value is None or value is ...:
        raise NotWritten(RETURNS_NONE if value is None else NOTHING)


def is_stub(answer: Any) -> bool:
    """Whether a function, or the ``forward`` of a module, has no code in it yet.

    >>> def double(x): ...
    >>> is_stub(double), is_stub(lambda x: 2 * x)
    (True, False)
    """
    function = inspect.unwrap(getattr(answer, "forward", answer))
    if not hasattr(function, "__code__"):
        return False
    steps = list(dis.get_instructions(function))
    kinds = {step.opname for step in steps} - {"LOAD_CONST", "RETURN_CONST"}
    constants = {step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")}
    return kinds <= EMPTY and constants <= {None, ...}


def tensor_of(value: Any, shape: Collection[int] | None = None) -> Tensor:
    """The tensor that an answer is or means: an array, a number, a list of numbers.

    >>> tensor_of([1.0, 2.0], shape=(2,))
    tensor([1., 2.])

    Raises:
        NotWritten: there is no answer.
        AssertionError: it means no tensor, or one of another shape.
    """
    see_that_it_is_there(value)
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
    see_that_it_is_there(value)
    names = f"{', '.join(what[:-1])} and {what[-1]}"
    try:
        if isinstance(value, dict | str):  # whose parts are no answers
            raise TypeError
        parts = list(value)
    except TypeError:
        raise AssertionError(f"expected {names}, got {_kind(value)}") from None
    if len(parts) != len(what):
        raise AssertionError(f"expected {names}, got {len(parts)} of them")
    for name, part in zip(what, parts, strict=True):
        if part is None or part is ...:
            raise NotWritten(f"there is nothing for {name} yet")
    return parts


def number_of(value: Any) -> float:
    """The number that an answer is: Python's, NumPy's, or a tensor with one element.

    Whole numbers come back without a decimal point, as a message should show them.

    >>> number_of(torch.tensor([8]))
    8

    Raises:
        NotWritten: there is no answer.
        AssertionError: it is no number.
    """
    see_that_it_is_there(value)
    try:
        if isinstance(value, Tensor | np.ndarray | np.generic):
            value = value.item()
        if not isinstance(value, numbers.Real):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise AssertionError(f"expected a number, got {_kind(value)}") from None
    return int(number) if number.is_integer() and abs(number) < WHOLE else number


def numbers_of(value: Any, *what: str) -> tuple[float, ...]:
    """The numbers that an answer consists of; raises what `parts_of` and `number_of` raise.

    >>> numbers_of([4, torch.tensor(15)], "the height", "the width")
    (4, 15)
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
    see_that_it_is_there(value)
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
        NotWritten: there is nothing behind this key.
        AssertionError: it is no dictionary, or has no such key; the message says which it has.
    """
    if answers is None or answers is ...:
        raise NotWritten
    if not isinstance(answers, dict):
        raise AssertionError(f"expected a dictionary with the key {key!r}, got {_kind(answers)}")
    by_letters = {_letters(str(name)): value for name, value in answers.items()}
    if _letters(key) not in by_letters:
        keys = ", ".join(repr(str(name)[:40]) for name in list(answers)[:10]) or "none"
        raise AssertionError(f"there is no key {key!r}; there are {keys}")
    found = by_letters[_letters(key)]
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
