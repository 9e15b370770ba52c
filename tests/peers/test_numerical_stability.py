"""The definitions of mlp/numerical-stability against torch's dtypes, clipping and GradScaler."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator
from utils.diagrams import precision

ALSO = ("FLOAT16", "BFLOAT16")
FORMS = {"FLOAT16": torch.float16, "BFLOAT16": torch.bfloat16}


@pytest.mark.parametrize("name", FORMS)
def test_all_patterns_are_torchs(page: dict, name: str) -> None:
    bits = torch.arange(2**16)
    theirs = bits.where(bits < 2**15, bits - 2**16).to(torch.int16).view(FORMS[name]).double()
    ours = page["decode"](bits, page[name])
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert torch.equal(ours[~ours.isnan()], theirs[~ours.isnan()])
    assert page[name].largest == torch.finfo(FORMS[name]).max


@pytest.mark.parametrize("name", FORMS)
def test_rounding_is_torchs(page: dict, name: str) -> None:
    for scale in (1e-45, 1e-40, 1e-8, 1e-5, 1.0, 1e4, 1e38):
        x = (scale * torch.randn(5000).double()).float()
        assert torch.equal(page["rounded"](x, page[name]), x.to(FORMS[name]).double())


def test_stochastic_rounding_is_right_on_average(page: dict) -> None:
    form, x = page["BFLOAT16"], torch.tensor(1 + 2.0**-9).expand(40_000)
    for way in (lambda: page["rounded"](x, form, generator(1)),
                lambda: page["stochastic"](x.contiguous(), generator(1))):  # fmt: skip
        found = way()
        assert set(found.tolist()) == {1.0, 1 + 2.0**-7}
        assert found.double().mean().item() == pytest.approx(1 + 2.0**-9, abs=1e-4)
        assert torch.equal(way(), found)  # the generator decides, and nothing else
    exact = torch.tensor([1.0, -0.5, 0.0, 3.0])
    assert torch.equal(page["rounded"](exact, form, generator(1)), exact.double())
    assert torch.equal(page["stochastic"](exact, generator(1)), exact)
    negative = page["rounded"](-x, form, generator(2)).mean().item()
    assert negative == pytest.approx(-1 - 2.0**-9, abs=1e-4)


@pytest.mark.parametrize("c", [0.1, 1.0, 100.0])
def test_clipping_is_torchs(page: dict, c: float) -> None:
    grads = [torch.randn(3, 4), 5 * torch.randn(7)]
    for name, theirs in (
        ("clip_by_norm", nn.utils.clip_grad_norm_),
        ("clip_by_value", nn.utils.clip_grad_value_),
    ):
        parameters = [nn.Parameter(torch.zeros_like(g)) for g in grads]
        for p, g in zip(parameters, grads):
            p.grad = g.clone()
        theirs(parameters, c)
        for ours, p in zip(page[name](grads, c), parameters):
            assert_close(ours, p.grad, 1e-6)
    flat = torch.cat([g.flatten() for g in grads])[None]
    for by, name in (("norm", "clip_by_norm"), ("value", "clip_by_value")):
        theirs = torch.cat([g.flatten() for g in page[name](grads, c)])
        assert_close(page["clipped"](flat, torch.tensor([[c]]), by)[0], theirs, 1e-5)
    assert torch.equal(page["clipped"](flat, torch.tensor([[c]]), ""), flat)


@pytest.mark.parametrize("interval", [1, 3])
def test_the_dynamic_scale_is_grad_scalers(page: dict, interval: int) -> None:
    bad = torch.rand(40) < 0.2
    ends = []
    for ours in (True, False):
        w = nn.Parameter(torch.tensor([1.0, -2.0]))
        idle = nn.Parameter(torch.tensor(1.0))
        sgd = torch.optim.SGD([{"params": [w]}, {"params": [idle]}], 0.01)
        scaler = page["DynamicScale"](8.0, interval) if ours else torch.amp.GradScaler(
            "cpu", init_scale=8.0, growth_interval=interval
        )  # fmt: skip
        states = []
        for flag in bad:
            sgd.zero_grad()
            loss = (w.square().sum() + idle) * (math.inf if flag else 1.0)
            if ours:
                (loss * scaler.scale).backward()
                scaler.step(sgd)
                states.append(scaler.scale)
            else:
                scaler.scale(loss).backward()
                scaler.step(sgd)
                scaler.update()
                states.append(scaler.get_scale())
        ends.append(torch.tensor([*states, *w.tolist(), idle.item()]))
    assert_close(*ends, 1e-6)


def test_the_stacked_networks_are_modules(page: dict) -> None:
    for activation, layer in (("ReLU", nn.ReLU), ("tanh", nn.Tanh)):
        setting = page["Setting"](depth=2, width=5, activation=activation)
        w = page["initial"](3, setting)
        w = w + 0.1 * torch.randn(len(w))
        model = nn.Sequential(
            nn.Linear(49, 5), layer(), nn.Linear(5, 5), layer(), nn.Linear(5, 10)
        )  # fmt: skip
        nn.utils.vector_to_parameters(w, model.parameters())
        X, y = torch.randn(6, 49), torch.randint(10, (6,))
        leaf = w[None].clone().requires_grad_()
        loss = page["losses"](leaf, X, y, setting, torch.float32)
        theirs = F.cross_entropy(model(X), y)
        assert_close(loss[0], theirs, 1e-5)
        (g,) = torch.autograd.grad(loss.sum(), leaf)
        theirs.backward()
        assert_close(g[0], torch.cat([p.grad.flatten() for p in model.parameters()]), 1e-5)


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_directions_are_torchs(page: dict, optimizer: str) -> None:
    w = nn.Parameter(torch.randn(2, 5))
    theirs = torch.optim.Adam([w], 0.1) if optimizer == "Adam" else torch.optim.SGD([w], 0.1, 0.9)
    ours, state = w.detach().clone(), [torch.zeros(2, 5), torch.zeros(2, 5)]
    for t in range(1, 6):
        w.grad = torch.randn(2, 5)
        step, state = page["direction"](w.grad, state, t, optimizer)
        theirs.step()
        ours = ours - 0.1 * step
        assert_close(ours, w.detach(), 1e-5)


def test_emulated_products_are_torchs(page: dict) -> None:
    setting = page["Setting"](depth=1, width=8)
    w = page["initial"](0, setting)[None]
    X = torch.randn(4, 49)
    for name in ("float16", "bfloat16"):
        dtype = page["DTYPES"][name]
        W1, b1, W2, b2 = (p.to(dtype) for p in w[0].split([8 * 49, 8, 80, 10]))
        h = F.linear(X.to(dtype), W1.view(8, 49), b1).relu()
        theirs = F.linear(h, W2.view(10, 8), b2).float()
        ours = page["logits_of"](w, X, setting, dtype)[0]
        assert torch.equal(ours, ours.to(dtype).float())
        assert_close(ours, theirs, 0.05 if name == "bfloat16" else 0.005)


def test_gradients_are_rounded_on_the_way_back(page: dict) -> None:
    x = torch.tensor([1.0, 1 + 2.0**-12], requires_grad=True)
    out = page["InFormat"].apply(x, torch.float16)
    assert out.tolist() == [1.0, 1.0]
    (g,) = torch.autograd.grad((out * torch.tensor([1e-9, 3.0001])).sum(), x)
    assert g.tolist() == [0.0, 3.0]


def test_who_is_diagnosed(page: dict) -> None:
    def diagnose(model: nn.Module, X: torch.Tensor, lr: float = 0.1) -> str:
        sgd = torch.optim.SGD(model.parameters(), lr)
        return page["step_diagnosed"](model, sgd, X, torch.tensor([0, 1]))

    X = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    assert diagnose(model, X) == ""
    assert diagnose(model, X * math.nan) == "data or parameters"
    for layer in (1, 0):
        nn.init.constant_(model[layer].weight, 3e38)
        assert diagnose(model, X + 5) == f"forward, output of layer {layer}"
    alone = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        alone[0].weight.copy_(3e38 * torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    assert diagnose(alone, torch.ones(2, 2)) == "the loss"
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    assert diagnose(model, X, lr=math.inf).startswith("update of 0.")
    roots = nn.Sequential(nn.Linear(2, 8), page["Root"](), nn.Linear(8, 2))
    nn.init.constant_(roots[0].weight, -1.0)
    nn.init.zeros_(roots[0].bias)
    assert diagnose(roots, X.abs()) == "backward"
    safe = nn.Sequential(roots[0], page["SafeRoot"](), roots[2])
    assert diagnose(safe, X.abs()) == ""


def test_both_roots_are_roots(page: dict) -> None:
    h = torch.tensor([[-2.0, 0.0, 0.25, 1.0, 9.0]])
    for name in ("Root", "SafeRoot"):
        assert page[name]()(h).tolist() == [[0.0, 0.0, 0.5, 1.0, 3.0]]
    leaf = h.clone().requires_grad_()
    (slope,) = torch.autograd.grad(page["SafeRoot"]()(leaf).sum(), leaf)
    assert slope.tolist() == [[0.0, 0.0, 1.0, 0.5, pytest.approx(1 / 6)]]


def test_scales_are_those_of_autograd(page: dict) -> None:
    page |= {"X": torch.rand(70, 49), "y": torch.randint(10, (70,))}
    signal, gradient, of_weights = page["scales"](torch.relu, 2.0, depth=6)
    assert len(signal) == len(gradient) == len(of_weights) == 6
    assert 0.2 < signal[-1] / signal[0] < 5 and 0.1 < gradient[0] / gradient[-1] < 10
    _, gradient, of_weights = page["scales"](torch.relu, 8.0, depth=6)
    assert gradient[0] / gradient[-1] > 5 and 0.4 < of_weights[1] / of_weights[-1] < 2.5
    signal, gradient, _ = page["scales"](torch.sigmoid, 1.0, depth=6)
    assert gradient[0] / gradient[-1] < 0.25**4
    assert page["rms"](torch.tensor([3.0, 4.0])) == pytest.approx(12.5**0.5)


def test_the_formats_drawn_are_torchs() -> None:
    texts = [t.get_text() for t in diagrams.float_formats().axes[0].texts]
    for name, exponent, fraction, *_ in precision.FORMATS:
        info = torch.finfo(getattr(torch, name))
        assert info.bits == 1 + exponent + fraction
        assert info.eps == 2.0**-fraction
        assert name in texts and f"fraction {fraction}" in texts
    texts = [t.get_text() for t in diagrams.jacobian_chain().axes[0].texts]
    assert [t for t in texts if t in "1½¼⅛"] == ["1", "½", "¼", "⅛"]
