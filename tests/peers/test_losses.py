"""The definitions of foundations/losses against torch and scikit-learn."""

import math
from typing import Any

import pytest
import torch
from sklearn.linear_model import QuantileRegressor
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator
from utils.check import assert_same_gradients, gradients

ALSO = ("SIZES",)
TOLERANCE = 1e-10
REDUCTIONS = ("none", "sum", "mean")


def doubles(*shape: int) -> Tensor:
    return 2 * torch.randn(*shape).double()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_of_numbers(page: dict, reduction: str) -> None:
    a, b = doubles(2, 5, 3)
    b[0] = a[0] + torch.tensor([0.7, -0.7, 0.0]).double()  # at the threshold
    for ours, theirs in ((page["squared"], F.mse_loss), (page["absolute"], F.l1_loss)):
        assert_same_gradients(
            lambda x, y, f=ours: f(x, y, reduction),
            lambda x, y, f=theirs: f(x, y, reduction=reduction),
            {"a": a, "b": b},
            TOLERANCE,
        )
    for delta in (0.7, 1.0, 2.5):
        assert_same_gradients(
            lambda x, y, d=delta: page["huber"](x, y, d, reduction),
            lambda x, y, d=delta: F.huber_loss(x, y, delta=d, reduction=reduction),
            {"a": a, "b": b},
            TOLERANCE,
        )
        ours = page["huber"](a, b, delta, reduction) / delta
        assert_close(ours, F.smooth_l1_loss(a, b, beta=delta, reduction=reduction), TOLERANCE)
    assert_close(page["huber"](a, b), F.huber_loss(a, b), TOLERANCE)
    assert_close(page["squared"](a, b), F.mse_loss(a, b), TOLERANCE)
    assert_close(page["absolute"](a, b), F.l1_loss(a, b), TOLERANCE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_losses(page: dict, reduction: str) -> None:
    z, t = doubles(5, 3), torch.rand(5, 3).double()
    for pos_weight in (torch.tensor([1.0, 2, 0.5]).double(), torch.tensor(3.0).double()):
        assert_same_gradients(
            lambda x, y, w=pos_weight: page["binary_cross_entropy"](x, y, w, reduction),
            lambda x, y, w=pos_weight: F.binary_cross_entropy_with_logits(
                x, y, pos_weight=w, reduction=reduction
            ),
            {"z": z, "t": t},
            TOLERANCE,
        )
    ours = page["binary_cross_entropy"](z, t)
    assert_close(ours, F.binary_cross_entropy(z.sigmoid(), t), TOLERANCE)
    far = torch.tensor([300.0, -300.0])
    assert_close(page["binary_cross_entropy"](far, 1 - far.sign().clamp(min=0)), 300.0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("places", [(), (4,), (2, 3)])
def test_nll(page: dict, reduction: str, places: tuple[int, ...]) -> None:
    log_p, y = doubles(6, 5, *places), torch.randint(5, (6, *places))
    weight = torch.rand(5).double() + 0.1
    for ignored in (-100, 2, 99):
        seen = torch.where(torch.rand(y.shape) < 0.3, ignored, y)
        for w in (None, weight):
            assert_same_gradients(
                lambda x, w=w, i=ignored, t=seen: page["nll"](x, t, w, i, reduction),
                lambda x, w=w, i=ignored, t=seen: F.nll_loss(
                    x, t, w, ignore_index=i, reduction=reduction
                ),
                {"log_p": log_p},
                TOLERANCE,
            )
    y[0] = -100
    assert_close(page["nll"](log_p, y), F.nll_loss(log_p, y), TOLERANCE)


def test_cross_entropy(page: dict) -> None:
    logits, y, q = doubles(6, 5), torch.randint(5, (6,)), torch.rand(6, 5).softmax(1).double()
    weight = torch.rand(5).double() + 0.1
    for target in (y, q):
        for w in (None, weight):
            for smoothing in (0.0, 0.1, 0.5):
                assert_same_gradients(
                    lambda x, t=target, w=w, s=smoothing: page["cross_entropy"](x, t, w, s),
                    lambda x, t=target, w=w, s=smoothing: F.cross_entropy(
                        x, t, w, label_smoothing=s
                    ),
                    {"logits": logits},
                    TOLERANCE,
                )
        assert_close(page["cross_entropy"](logits, target), F.cross_entropy(logits, target), 1e-9)


def test_hinge_losses(page: dict) -> None:
    z, y = doubles(7, 4), torch.randint(4, (7,))
    for p, margin in ((1, 1.0), (2, 0.5), (1, 3.0)):
        assert_same_gradients(
            lambda x, p=p, m=margin: page["multi_margin"](x, y, p, m),
            lambda x, p=p, m=margin: F.multi_margin_loss(x, y, p, m),
            {"z": z},
            TOLERANCE,
        )
    assert_close(page["multi_margin"](z, y), F.multi_margin_loss(z, y), TOLERANCE)
    wanted = [
        sum(max(0.0, 1 - (1 if j == c else -1) * x) ** 2 for j, x in enumerate(row))
        for row, c in zip(z.tolist(), y.tolist())
    ]
    assert_close(page["one_versus_rest"](z, y), sum(wanted) / 7, TOLERANCE)
    runs = torch.stack([z, z / 2])
    both = torch.stack([page["one_versus_rest"](one, y) for one in runs])
    assert_close(page["one_versus_rest"](runs, y), both, TOLERANCE)
    both = torch.stack([F.cross_entropy(one, y) for one in runs])
    assert_close(page["softmax_loss"](runs, y), both, TOLERANCE)


def test_value_and_slope(page: dict) -> None:
    x = doubles(9)
    values, slopes = page["value_and_slope"](torch.square, x)
    assert_close(values, x**2, TOLERANCE)
    assert_close(slopes, 2 * x, TOLERANCE)
    assert not x.requires_grad


def test_the_three_fits_are_minima(page: dict) -> None:
    X, noise = torch.cat([doubles(60, 3), torch.ones(60, 1).double()], 1), doubles(60)
    noise[:6] += 40
    y = X @ torch.tensor([1.0, -2, 0.5, 3]).double() + noise
    for delta in (1.345, 0.5):
        fits = page["three_fits"](X, y, delta)
        assert list(fits) == ["squared", "absolute", "Huber"]
        assert_close(fits["squared"], torch.linalg.lstsq(X, y).solution, 1e-8)
        theirs = QuantileRegressor(quantile=0.5, alpha=0).fit(X[:, :-1], y)
        least = (y - torch.tensor(theirs.predict(X[:, :-1]))).abs().mean()
        residuals = (X @ fits["absolute"] - y).abs()
        assert_close(residuals.mean(), least, 1e-4)
        threshold = delta * residuals.quantile(0.5).item() / 0.6745
        _, slope = gradients(lambda w, t=threshold: F.huber_loss(X @ w, y, delta=t), fits["Huber"])
        assert slope.abs().max() < 1e-4
    assert_close(page["three_fits"](X, y)["Huber"], page["three_fits"](X, y, 1.345)["Huber"])


def test_what_the_table_says_of_the_library(page: dict) -> None:
    q, classes, weight = torch.rand(6, 4).double(), torch.arange(6) % 4, torch.rand(4).double()
    with pytest.raises((RuntimeError, ValueError)):  # classes, not one-hot rows
        F.nll_loss(q, F.one_hot(classes, 4))
    for shape in ((6, 1), (4,), (6, 4)):  # a weight has to broadcast
        F.binary_cross_entropy(q, q, torch.ones(shape).double())
    with pytest.raises((RuntimeError, ValueError)):
        F.binary_cross_entropy(q, q, torch.ones(6).double())
    with pytest.warns(UserWarning, match="reduction"):
        F.mse_loss(q, 2 * q, size_average=False)
    each = F.multi_margin_loss(q, classes, reduction="none", weight=weight)
    assert_close(F.multi_margin_loss(q, classes, weight=weight), each.sum() / 6, TOLERANCE)
    terms = weight * F.binary_cross_entropy(q, q, reduction="none")
    assert_close(F.binary_cross_entropy(q, q, weight), terms.sum() / 24, TOLERANCE)
    _, slope, _ = gradients(page["binary_cross_entropy"], q.logit(), q)
    assert slope.abs().max() < 1e-12  # soft targets: least where p = t


def test_the_hinge_loss_is_no_likelihood() -> None:
    m = torch.linspace(-3, 3, 61).double()  # of the two labels: a likelihood sums to 1
    logistic = torch.exp(-F.softplus(-m)) + torch.exp(-F.softplus(m))
    assert_close(logistic, torch.ones(61), TOLERANCE)
    hinge = torch.exp(-(1 - m).clamp(min=0)) + torch.exp(-(1 + m).clamp(min=0))
    assert hinge.max() - hinge.min() > 0.3


def test_other_thresholds(page: dict) -> None:
    X, y = torch.cat([doubles(60, 3), torch.ones(60, 1).double()], 1), doubles(60)
    fits = page["three_fits"](X, y)
    thresholds = {
        "0.9 quantile": (X @ fits["absolute"] - y).abs().quantile(0.9).item(),
        "least squares": 1.345 * (X @ fits["squared"] - y).std().item(),
    }
    for estimate, delta in thresholds.items():
        found = page["three_fits"](X, y, estimate=estimate)["Huber"]
        _, slope = gradients(lambda w, d=delta: F.huber_loss(X @ w, y, delta=d), found)
        assert slope.abs().max() < 1e-4


def test_layers_start_as_he_recommends(page: dict) -> None:
    W, b = page["he_layer"](3, 400, 50, generator(0))
    assert (W.shape, b.shape) == ((3, 400, 50), (3, 1, 50))
    assert torch.equal(W[0], W[2])
    assert not b.any()
    assert W.requires_grad
    assert b.requires_grad
    assert W.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.03)


@pytest.mark.parametrize("kind", ["linear", "one hidden layer", "two hidden layers"])
def test_networks_are_those_of_torch(page: dict, kind: str) -> None:
    parameters = page["network"](kind, 6, 3, 2, generator(0))
    parameters = [p.detach() + 0.1 * torch.randn(p.shape) for p in parameters]
    X, sizes = torch.randn(5, 6), [6, *page["SIZES"][kind], 3]
    layers = []
    for i, (W, b) in enumerate(zip(parameters[::2], parameters[1::2])):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(sizes[i], sizes[i + 1])]
        layers[-1].weight.data, layers[-1].bias.data = W[1].T, b[1, 0]
    assert_close(page["forward"](parameters, X)[1], nn.Sequential(*layers)(X), 1e-5)


def test_the_convolutional_network(page: dict) -> None:
    parameters = page["network"]("convolutional", 196, 3, 2, generator(0))
    parameters = [p.detach() + 0.1 * torch.randn(p.shape) for p in parameters]
    X = torch.randn(4, 1, 14, 14)
    W, b, out, bias = (p[1] for p in parameters)
    maps = F.max_pool2d(F.conv2d(X, W.T.view(8, 1, 5, 5), b[0]).relu(), 2)
    wanted = maps.movedim(1, 3).flatten(1) @ out + bias
    found = page["forward"](parameters, F.unfold(X, 5).mT)
    assert_close(found[1], wanted, 1e-5)
    assert found.shape == (2, 4, 3)


@pytest.mark.parametrize("falling", [False, True])
def test_descent_is_sgd(page: dict, falling: bool) -> None:
    X, y, rates = torch.randn(10, 4), torch.randint(3, (10,)), torch.tensor([0.1, 0.03])
    parameters = page["network"]("one hidden layer", 4, 3, 2, generator(0))
    states = page["descent"](
        parameters, X, y, page["softmax_loss"], rates, 3, 4, generator(1),
        momentum=0.9, weight_decay=0.1, falling=falling,
    )  # fmt: skip
    copies = [[p[run].detach().clone().requires_grad_() for p in parameters] for run in (0, 1)]
    for copy, rate in zip(copies, rates.tolist()):
        groups = [
            {"params": copy[::2], "weight_decay": 0.1},
            {"params": copy[1::2], "weight_decay": 0},
        ]
        sgd, rng, step = torch.optim.SGD(groups, rate, momentum=0.9), generator(1), 0
        for _ in range(3):
            for rows in torch.randperm(10, generator=rng).split(4):
                for group in sgd.param_groups:
                    group["lr"] = rate * (1 - step / 9 if falling else 1)
                W1, b1, W2, b2 = copy
                loss = F.cross_entropy((X[rows] @ W1 + b1).relu() @ W2 + b2, y[rows])
                sgd.zero_grad()
                loss.backward()
                sgd.step()
                step += 1
    assert len(list(states)) == 3
    if falling:  # momentum of torch lies outside the rate, as here
        assert not torch.equal(parameters[0][0], parameters[0][1])
    for i, copy in enumerate(copies):
        for ours, theirs in zip(parameters, copy):
            assert_close(ours[i], theirs, 1e-5)


@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("foundations/losses", also=ALSO, exercises=True)


def test_wrong_mean_losses_are_refused(exercises: dict) -> None:
    def by_sentences(batches: object) -> Tensor:
        kept = [(F.cross_entropy(z, y, ignore_index=0), len(y)) for z, y in batches]
        return sum(loss * n for loss, n in kept) / sum(n for _, n in kept)

    def mean_of_means(batches: object) -> Tensor:
        kept = [(z, y) for z, y in batches if y.any()]
        return torch.stack([F.cross_entropy(z, y, ignore_index=0) for z, y in kept]).mean()

    def with_padding(batches: object) -> Tensor:
        kept = [(F.cross_entropy(z, y, reduction="sum"), y.numel()) for z, y in batches]
        return sum(loss for loss, _ in kept) / sum(n for _, n in kept)

    def right(batches: object) -> Tensor:
        every = [F.cross_entropy(z, y, reduction="none")[y != 0] for z, y in batches]
        return torch.cat(every).mean()

    for wrong in (by_sentences, mean_of_means, with_padding):
        with pytest.raises(AssertionError):
            exercises["mean_spec"](wrong)
    exercises["mean_spec"](right)


def test_wrong_quantile_losses_are_refused(exercises: dict) -> None:
    def right(prediction: Tensor, y: Tensor, q: float) -> Tensor:
        return torch.maximum(q * (y - prediction), (q - 1) * (y - prediction)).mean()

    exercises["quantile_spec"](right)
    for wrong in (
        lambda p, y, q: right(p, y, 1 - q),
        lambda p, y, q: 2 * right(p, y, q),
        lambda p, y, q: right(p, y, q) * len(y),
    ):
        with pytest.raises(AssertionError):
            exercises["quantile_spec"](wrong)
