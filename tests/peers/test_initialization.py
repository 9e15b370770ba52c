"""The definitions of mlp/initialization against torch.nn.init and torch.nn."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator, seed_everything
from utils.compat import d2l

SHAPES = [(100, 400), (400, 100), (64, 64), (1, 5), (5, 1), (16, 3, 5, 5), (8, 32, 1, 1)]


ALSO = ["train_images", "X_train"]


@pytest.mark.parametrize("shape", SHAPES)
def test_fans(page: dict, shape: tuple) -> None:
    W = torch.empty(shape)
    assert page["fans"](W) == nn.init._calculate_fan_in_and_fan_out(W)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_xavier_and_kaiming_draw_the_librarys_numbers(page: dict, kind: str, shape: tuple) -> None:
    for ours, theirs, options in (
        (page["xavier"], getattr(nn.init, f"xavier_{kind}_"), {}),
        (page["he"], getattr(nn.init, f"kaiming_{kind}_"), {"nonlinearity": "relu"}),
    ):
        W, V = torch.empty(shape), torch.empty(shape)
        ours(W, kind, generator(3))
        theirs(V, generator=generator(3), **options)
        assert_close(W, V, 1e-6)


def test_variances_are_the_formulas(page: dict) -> None:
    W = torch.empty(500, 1500)
    for kind in ("normal", "uniform"):
        page["xavier"](W, kind, generator(0))
        assert abs(W.var().item() / (2 / 2000) - 1) < 0.02
        page["he"](W, kind, generator(0))
        assert abs(W.var().item() / (2 / 1500) - 1) < 0.02
        assert abs(W.mean().item()) < 1e-3
    page["normal"](0.3)(W)
    assert abs(W.std().item() / 0.3 - 1) < 0.02


@pytest.mark.parametrize("shape", [(100, 40), (40, 100), (64, 64), (1, 5), (5, 1), (16, 3, 5, 5)])
@pytest.mark.parametrize("gain", [1.0, math.sqrt(2)])
def test_orthogonal_is_the_librarys(page: dict, shape: tuple, gain: float) -> None:
    W, V = torch.empty(shape).double(), torch.empty(shape).double()
    page["orthogonal"](W, gain, generator(5))
    nn.init.orthogonal_(V, gain, generator=generator(5))
    # the page draws in single precision
    flat = W.flatten(1)
    small = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    assert_close(small, gain**2 * torch.eye(len(small)).double(), 1e-4)
    V = torch.empty(shape)
    nn.init.orthogonal_(V, gain, generator=generator(5))
    assert_close(W.float(), V, 1e-3)


def test_gram_schmidt_is_qr_with_a_positive_diagonal(page: dict) -> None:
    A = torch.randn(30, 20).double()
    Q, R = torch.linalg.qr(A)
    assert_close(page["gram_schmidt"](A), Q * R.diagonal().sign(), 1e-9)


def test_the_default_is_the_default(page: dict) -> None:
    W = torch.empty(200, 300)
    with torch.no_grad():
        seed_everything(1)
        page["pytorch_default"](W)
    seed_everything(1)
    assert torch.equal(W, nn.Linear(300, 200).weight)


def test_init_xavier_is_d2ls(page: dict) -> None:
    weights = []
    for init in (page["init_xavier"], d2l.init_cnn):
        model = page["small_convolution_network"]()
        model.apply(init)
        weights.append([p.detach() for p in model.parameters()])
    for ours, theirs in zip(*weights):
        assert_close(ours, theirs, 1e-6)


@pytest.mark.parametrize(("activation", "module"), [(torch.relu, nn.ReLU), (torch.tanh, nn.Tanh)])
def test_networks_are_sequentials(page: dict, activation: Any, module: Any) -> None:
    models = page["Networks"](page["he"], [6, 5, 4, 3], activation, range(4))
    for b in models.biases:
        nn.init.normal_(b)
    X, y = torch.randn(4, 9, 6), torch.randint(3, (4, 9))
    F.cross_entropy(models(X).mT, y).backward()
    for run in range(4):
        plain = page["as_sequential"](models, run, module)
        assert_close(plain(X[run]), models(X)[run])
        (F.cross_entropy(plain(X[run]), y[run]) / 4).backward()
        for i, (W, b) in enumerate(zip(models.weights, models.biases)):
            assert_close(plain[2 * i].weight.grad, W.grad[run])
            assert_close(plain[2 * i].bias.grad, b.grad[run, 0])


def test_signal_is_autograds(page: dict) -> None:
    sizes = [196, 12, 11, 10]
    X, y = torch.randn(20, 196), torch.randint(10, (20,))
    page["X_train"], page["y_train"] = X, y
    hidden, gradients = page["signal"](page["he"], torch.tanh, sizes, seed=2, rows=20)
    W1, W2, W3 = (W.double() for W in page["draw"](page["he"], sizes, 2))
    rows = torch.randperm(20, generator=generator(2))

    def loss(H: Tensor) -> Tensor:
        return F.cross_entropy(torch.tanh(H @ W2.T) @ W3.T, y[rows])

    first = torch.tanh(X[rows].double() @ W1.T).requires_grad_()
    assert_close(hidden[0], first.detach(), 1e-10)
    assert not hidden[0].requires_grad
    assert_close(gradients[0], torch.autograd.grad(loss(first), first)[0], 1e-10)


def test_shapes_are_checked(page: dict) -> None:
    with pytest.raises(Exception, match="Type-check error"):
        page["xavier"](torch.empty(5))
