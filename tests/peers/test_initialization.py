"""The definitions of mlp/initialization against torch.nn.init, torch.nn and torch.optim."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator, seed_everything
from utils.compat import d2l

ALSO = (
    "KINDS",
    "RATES",
    "STARTS",
    "orthogonal_start",
    "train_images",
    "test_images",
    "X",
    "X_test",
)
SHAPES = [(100, 400), (400, 100), (64, 64), (1, 5), (5, 1), (16, 3, 5, 5), (8, 32, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_fans(page: dict, shape: tuple) -> None:
    W = torch.empty(shape)
    assert page["fans"](W) == nn.init._calculate_fan_in_and_fan_out(W)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_xavier_and_he_draw_the_librarys_numbers(page: dict, kind: str, shape: tuple) -> None:
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
        page["fill"](W, 0.3, kind, generator(0))
        assert abs(W.std().item() / 0.3 - 1) < 0.02
        assert (W.abs().max() > 0.6) == (kind == "normal")


def test_the_default_of_a_linear_layer(page: dict) -> None:
    layer, W, b = nn.Linear(300, 200), torch.empty(200, 300), torch.empty(200)
    seed_everything(1)
    page["linear_default"](W, b)
    seed_everything(1)
    layer.reset_parameters()
    assert_close(W, layer.weight.detach(), 1e-7)
    assert_close(b, layer.bias.detach(), 1e-7)
    page["linear_default"](W, b, generator(4))
    first = W.clone(), b.clone()
    page["linear_default"](W, b, generator(4))
    assert torch.equal(first[0], W)
    assert torch.equal(first[1], b)


def test_a_convolution_filled_by_xavier_is_d2ls(page: dict) -> None:
    ours, theirs = nn.Conv2d(3, 8, 5), nn.Conv2d(3, 8, 5)
    page["xavier"](ours.weight, "uniform", generator(2))
    seed_everything(2)
    d2l.init_cnn(theirs)
    assert_close(ours.weight.detach(), theirs.weight.detach(), 1e-6)


@pytest.mark.parametrize("shape", [(100, 40), (40, 100), (64, 64), (1, 5), (5, 1), (16, 3, 5, 5)])
@pytest.mark.parametrize("gain", [1.0, math.sqrt(2)])
def test_orthogonal_is_the_librarys(page: dict, shape: tuple, gain: float) -> None:
    W, V = torch.empty(shape), torch.empty(shape)
    page["orthogonal"](W, gain, generator(5))
    flat = W.flatten(1)
    small = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    assert_close(small, gain**2 * torch.eye(len(small)), 1e-4)
    nn.init.orthogonal_(V, gain, generator=generator(5))
    assert_close(W, V, 1e-3)


def test_gram_schmidt_is_qr_with_a_positive_diagonal(page: dict) -> None:
    A = torch.randn(30, 20).double()
    Q, R = torch.linalg.qr(A)
    assert_close(page["gram_schmidt"](A), Q * R.diagonal().sign(), 1e-9)


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_every_layer_gets_unit_variance(page: dict, activation: Any) -> None:
    layers, X = [nn.Linear(9, 8), nn.Linear(8, 7), nn.Linear(7, 3)], 5 * torch.randn(200, 9) + 1
    for layer in layers:
        nn.init.zeros_(layer.bias)
    page["unit_variance"](layers, X, activation)
    H = X
    for layer in layers:
        assert_close(layer(H).std(), torch.tensor(1.0), 1e-4)
        H = activation(layer(H))


def plain(page: dict, layers: list[nn.Linear], H: Tensor, setting: Any) -> Tensor:
    """The network, a copy at a time, written out."""
    activation = page["KINDS"][setting.activation]
    for i, layer in enumerate(layers):
        inner = nn.LayerNorm(H.shape[1])(H) if setting.norm and i else H
        out = layer(inner)
        if i == len(layers) - 1:
            return out
        H = H + activation(out) if setting.skip and i else activation(out)
    raise AssertionError


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", ["ReLU", "tanh"])
def test_stacked_networks_are_plain_ones(
    page: dict, norm: bool, skip: bool, activation: str
) -> None:
    setting = page["Setting"](3, 6, activation=activation, norm=norm, skip=skip)
    layers = page["initial"](5, "PyTorch's", setting)
    X, y = torch.randn(9, 196), torch.randint(10, (9,))
    params = page["stacked"](layers, 4)
    losses = page["losses"](params, X, y, setting)
    expected = F.cross_entropy(plain(page, layers, X, setting), y)
    assert_close(losses.detach(), expected.detach().expand(4))
    losses.sum().backward()
    expected.backward()
    theirs = [p for layer in layers for p in layer.parameters()]
    for ours, p in zip(params, theirs):
        assert len(ours) == 4
        assert_close(ours.grad[2].view_as(p), p.grad)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_each_copy_has_its_own_learning_rate(page: dict, name: str) -> None:
    kinds = {
        "SGD": lambda ps, rate: torch.optim.SGD(ps, rate, momentum=0.9),
        "Adam": torch.optim.Adam,
    }
    setting, rates = page["Setting"](2, 5), torch.tensor([1e-3, 1e-2, 0.2])
    layers = page["initial"](3, "He", setting)
    params = page["stacked"](layers, 3)
    ours = kinds[name](params, 1.0)
    X, y = torch.randn(12, 196), torch.randint(10, (12,))
    for _ in range(4):
        ours.zero_grad()
        page["losses"](params, X, y, setting).sum().backward()
        page["step"](params, ours, rates)
    for run, rate in enumerate(rates):
        copy = page["initial"](3, "He", setting)
        single = [p for layer in copy for p in layer.parameters()]
        theirs = kinds[name](single, rate.item())
        for _ in range(4):
            theirs.zero_grad()
            F.cross_entropy(plain(page, copy, X, setting), y).backward()
            theirs.step()
        for p, q in zip(params, single):
            assert_close(p.detach()[run].view_as(q), q.detach(), 1e-4)


def test_starts_have_their_scale(page: dict) -> None:
    setting = page["Setting"](4, 200)
    nv = {"PyTorch's": 1 / 3, "PyTorch's, zero biases": 1 / 3, "Xavier": 1.0, "He": 2.0,
          "He, random biases": 2.0, "orthogonal": 2.0, "0.02": 200 * 0.0004,
          "as wide": 200 * 768 * 0.0004 / 32}  # fmt: skip
    assert {*nv, "LSUV"} == set(page["STARTS"])
    for name, wanted in nv.items():
        layer = page["initial"](1, name, setting)[1]
        assert abs(200 * layer.weight.square().mean().item() / wanted - 1) < 0.03
        assert layer.bias.any() == (name in ("PyTorch's", "He, random biases"))


def test_lsuv_looks_at_images(page: dict) -> None:
    for activation, act in page["KINDS"].items():
        H = page["X"][:256]
        for layer in page["initial"](2, "LSUV", page["Setting"](3, 20, activation=activation)):
            assert_close(layer(H).std(), torch.tensor(1.0), 1e-4)
            flat = layer.weight @ layer.weight.T if layer.in_features >= layer.out_features else 0
            if layer.in_features >= layer.out_features:
                assert_close(flat / flat[0, 0], torch.eye(len(flat)), 1e-3)
            H = act(layer(H))


def test_tuning_finds_the_best_rate_and_stop(page: dict) -> None:
    setting = page["Setting"](2, 8, steps=60)
    found = page["tune"](1, "He", setting)
    assert found.validation.shape == (7,)
    assert found.accuracy.max() > 0.3
    longer = page["tune"](1, "He", replace(setting, steps=240))
    assert longer.validation.min() < found.validation.min()
    best = found.validation.argmin()
    assert page["accuracy"](1, ("He",), setting) == found.accuracy[best].item()
    assert page["accuracy"](1, ("0.02", "He"), setting) == found.accuracy[best].item()
    small = page["accuracy"](1, ("0.02",), setting)
    gap = page["accuracy"](1, ("He",), setting) - small
    assert page["keeps_up"](1, "0.02", ("He",), setting) == pytest.approx(0.02 - gap)
    assert page["keeps_up"](1, "He", ("0.02",), setting) == pytest.approx(0.02 + gap)
    assert_close(
        torch.tensor(page["learned"](1, "He", setting)), math.log(10) - found.loss[best], 1e-6
    )


@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
def test_each_run_is_plain_training(page: dict, optimiser: str) -> None:
    assert page["Setting"]().examples == 5000 and page["Setting"]().eps == 1e-8
    setting = page["Setting"](
        depth=2, width=8, steps=12, optimiser=optimiser, examples=3000, eps=1e-3
    )
    found, X, y = page["tune"](3, "He", setting), page["X"], page["y"]
    rate = page["RATES"][optimiser][4]
    parts = [part for layer in page["initial"](3, "He", setting) for part in (layer, nn.ReLU())]
    model = nn.Sequential(*parts[:-1])
    kinds = {"SGD": lambda ps: torch.optim.SGD(ps, rate, momentum=0.9),
             "Adam": lambda ps: torch.optim.Adam(ps, rate, eps=1e-3)}  # fmt: skip
    optimizer, rng, seen = kinds[optimiser](model.parameters()), generator(3), []
    order = torch.randperm(len(X), generator=rng)
    for step in range(1, 13):
        batch = order[:3000][torch.randint(3000, (64,), generator=rng)]
        optimizer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        optimizer.step()
        if step % 2 == 0:
            with torch.no_grad():
                pairs = (X[order[-1000:]], y[order[-1000:]]), (page["X_test"], page["y_test"])
                seen.append([F.cross_entropy(model(a), b) for a, b in pairs])
    validation, test = min(seen)
    assert_close(found.validation[4], validation, 1e-3)
    assert_close(found.loss[4], test, 1e-3)


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_signals_are_autograds(page: dict, activation: Any) -> None:
    forward, backward = page["signal"](2.0, activation, depth=2, n=12)
    rng = generator(0)
    W1, W2, W3 = (torch.randn(s, generator=rng).double() for s in ((12, 196), (12, 12), (10, 12)))
    first = activation(math.sqrt(2 / 196) * page["X"][:64].double() @ W1.T).requires_grad_()
    second = activation(math.sqrt(2 / 12) * first @ W2.T)
    loss = F.cross_entropy(second @ W3.T / math.sqrt(12), page["y"][:64])
    grads = torch.autograd.grad(loss, [first, second])
    for ours, theirs in ((forward, (first, second)), (backward, grads)):
        wanted = torch.stack([t.detach().square().mean().sqrt() for t in theirs])
        assert_close(torch.tensor(ours, dtype=torch.float64), wanted, 1e-9)


def test_a_residual_stream_adds_variances(page: dict) -> None:
    assert abs(page["stream"](24, 1.0) / 25 - 1) < 0.1
    assert abs(page["stream"](24, 0.5) / 7 - 1) < 0.1
    assert abs(page["stream"](0, 1.0) - 1) < 0.05
    assert page["stream"](2, 1.0) == page["stream"](2, 1.0)  # from a generator of its own


def test_shapes_are_checked(page: dict) -> None:
    with pytest.raises(Exception, match="Type-check error"):
        page["xavier"](torch.empty(5))
