"""The definitions of foundations/calculus against torch, torch.func and d2l."""

import math
import warnings

import pytest
import torch
from torch.func import grad, jacrev
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close
from utils.compat import d2l

EXACT = 1e-12  # double precision, relative to the larger of 1 and the value


@pytest.fixture(scope="module")
def page():
    """The page's definitions; as on the page, in double precision."""
    torch.set_default_dtype(torch.float64)
    yield notebook_definitions("foundations/calculus", also={"STEPS", "train"})
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [(math.sin, math.cos), (math.exp, math.exp), (lambda x: x**3, lambda x: 3 * x**2)],
)
@pytest.mark.parametrize("x", [-1.0, 0.0, 0.7])
def test_slope_is_the_derivative(page: dict, f, derivative, x: float) -> None:
    assert_close(page["slope"](f, x), derivative(x), 1e-8)


def test_slope_takes_its_step(page: dict) -> None:
    assert_close(page["slope"](lambda x: x**3, 2.0, h=1.0), 13.0, EXACT)  # (27 - 1) / 2


FUNCTIONS = {
    "(3) to ()": (lambda x: x.prod(), 3),
    "(3) to (2)": (lambda x: torch.stack([x.sum() ** 2, x.prod()]), 3),
    "(2) to (3, 2)": (lambda x: torch.outer(torch.arange(3.0), x.tanh()), 2),
    "(1) to (1)": (lambda x: x**2, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_differences_are_jacrev(page: dict, name: str) -> None:
    f, n = FUNCTIONS[name]
    x = torch.randn(n)
    given = x.clone()
    assert_close(page["jacobian"](f, x), jacrev(f)(x), 1e-8)
    assert_close(page["one_sided"](f, x, 1e-7), jacrev(f)(x), 1e-5)
    assert torch.equal(x, given)


def test_differences_take_their_step_and_keep_the_type(page: dict) -> None:
    x = torch.tensor([2.0, 3.0], dtype=torch.float32)
    central = page["jacobian"](lambda x: (x**3).sum(), x, 1.0)
    forward = page["one_sided"](lambda x: (x**3).sum(), x, 1.0)
    assert central.dtype == forward.dtype == torch.float32
    assert_close(central, torch.tensor([13.0, 28.0]), 1e-6)
    assert_close(forward, torch.tensor([19.0, 37.0]), 1e-6)


def test_the_two_paths(page: dict) -> None:
    for x in (torch.tensor([2.0, 3.0]), torch.randn(2)):
        h = page["hidden"](x)
        assert_close(h, torch.stack([x.prod(), x.sum()]), EXACT)
        assert_close(page["output"](h), x.prod() * x.sum(), EXACT)


@pytest.mark.parametrize("targets", [(), (1,), (3,)])
def test_squared_loss_and_its_gradient(page: dict, targets: tuple[int, ...]) -> None:
    X, Y, W = torch.randn(9, 4), torch.randn(9, *targets), torch.randn(4, *targets)
    leaf = W.clone().requires_grad_()
    loss = F.mse_loss(X @ leaf, Y, reduction="sum") / 9
    loss.backward()
    assert_close(page["squared_loss"](W, X, Y), loss, EXACT)
    assert_close(page["squared_loss_gradient"](W, X, Y), leaf.grad, EXACT)


def test_the_loss_is_twice_that_of_d2l(page: dict) -> None:
    X, y, w = torch.randn(9, 4), torch.randn(9), torch.randn(4)
    halves = grad(lambda w: d2l.squared_loss(d2l.linreg(X, w[:, None], 0.0), y).mean())
    assert_close(page["squared_loss_gradient"](w, X, y), 2 * halves(w), EXACT)


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_network_loss_is_that_of_a_module(page: dict, activation) -> None:
    X, y = torch.randn(9, 4), torch.randn(9)
    first, last = torch.nn.Linear(4, 3), torch.nn.Linear(3, 1, bias=False)
    parts = first.weight.T.flatten(), first.bias, last.weight.flatten()
    w = torch.cat(parts).detach()
    loss = F.mse_loss(last(activation(first(X)))[:, 0], y)
    assert_close(page["network_loss"](w, X, y, activation), loss, EXACT)
    loss.backward()
    found = grad(page["network_loss"])(w, X, y, activation)
    assert_close(found[:12], first.weight.grad.T.flatten(), EXACT)
    assert_close(found[-3:], last.weight.grad.flatten(), EXACT)


def test_network_loss_has_tanh_by_default(page: dict) -> None:
    w, X, y = torch.randn(18), torch.randn(9, 4), torch.randn(9)
    expected = page["network_loss"](w, X, y, torch.tanh)
    assert_close(page["network_loss"](w, X, y), expected, EXACT)


def test_relative_error(page: dict) -> None:
    exact = torch.tensor([3.0, 4.0])
    assert_close(page["relative_error"](torch.tensor([3.0, 4.5]).float(), exact), 0.1, EXACT)
    assert page["relative_error"](exact, exact) == 0


def test_standardised(page: dict) -> None:
    Z = page["standardised"](3 + 5 * torch.randn(50, 2))
    assert_close(Z.mean(0), torch.zeros(2), EXACT)
    assert_close(Z.square().mean(0), torch.ones(2), EXACT)


def test_starting_weights_keep_the_size_of_sums(page: dict) -> None:
    w = page["starting_weights"](0, d=50, hidden_size=200, gain=2.0)
    A, b, c = w.split([10_000, 200, 200])
    assert_close(A.square().mean(), 2 / 50, 0.01)
    assert (b == 0).all()
    assert_close(200 * c.square().mean(), 1.0, 0.2)
    again = page["starting_weights"](0, d=50, hidden_size=200, gain=2.0)
    other = page["starting_weights"](1, d=50, hidden_size=200, gain=2.0)
    assert torch.equal(w, again) and not torch.equal(w, other)


def test_other_units_are_the_same_network(page: dict) -> None:
    network = 3, "tanh", 4, 20, "diabetes", 0
    (loss, w), (other, v) = (
        page["loss_at_weights"](*network, units) for units in ("standardised", "as measured")
    )
    assert_close(loss(w), other(v), EXACT)
    assert (v - w).abs().max() > 0.1


def test_descent_lowers_the_loss(page: dict) -> None:
    network = 3, "tanh", 4, 400, "diabetes"
    loss, w = page["loss_at_weights"](*network, 0, "standardised")
    _, v = page["loss_at_weights"](*network, 50, "standardised")
    assert loss(v) < loss(w) - 0.1
    X, y = page["tables"]("diabetes")
    assert X.dtype == y.dtype == torch.float64
    rows = torch.randperm(len(X), generator=page["generator"](3))[:400]
    assert_close(loss(w), page["network_loss"](w, X[rows], y[rows]), EXACT)  # 400 of 442
    _, once = page["loss_at_weights"](*network, 1, "standardised")
    assert_close(once, w - 0.05 * grad(loss)(w), EXACT)


def test_a_gradient_check_fails_in_single_precision_only(page: dict) -> None:
    loss, w = page["loss_at_weights"](0, "tanh", 4, 50, "diabetes", 0, "standardised")
    check = torch.autograd.gradcheck
    assert check(loss, w.clone().requires_grad_())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not check(loss, w.float().requires_grad_(), raise_exception=False)


def test_the_trained_network_recognises_digits(page: dict) -> None:
    X, y, X_test, y_test = page["images_of"]("digits", 0)
    assert X.shape == (1200, 64) and len(X_test) == 597
    clothes = page["images_of"]("clothes", 0)
    assert [tuple(part.shape) for part in clothes] == [(7000, 784), (7000,), (1000, 784), (1000,)]
    for hidden_size in (0, 16):
        network = page["trained"](X, y, hidden_size, 300)
        kinds = [type(layer).__name__ for layer in network]
        assert kinds == ["Linear", "ReLU", "Linear"] if hidden_size else ["Linear"]
        assert (network(X_test).argmax(1) == y_test).double().mean() > 0.85
