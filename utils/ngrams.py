"""The smoothed n-gram: the baseline that every language model of the book has to beat."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor


class _Level(NamedTuple):
    """The n-grams of one length k. Their numbers are the places of their keys.

    An n-gram's key is (number of its first k - 1 tokens) · vocabulary + its last token, so that the
    n-grams that begin alike lie side by side.
    """

    keys: np.ndarray  # sorted
    kept: np.ndarray  # its count after discounting, over all counts with the same beginning
    given: np.ndarray  # for each beginning: what the discounts leave to the shorter n-gram


class NGram:
    """An interpolated n-gram with modified Kneser-Ney smoothing (Chen and Goodman, 1999).

    The longest n-grams count how often they occur; a shorter one counts how many different tokens
    it follows. Each count is lowered by one of three discounts, and what that saves is given to the
    n-gram that is one token shorter; the shortest of all shares with the uniform distribution, so
    that no token has probability zero. Discounts are estimated from counts of counts.

    >>> text = b"how much wood would a woodchuck chuck if a woodchuck could chuck wood"
    >>> model = NGram(torch.tensor(list(text)), vocab_size=256, order=3)
    >>> p = model.probabilities(list(b"wo"))
    >>> chr(p.argmax()), round(p.max().item(), 2), round(p.sum().item(), 6)
    ('o', 0.66, 1.0)

    Args:
        tokens: numbers of tokens in the order of the text.
        vocab_size: how many tokens there are.
        order: the length of the longest n-grams; 1 looks at no context at all.

    Raises:
        ValueError: the order is not positive, the text is shorter than it, or a token's number is
            not in the vocabulary.
    """

    def __init__(self, tokens: Int[Tensor, " n"], vocab_size: int, order: int) -> None:
        text = tokens.cpu().numpy().astype(np.int64)
        if not 1 <= order <= len(text):
            raise ValueError(f"Order {order} for {len(text)} tokens: from 1 to their number.")
        if text.min() < 0 or text.max() >= vocab_size:
            raise ValueError(f"Tokens from {text.min()} to {text.max()}, vocabulary {vocab_size}.")
        self.vocab_size, self.order = vocab_size, order
        # what occurs: for each length k the unique keys, how often, and where for the first time
        found, numbers = [], [np.zeros(len(text) + 1, np.int64)]
        for k in range(1, order + 1):
            keys = numbers[-1][:-1] * vocab_size + text[k - 1 :]
            unique, first, number, count = np.unique(
                keys, return_index=True, return_inverse=True, return_counts=True
            )
            found.append((unique, first, count))
            numbers.append(number)
        self._levels = []
        for k, (unique, _, count) in enumerate(found, start=1):
            if k < order:  # how many different tokens it follows
                longer = found[k][1]
                count = np.bincount(numbers[k][longer + 1], minlength=len(unique)).clip(min=1)
            beginnings = len(found[k - 2][0]) if k > 1 else 1
            self._levels.append(_discounted(unique, count, unique // vocab_size, beginnings))

    def bits(self, tokens: Int[Tensor, " n"]) -> Float64[Tensor, " n"]:
        """What each token of a text costs, given those before it: -log2 of its probability."""
        text = tokens.cpu().numpy().astype(np.int64)
        p = np.full(len(text), 1 / self.vocab_size)
        context = np.zeros(len(text), np.int64)  # number of the k - 1 tokens before, or -1
        for level in self._levels:
            at, there = _find(
                level.keys, np.where(context < 0, -1, context * self.vocab_size + text)
            )
            known = (context >= 0) & (context < len(level.given))
            share = np.where(known, level.given[np.where(known, context, 0)], 1.0)
            p = share * p + np.where(there, level.kept[at], 0.0)
            context = np.concatenate([[-1], np.where(there, at, -1)[:-1]])
        return torch.from_numpy(-np.log2(p))

    def probabilities(self, context: Sequence[int]) -> Float64[Tensor, " vocab_size"]:
        """The distribution of the token after a context, of which the last order - 1 count."""
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for k, level in enumerate(self._levels):
            number = self._number(list(context)[len(context) - k :]) if k <= len(context) else -1
            if number < 0 or number >= len(level.given):
                break
            bounds = np.array([number, number + 1]) * self.vocab_size
            low, high = np.searchsorted(level.keys, bounds)
            p = level.given[number] * p
            p[level.keys[low:high] % self.vocab_size] += level.kept[low:high]
        return torch.from_numpy(p)

    def __len__(self) -> int:
        """How many different n-grams it has counted, of all lengths."""
        return sum(len(level.keys) for level in self._levels)

    def _number(self, tokens: Sequence[int]) -> int:
        """The number of an n-gram, or -1 if it was never seen."""
        number = 0
        for level, token in zip(self._levels, tokens):
            at, there = _find(level.keys, np.array([number * self.vocab_size + token]))
            if not there[0]:
                return -1
            number = int(at[0])
        return number


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where keys lie, and whether they are there at all."""
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return at, keys[at] == wanted


def _discounted(
    keys: np.ndarray, count: np.ndarray, beginning: np.ndarray, beginnings: int
) -> _Level:
    """Take the discount from each count and see what that leaves to the shorter n-grams."""
    once, twice, thrice, four = (int((count == c).sum()) for c in (1, 2, 3, 4))
    y = once / (once + 2 * twice) if once and twice else 0.5
    ratios = (
        twice / once if once else 1.0,
        thrice / twice if twice else 1.0,
        four / thrice if thrice else 1.0,
    )
    # kept inside (0, c), where a short text's estimates need not lie
    discount = np.array(
        [0.0, *(min(max(c - (c + 1) * y * r, 0.05 * c), 0.95 * c) for c, r in enumerate(ratios, 1))]
    )[count.clip(max=3)]
    total = np.bincount(beginning, count, beginnings)
    saved = np.bincount(beginning, discount, beginnings)
    seen = total > 0
    given = np.where(seen, saved / np.where(seen, total, 1.0), 1.0)
    return _Level(keys, (count - discount) / total[beginning], given)
