"""Answers are read as they are meant; complaints are in words."""

from typing import Any

import numpy as np
import pytest
import torch

from utils.answers import NotWritten, entry, number_of, numbers_of, parts_of, tensor_of, word_of


@pytest.mark.parametrize(
    "value", [7, 7.0, np.int64(7), np.float32(7), torch.tensor(7), np.array([7])]
)
def test_numbers_of_every_kind(value: Any) -> None:
    assert number_of(value) == 7


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
    for nothing in (None, ...):
        for read in (
            number_of,
            tensor_of,
            lambda x: parts_of(x, "a", "b"),
            lambda x: word_of(x, "A"),
        ):
            with pytest.raises(NotWritten):
                read(nothing)
        with pytest.raises(NotWritten, match="there is nothing for 'b' yet"):
            entry({"a": 1, "b": nothing}, "b")
    with pytest.raises(NotWritten, match="there is nothing for 'divided by root d' yet"):
        entry({"divided by sqrt d": "A"}, "divided by root d")
