"""The definitions of sequences/language-models against torch and utils, with hard cases."""

import math

import pytest
import torch
from torch.nn import functional as F

from utils import assert_close
from utils.data import austen_split
from utils.language import BytePairs, next_token
from utils.ngrams import NGram
from utils.seed import generator

ALSO = ["PIECE"]


@pytest.fixture(scope="module")
def text() -> str:
    return austen_split().train[:20_000]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [5, 12, 400, 4000])
def test_kneser_ney_is_the_fast_form(page, text, order, length):
    tokens = list(text.encode())[:length]
    slow, fast = page["KneserNey"](tokens, 256, order), NGram(torch.tensor(tokens), 256, order)
    new = list("the £ of Emma".encode())
    for at in range(len(new)):
        context = new[max(0, at - order + 1) : at]
        ours = torch.tensor([slow.p(w, tuple(context)) for w in range(256)], dtype=torch.float64)
        assert_close(ours, fast.probabilities(context), 1e-12)
        assert_close(ours.sum(), 1.0, 1e-12)


@pytest.mark.parametrize("part", ["aaaaaaa", "low low lower lowest", "£ naïve “quotes” 1814--\n\n"])
def test_merges_on_hard_texts(page, part):
    fast = BytePairs(part * 3, 260)  # may stop early, where no pair stands twice
    merges = page["learn_merges"](part * 3, len(fast) - 256)
    assert fast.tokens[256:] == [b"".join(pair) for pair in merges]
    for piece in page["PIECE"].findall(part):
        ours = page["encode_piece"](piece, merges)
        assert b"".join(ours) == piece.encode()
        assert [fast.tokens[i] for i in fast.encode(piece)] == list(ours)


def test_merges_on_austen(page, text):
    merges = page["learn_merges"](text, 40)
    assert BytePairs(text, 296).tokens[256:] == [b"".join(pair) for pair in merges]


@pytest.mark.parametrize(
    "how",
    [{}, {"temperature": 0.3}, {"top_k": 1}, {"top_k": 3}, {"top_p": 0.5}, {"top_p": 1e-6},
     {"temperature": 2.0, "top_k": 5, "top_p": 0.7}, {"top_k": 99}],
)  # fmt: skip
def test_the_distribution_drawn_from(page, how):
    logits = 2 * torch.randn(8, generator=generator(3))
    ours = page["reshaped"](logits, **how)
    assert_close(ours.sum(), 1.0)
    drawn = next_token(logits.expand(40_000, 8), rng=generator(0), **how)
    assert_close(drawn.bincount(minlength=8) / 40_000, ours, 0.012)


def test_windows_are_one_token_apart(page):
    X, Y = page["windows"](torch.arange(50), 7, 200, generator(0))
    assert X.shape == Y.shape == (200, 7)
    assert_close(Y, X + 1)
    assert X.min() == 0 and Y.max() == 49


def test_frequencies_minimise_the_cross_entropy(page):
    """The gradient of the mean cost at the counted table is zero."""
    tokens = torch.randint(0, 5, (300,), generator=generator(1))
    p = page["frequencies"](tokens.tolist(), 2)
    table = torch.tensor([[p((v, w)) for w in range(5)] for v in range(5)], dtype=torch.float64)
    assert_close(table.sum(1), torch.ones(5))
    logits = table.log().requires_grad_()
    loss = F.cross_entropy(logits[tokens[:-1]], tokens[1:])
    (gradient,) = torch.autograd.grad(loss, logits)
    assert_close(gradient, torch.zeros(5, 5), 1e-12)
    counted = -sum(math.log(p(g)) for g in page["ngrams"](tokens.tolist(), 2)) / 299
    assert_close(loss, counted, 1e-6)
    three = page["frequencies"](tokens.tolist(), 3)
    for pair in set(page["ngrams"](tokens.tolist()[:-1], 2)):
        assert_close(sum(three((*pair, w)) for w in range(5)), 1.0)
    assert three((9, 9, 9)) == 0


def test_repeated_runs(page):
    assert page["repeated"](list(range(50))) == 0
    assert page["repeated"]([1, 2] * 40) == pytest.approx(1 - 2 / 73)
