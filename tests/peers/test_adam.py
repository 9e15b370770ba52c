"""The optimisers of optimization/adam against torch.optim and d2l, every step."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close
from utils.compat import d2l

TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value
STEPS = 40

# On the page's side: class and settings; on torch's: class and arguments.
PAIRS: dict[str, tuple[str, dict, Any, dict]] = {
    "SGD": ("SGD", {}, torch.optim.SGD, {}),
    "Momentum": ("Momentum", {}, torch.optim.SGD, {"momentum": 0.9}),
    "Momentum 0.5": ("Momentum", {"rho": 0.5}, torch.optim.SGD, {"momentum": 0.5}),
    "Nesterov": ("Nesterov", {}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": ("AdaGrad", {}, torch.optim.Adagrad, {}),
    "RMSProp": ("RMSProp", {}, torch.optim.RMSprop, {}),
    "RMSProp 0.9": ("RMSProp", {"alpha": 0.9}, torch.optim.RMSprop, {"alpha": 0.9}),
    "Adam": ("Adam", {}, torch.optim.Adam, {}),
    "Adam, other betas": ("Adam", {"betas": (0.5, 0.9)}, torch.optim.Adam, {"betas": (0.5, 0.9)}),
    "Adam, large epsilon": ("Adam", {"epsilon": 0.1}, torch.optim.Adam, {"eps": 0.1}),
    "AdamW": ("AdamW", {}, torch.optim.AdamW, {}),
}


def make_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_torchs(page: dict, name: str, weight_decay: float) -> None:
    ours, settings, theirs, arguments = PAIRS[name]
    nets, X, y = (make_net(), make_net()), torch.randn(20, 5).double(), torch.arange(20) % 3
    mine = page[ours](nets[0].parameters(), 0.02, weight_decay)
    vars(mine).update(settings)
    other = theirs(nets[1].parameters(), lr=0.02, weight_decay=weight_decay, **arguments)
    for step in range(STEPS):
        for net, optimizer in zip(nets, (mine, other)):
            optimizer.zero_grad()
            (10.0 ** (step % 5 - 2) * F.cross_entropy(net(X), y)).backward()
            optimizer.step()
        for one, two in zip(*(net.parameters() for net in nets)):
            assert_close(one, two, TOLERANCE)
            assert_close(one.grad, two.grad, TOLERANCE)


@pytest.mark.parametrize("name", PAIRS)
def test_zero_gradients_are_no_trouble(page: dict, name: str) -> None:
    ours, settings, theirs, arguments = PAIRS[name]
    one, two = (torch.ones(4).double().requires_grad_() for _ in range(2))
    mine, other = page[ours]([one], 0.1, 0.0), theirs([two], lr=0.1, weight_decay=0.0, **arguments)
    vars(mine).update(settings)
    for step in range(6):
        for x, optimizer in ((one, mine), (two, other)):
            x.grad = torch.zeros_like(x) if step != 2 else torch.arange(4.0).double()
            optimizer.step()
        assert bool(one.isfinite().all())
        assert_close(one, two, TOLERANCE)


def test_sgd_is_d2ls(page: dict) -> None:
    one, two = (torch.ones(4).requires_grad_() for _ in range(2))
    mine, theirs = page["SGD"]([one], 0.1), d2l.SGD([two], 0.1)
    for _ in range(3):
        for x, optimizer in ((one, mine), (two, theirs)):
            optimizer.zero_grad()
            (x**3).sum().backward()
            with torch.no_grad():
                optimizer.step()
    assert_close(one, two)


def test_without_correction_the_averages_start_at_zero(page: dict) -> None:
    optimizer, state = page["Adam"]([], 1.0), {}
    optimizer.correct = False
    first = optimizer.direction(torch.ones(1).double(), state)
    assert_close(first, torch.tensor([0.1 / 0.001**0.5]), 1e-6)
    assert_close(state["m"], torch.tensor([0.1]))


def test_decoupled_decay_ignores_the_gradient(page: dict) -> None:
    x = torch.ones(3).double().requires_grad_()
    optimizer = page["AdamW"]([x], 0.1, weight_decay=0.5)
    x.grad = torch.zeros_like(x)
    optimizer.step()
    assert_close(x, torch.full((3,), 0.95, dtype=torch.float64), TOLERANCE)
