"""The definitions of foundations/softmax-regression against torch, d2l and utils.fit."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, fit, generator
from utils.compat import d2l
from utils.training import accuracy

TOLERANCE = 1e-12  # in double precision, relative to the larger of 1 and the value
SINGLE = 1e-5


HARD = {
    "ordinary": torch.linspace(-3, 4, 60).view(6, 10).sin(),
    "huge": 1e4 * torch.linspace(-3, 4, 60).view(6, 10).sin(),
    "ties": torch.zeros(6, 10),
    "far below zero": torch.full((6, 10), -1e6) + torch.arange(10.0),
    "one certain": 500 * torch.eye(10)[:6],
}


def with_gradient(f: Any, o: Tensor) -> list[Tensor]:
    o = o.clone().requires_grad_()
    value = f(o)
    weights = torch.linspace(1, 2, value.numel(), dtype=o.dtype).view_as(value)
    return [value, *torch.autograd.grad((weights * value).sum(), o)]


def assert_same(ours: Any, theirs: Any, o: Tensor, tolerance: float = TOLERANCE) -> None:
    for one, other in zip(with_gradient(ours, o), with_gradient(theirs, o), strict=True):
        assert bool(one.isfinite().all())
        assert_close(one, other, tolerance)


@pytest.mark.parametrize("scores", HARD.values(), ids=HARD)
def test_functions_are_torchs(page: dict, scores: Tensor) -> None:
    for o, tolerance in ((scores.double(), TOLERANCE), (scores, SINGLE)):
        assert_same(page["softmax"], lambda o: F.softmax(o, -1), o, tolerance)
        assert_same(page["log_softmax"], lambda o: F.log_softmax(o, -1), o, tolerance)
        # torch's own gradient, exp(o - lse), loses digits where the scores are large
        slack = max(tolerance, 10 * torch.finfo(o.dtype).eps * o.abs().max().item())
        assert_same(page["logsumexp"], lambda o: o.logsumexp(-1, keepdim=True), o, slack)
        assert page["softmax"](o.view(2, 3, 10)).shape == (2, 3, 10)


@pytest.mark.parametrize("scores", HARD.values(), ids=HARD)
def test_cross_entropy_is_torchs_and_d2ls(page: dict, scores: Tensor) -> None:
    o, y = scores.double(), torch.tensor([0, 9, 3, 3, 1, 5])
    soft = torch.rand(6, 10, dtype=torch.float64).softmax(1)
    cross_entropy = page["cross_entropy"]
    assert_same(lambda o: cross_entropy(o, y), lambda o: F.cross_entropy(o, y), o)
    assert_same(lambda o: cross_entropy(o, soft), lambda o: F.cross_entropy(o, soft), o)
    assert_close(cross_entropy(o, y), d2l.SoftmaxRegression(10, 0.1).loss(o, y), TOLERANCE)
    for epsilon in (0.0, 0.1, 1.0):
        assert_same(
            lambda o, e=epsilon: cross_entropy(o, page["smoothed"](y, 10, e).double()),
            lambda o, e=epsilon: F.cross_entropy(o, y, label_smoothing=e),
            o,
            1e-6,  # the page's soft labels are single precision
        )


def test_where_the_other_forms_fail(page: dict) -> None:
    o, y = torch.tensor([[0.0, 200.0]]), torch.tensor([0])
    assert not bool(page["textbook_loss"](o, y).isfinite())
    assert_close(page["patched_loss"](o.repeat(2, 1), y.repeat(2)), 16.118, 1e-4)
    assert_close(page["cross_entropy"](o, y), 200.0)
    usual = torch.tensor([[0.0, 1.0]])
    assert_close(page["textbook_loss"](usual, y), F.cross_entropy(usual, y), SINGLE)


def test_targets_are_distributions(page: dict) -> None:
    targets = page["smoothed"](torch.arange(10), 10, 0.1)
    assert_close(targets.sum(dim=1), torch.ones(10))
    assert_close(targets.diag(), torch.full((10,), 0.91))
    assert_close(page["one_hot"](torch.tensor([2, 0]), 3), torch.eye(3)[[2, 0]])


class Rows:
    """Batches in the order that the page's loop draws."""

    def __init__(self, X: Tensor, y: Tensor, size: int):
        self.X, self.y, self.size, self.rng = X, y, size, generator(7)

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __iter__(self):
        for rows in torch.randperm(len(self.y), generator=self.rng).split(self.size):
            yield self.X[rows], self.y[rows]


@pytest.mark.parametrize("size", [10, 32, 100])
def test_the_pages_loop_is_fit(page: dict, size: int) -> None:
    X, y = torch.randn(100, 5), torch.arange(100) % 10
    options = {"epochs": 3, "batch_size": size, "learning_rate": 0.2, "seed": 7}
    W, b = page["train_linear"](X, y, **options)
    net = nn.Linear(5, 10)
    nn.init.zeros_(net.weight), nn.init.zeros_(net.bias)
    fit(net, Rows(X, y, size), torch.optim.SGD(net.parameters(), lr=0.2), epochs=3)
    assert_close(W.T, net.weight, SINGLE)
    assert_close(b, net.bias, SINGLE)
    assert_close(page["accuracy"](X @ W + b, y), accuracy(X @ W + b, y).item(), SINGLE)


def test_training_leaves_its_start_alone(page: dict) -> None:
    X, y, start = torch.randn(20, 5), torch.arange(20) % 10, torch.ones(5, 10)
    seen: list[Tensor] = []
    options = {"start": start, "after_epoch": lambda W, b: seen.append(W.clone())}
    W, b = page["train_linear"](X, y, epochs=2, **options)
    assert_close(start, torch.ones(5, 10))
    assert 0 < (W - start).abs().max() < 0.2
    assert len(seen) == 2 and torch.equal(seen[1], W)
    assert not any(x.requires_grad for x in (*seen, W, b))
