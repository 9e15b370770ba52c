"""The definitions of sequences/language-models against torch and utils, with hard cases."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close
from utils.data import austen_split
from utils.language import BytePairs, next_token
from utils.ngrams import NGram
from utils.seed import generator

ALSO = ["PIECE", "FACTORS"]


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


def test_windows_come_with_the_token_after_them(page):
    X, y = page["windows"](torch.arange(10, 20), 3)
    assert X.shape == (7, 3) and y.shape == (7,)
    assert_close(X - X[:, :1], torch.arange(3).expand(7, 3))
    assert_close(X[:, 0], torch.arange(10, 17))
    assert_close(y, X[:, -1] + 1)


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


def test_additive_smoothing_by_hand(page):
    """After a: b twice, c once; after b and c: a. The best of the powers of ten."""
    train, held_out = [0, 1, 0, 1, 0, 2, 0], [0, 1, 0, 2]
    costs = []
    for d in 10.0 ** np.arange(-5, 2):
        p = (2 + d) / (3 + 3 * d), (2 + d) / (2 + 3 * d), (1 + d) / (3 + 3 * d)
        costs.append(-np.mean(np.log2(p)))
    assert page["additive"](train, 2, 3, held_out) == pytest.approx(min(costs))


# -------------------------------------------------------------------------------- the network
@pytest.mark.parametrize("window", [1, 3])
def test_the_network_is_a_stack_of_torch_layers(page, window):
    ours = page["MLP"](11, window, embed_dim=5, hidden_size=7).double()
    torch.nn.init.normal_(ours.U)
    torch.nn.init.normal_(ours.b)
    torch.nn.init.normal_(ours.c)
    X = torch.randint(0, 11, (20, window), generator=generator(0))
    hidden = torch.tanh(F.linear(F.embedding(X, ours.C).flatten(1), ours.W.T, ours.b))
    assert_close(ours.eval()(X), F.linear(hidden, ours.U.T, ours.c))
    many = torch.stack([ours.train()(X) for _ in range(4000)])
    assert_close(many.mean(0), ours.eval()(X), 0.1)  # dropout of the hidden units
    spread = (hidden.square() @ ours.U.square()) * 0.1 / 0.9
    assert_close(many.var(0) / spread, torch.ones(20, 11), 0.2)


def test_the_first_prediction_is_uniform(page):
    model = page["MLP"](30, 4).eval()
    logits = model(torch.randint(0, 30, (6, 4)))
    assert_close(logits, torch.zeros(6, 30))
    assert model.C.shape == (30, 32) and model.W.shape == (128, 64)
    for spread in (1.0, 0.3):
        C = page["MLP"](300, 4, spread=spread).C
        assert C.std().item() == pytest.approx(spread, rel=0.05)
    wide = page["MLP"](300, 20, hidden_size=300).W  # Xavier with the gain of tanh
    assert wide.std().item() == pytest.approx(5 / 3 * (2 / (640 + 300)) ** 0.5, rel=0.05)
    assert not model.b.any() and not model.c.any()


def test_training_learns_a_rule_and_calls_back(page):
    tokens = torch.tensor([0, 1, 2] * 100)
    data, seen = page["windows"](tokens, 2), []
    model = page["train"](page["MLP"](3, 2), data, 60, 0.03, after=seen.append)
    assert seen == list(range(1, 61)) and not model.training
    p = page["probabilities"](model, *data)
    assert p.min() > 0.9
    assert page["bits"](p) == pytest.approx(-p.log2().mean().item(), abs=1e-6)


def test_each_step_is_one_of_adamw_with_its_own_gradient(page):
    data = torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    ours = page["train"](torch.nn.Sequential(torch.nn.Embedding.from_pretrained(
        torch.zeros(1, 3), freeze=False), torch.nn.Flatten()), data, 30, 0.5)  # fmt: skip
    weight = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], 0.5, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, 30)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(weight, data[1]).backward()
        optimizer.step()
        schedule.step()
    assert_close(ours[0].weight, weight.detach(), 1e-4)


def test_weights_decay_and_biases_do_not(page):
    class Still(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.W = torch.nn.Parameter(torch.ones(2, 2))
            self.b = torch.nn.Parameter(torch.ones(2))

        def forward(self, X):
            return 0 * (self.W.sum() + self.b.sum()) + torch.zeros(len(X), 2)

    data = torch.zeros(9, 1, dtype=torch.long), torch.zeros(9, dtype=torch.long)
    kept = page["train"](Still(), data, 20, 0.1)
    assert_close(kept.W, torch.ones(2, 2))
    model = page["train"](Still(), data, 20, 0.1, weight_decay=0.5)
    assert_close(model.b, torch.ones(2))
    assert 0.3 < model.W.max() < 0.9


def test_batches_depend_on_the_seed_only(page):
    seen = []

    class Watch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.W = torch.nn.Parameter(torch.zeros(1, 50))

        def forward(self, X):
            seen.append(X[:, 0].tolist())
            return self.W.expand(len(X), -1)

    data = torch.arange(50)[:, None], torch.arange(50)
    for seed in (3, 3, 4):
        page["train"](Watch(), data, 40, 0.1, batch_size=16, seed=seed)
    first, second, third = seen[:40], seen[40:80], seen[80:]
    assert first == second and first != third
    assert all(len(batch) == 16 for batch in first)
    assert {x for batch in first for x in batch} == set(range(50))


def test_probabilities_are_those_of_the_tokens_that_come(page):
    logits = torch.randn(7, 7, generator=generator(0))
    X, y = torch.randint(0, 7, (2, 9000), generator=generator(1))
    model = torch.nn.Sequential(torch.nn.Embedding.from_pretrained(logits), torch.nn.Flatten())
    assert_close(page["probabilities"](model, X[:, None], y), logits.softmax(1)[X, y])
    assert page["bits"](torch.tensor([0.5, 0.25])) == pytest.approx(1.5)
    tenth = np.float32(0.1)  # in double precision
    assert page["bits"](torch.tensor([0.1])) == pytest.approx(-np.log2(float(tenth)), abs=1e-12)


def test_a_mixture_is_the_mean_of_probabilities(page):
    one, other = torch.tensor([0.2, 0.4]), torch.tensor([0.6, 0.1])
    assert_close(page["Contest"](one, other).mixture, torch.tensor([0.4, 0.25]))


# ------------------------------------------------------------------------------ other smoothing
KINDS = list(itertools.product((False, True), repeat=2))


def test_other_smoothing_by_hand(page):
    """After 0 came 1, 1, 2; after 1 and after 2 came 0. Three tokens of 4."""
    tokens = [0, 1, 0, 1, 0, 2, 0]
    y = {1: 1 / (1 + 2 * 1)}  # single tokens: 0 four times, 1 twice, 2 once
    one = page["interpolated"](False, False)(tokens, 4, 2)
    D = [y[1], 2 / (2 + 2 * 2)]  # pairs: 01 twice, 10 twice, 02 and 20 once: N1 = N2 = 2
    alone = [(count - D[0] * (count > 0) + 3 * D[0] / 4) / 7 for count in (4, 2, 1, 0)]
    for w in range(4):
        assert one.p(w, ()) == pytest.approx(alone[w])
    assert one.p(1, (0,)) == pytest.approx((2 - D[1] + 2 * D[1] * alone[1]) / 3)
    back = page["BackOff"](one)
    assert back.p(1, ()) == pytest.approx(alone[1])
    assert back.p(1, (0,)) == pytest.approx((2 - D[1]) / 3)
    unseen = alone[0] + alone[3]  # 0 and 3 did not follow 0, and divide what is left
    assert back.p(3, (0,)) == pytest.approx(2 * D[1] / 3 * alone[3] / unseen)
    assert back.p(3, (3,)) == pytest.approx(alone[3])  # 3 never came: the shorter context's


@pytest.mark.parametrize(("contexts", "several"), KINDS)
def test_other_smoothing_sums_to_one(page, contexts, several):
    tokens = torch.randint(0, 5, (200,), generator=generator(2)).tolist()
    model = page["interpolated"](contexts, several)(tokens, 7, 3)
    for one in (model, page["BackOff"](model)):
        for context in ((), (0,), (1, 0), (4, 3), (6, 6), (6, 2)):
            assert sum(one.p(w, context) for w in range(7)) == pytest.approx(1)


def test_what_is_counted_and_taken(page):
    tokens = [0, 1, 0, 1, 0, 2, 0]
    counts = [page["interpolated"](kind, True)(tokens, 4, 2).a[0] for kind in (True, False)]
    assert [dict(c) for c in counts] == [{(0,): 2, (1,): 1, (2,): 1}, {(0,): 4, (1,): 2, (2,): 1}]
    assert page["one_discount"]([1, 1, 1, 2, 5]) == [0.0, 0.6, 0.6, 0.6]
    assert page["one_discount"]([3, 3]) == [0.0, 0.5, 0.5, 0.5]
    text = list(b"a tale of two cities, a tale of a city, or of a tale")
    for contexts in (True, False):
        one, three = (
            page["interpolated"](contexts, kind)(text, 256, 2).D for kind in (False, True)
        )
        assert all(len(set(D[1:])) == 1 for D in one) and any(len(set(D[1:])) > 1 for D in three)


def test_savings_by_hand(page):
    """Costs of all eight, by contexts, discounts and interpolation."""
    numbers = [9.0, 7.5, 8.5, 6.0, 7.0, 5.0, 8.0, 2.0]
    costs = dict(zip(itertools.product((False, True), repeat=3), numbers))
    first = [page["saving"](costs, factor, "first") for factor in range(3)]
    assert first == [9.0 - 7.0, 9.0 - 8.5, 9.0 - 7.5]
    last = [page["saving"](costs, factor, "last") for factor in range(3)]
    assert last == [6.0 - 2.0, 5.0 - 2.0, 7.0 - 2.0]


def test_texts_are_drawn_by_paragraph(page):
    page["everything"] = [f"{i} line\n" for i in range(500)]
    text = page["drawn_text"](100, 900)
    lines = text.splitlines(keepends=True)
    assert 900 <= len(text) < 910 and len(set(lines)) == len(lines)
    assert set(lines) <= set(page["everything"]) and lines != sorted(lines)
    assert text == page["drawn_text"](100, 900) != page["drawn_text"](101, 900)


# ------------------------------------------------------- the exercises: what has to be refused
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("sequences/language-models", also=ALSO, exercises=True)


def held(exercises: dict[str, Any], spec: str, answer: Callable[..., Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        exercises[spec](answer)


def test_unusual_right_answers_pass(exercises):
    def weighted(losses, tokens):
        return torch.exp(losses.double() @ (tokens / tokens.sum()).double()).float()

    def by_unfold(tokens, length, batch_size, rng):
        rows = tokens.unfold(0, length + 1, 1)
        some = rows[torch.randint(len(rows), (batch_size,), generator=rng)]
        return some[:, :-1], some[:, 1:]

    held(exercises, "corpus_spec", weighted)
    held(exercises, "shift_spec", by_unfold)


def unweighted(losses, tokens):
    return losses.mean().exp()


def base_two(losses, tokens):
    return 2 ** ((losses * tokens).sum() / tokens.sum())


def outside(losses, tokens):
    return (losses.exp() * tokens).sum() / tokens.sum()


def no_shift(tokens, length, batch_size, rng):
    start = torch.randint(len(tokens) - length, (batch_size, 1), generator=rng)
    at = start + torch.arange(length)
    return tokens[at], tokens[at]


def backwards(tokens, length, batch_size, rng):
    start = torch.randint(len(tokens) - length, (batch_size, 1), generator=rng)
    at = start + torch.arange(length)
    return tokens[at + 1], tokens[at]


def last_left_out(tokens, length, batch_size, rng):
    start = torch.randint(len(tokens) - length - 1, (batch_size, 1), generator=rng)
    at = start + torch.arange(length)
    return tokens[at], tokens[at + 1]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [("corpus_spec", f) for f in (unweighted, base_two, outside)]
    + [("shift_spec", f) for f in (no_shift, backwards, last_left_out)],
)
def test_wrong_answers_are_refused(exercises, spec, wrong):
    with pytest.raises(AssertionError):
        held(exercises, spec, wrong)


def test_nothing_is_cut_where_nothing_is_to_be_cut(page: dict) -> None:
    logits = torch.cat([torch.zeros(1), torch.full((5000,), -18.0)])
    assert_close(page["reshaped"](logits), logits.softmax(0))
    assert bool((page["reshaped"](logits) > 0).all())
