"""Answers are read as they are meant; complaints are in words."""

import functools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from utils.answers import (
    NotWritten,
    entry,
    is_stub,
    number_of,
    numbers_of,
    parts_of,
    tensor_of,
    word_of,
)


@pytest.mark.parametrize(
    "value", [7, 7.0, Fraction(7), np.int64(7), np.float32(7), torch.tensor(7), np.array([7])]
)
def test_numbers_of_every_kind(value: Any) -> None:
    assert str(number_of(value)) == "7"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.5"), (-3.0, "-3"), (1e300, "1e+300"), (float("inf"), "inf"), (True, "1")],
)
def test_numbers_read_as_a_person_writes_them(value: Any, shown: str) -> None:
    assert str(number_of(value)) == shown


@pytest.mark.parametrize("value", [(4, 15), [4.0, 15], torch.Size([4, 15]), np.array([4, 15])])
def test_pairs_of_every_kind(value: Any) -> None:
    assert numbers_of(value, "height", "width") == (4, 15)


def test_words_whatever_case_and_blanks_they_have() -> None:
    for said in ("Shifted alike", " shifted  alike.", "SHIFTED_ALIKE", "'shifted alike'"):
        assert word_of(said, ["the same", "shifted alike"]) == "shifted alike"


def test_keys_whatever_case_and_blanks_they_have() -> None:
    assert entry({"Divided by Root D ": "A"}, "divided by root d") == "A"


def test_complaints_say_what_was_expected() -> None:
    for call, said in (
        (lambda: number_of("8"), "expected a number, got the text '8'"),
        (lambda: number_of(np.array([1, 2])), "expected a number, got a ndarray"),
        (lambda: number_of(1j), "expected a number, got a complex"),
        (lambda: number_of(10**400), "expected a number, got an int"),
        (lambda: parts_of({"width": 1, "jump": 2}, "W", "b"), "expected W and b, got a dict"),
        (lambda: parts_of("ab", "W", "b"), "expected W and b, got the text 'ab'"),
        (lambda: entry({"edge": "A", 2: "B"}, "edges"), "no key 'edges'; there are 'edge', '2'"),
        (lambda: entry({}, "edges"), "no key 'edges'; there are none"),
        (lambda: parts_of(3, "W", "b"), "expected W and b, got an int"),
        (lambda: parts_of([1], "W", "b"), "expected W and b, got 1 of them"),
        (lambda: word_of("equivariant", ["alike"]), "expected one of 'alike'"),
        (lambda: tensor_of("x"), "expected a tensor, got the text 'x'"),
        (lambda: tensor_of([1.0], (2,)), r"expected shape \(2,\), got \(1,\)"),
        (lambda: entry([1], "a"), "expected a dictionary with the key 'a', got a list"),
    ):
        with pytest.raises(AssertionError, match=said):
            call()


def test_what_is_not_written_is_no_mistake() -> None:
    for nothing, said in ((None, r"it returns None: is there a `return`\?"), (..., "nothing here")):
        for read in (
            number_of,
            tensor_of,
            lambda x: parts_of(x, "a", "b"),
            lambda x: word_of(x, "A"),
        ):
            with pytest.raises(NotWritten, match=said):
                read(nothing)
        with pytest.raises(NotWritten, match="there is nothing for the mean yet"):
            parts_of((1, nothing), "the output", "the mean")
        with pytest.raises(NotWritten, match="nothing here"):
            entry(nothing, "a")
        with pytest.raises(NotWritten, match="there is nothing for 'b' yet"):
            entry({"a": 1, "b": nothing}, "b")


class Stub(nn.Module):
    def __init__(self) -> None:
        super().__init__()

    def forward(self, X: Any) -> Any:
        """What it will do."""


class Written(Stub):
    def forward(self, X: Any) -> Any:
        X.relu()


def test_stubs_have_no_code() -> None:
    def documented(x: int) -> None:
        """Only what it will do."""

    def passes(x: int) -> None:
        pass

    def forgets_to_return(x: int) -> None:
        2 * x

    @functools.wraps(documented)
    def wrapped(x: int) -> None:
        print(x)

    for stub in (documented, passes, wrapped, lambda x: None, lambda x: ..., Stub, Stub()):
        assert is_stub(stub), stub
    for written in (forgets_to_return, lambda x: 7, lambda x: x, Written, Written(), {}, 3, len):
        assert not is_stub(written), written
