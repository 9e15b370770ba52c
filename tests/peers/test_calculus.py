"""The definitions of foundations/calculus against torch, torch.func and d2l."""

import math

import pytest
import torch
from torch.func import grad, hessian, jacrev
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close
from utils.compat import d2l

EXACT = 1e-12  # double precision, relative to the larger of 1 and the value


@pytest.fixture(scope="module")
def page():
    """The page's definitions; as on the page, in double precision."""
    torch.set_default_dtype(torch.float64)
    # the definition of a subgradient is tried on a grid
    yield notebook_definitions("foundations/calculus", also={"grid"})
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [(math.sin, math.cos), (math.exp, math.exp), (lambda x: x**3, lambda x: 3 * x**2)],
)
@pytest.mark.parametrize("x", [-1.0, 0.0, 0.7])
def test_slope_is_the_derivative(page: dict, f, derivative, x: float) -> None:
    assert_close(page["slope"](f, x), derivative(x), 1e-8)


FUNCTIONS = {
    "() to ()": (lambda x: x**3, ()),
    "(3) to ()": (lambda x: x.prod(), (3,)),
    "() to (2)": (lambda x: torch.stack([x.sin(), x * x]), ()),
    "(3) to (2)": (lambda x: torch.stack([x.sum() ** 2, x.prod()]), (3,)),
    "(2, 3) to ()": (lambda X: X.exp().sum(), (2, 3)),
    "(2, 3) to (3, 2)": (lambda X: X.T.tanh(), (2, 3)),
    "(1) to (1, 1)": (lambda x: x[:, None] ** 2, (1,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_is_jacrev(page: dict, name: str) -> None:
    f, shape = FUNCTIONS[name]
    x = torch.randn(shape)
    given = x.clone()
    assert_close(page["jacobian"](f, x), jacrev(f)(x), 1e-8)
    assert torch.equal(x, given)


@pytest.mark.parametrize("name", ["() to ()", "(3) to ()", "(2, 3) to ()", "(3) to (2)"])
def test_hessian_by_differences_is_hessian(page: dict, name: str) -> None:
    f, shape = FUNCTIONS[name]
    x = torch.randn(shape)
    assert_close(page["hessian_by_differences"](f, x), hessian(f)(x), 1e-5)


@pytest.mark.parametrize(
    "logits", [[0.0], [0.0] * 5, [0.5, -2.0, 40.0], [0.0, 1000.0, 2000.0]], ids=str
)
def test_softmax_and_its_jacobian(page: dict, logits: list[float]) -> None:
    z = torch.tensor(logits)
    assert_close(page["softmax"](z), F.softmax(z, dim=0), EXACT)
    assert_close(page["softmax_jacobian"](z), jacrev(lambda z: F.softmax(z, 0))(z), EXACT)
    assert_close(page["softmax_jacobian"](z), hessian(lambda z: z.logsumexp(0))(z), EXACT)
    batch = torch.stack([z, -z])
    assert_close(page["softmax"](batch), F.softmax(batch, dim=1), EXACT)


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_cross_entropy_and_its_gradient(page: dict, scale: float) -> None:
    X, y, W = torch.randn(9, 4), torch.randint(3, (9,)), scale * torch.randn(4, 3)
    leaf = W.clone().requires_grad_()
    loss = F.cross_entropy(X @ leaf, y)
    loss.backward()
    assert_close(page["cross_entropy"](W, X, y), loss, EXACT)
    assert_close(page["cross_entropy_gradient"](W, X, y), leaf.grad, EXACT)
    assert_close(grad(page["cross_entropy"])(W, X, y), leaf.grad, EXACT)


def test_squared_loss_and_its_gradient(page: dict) -> None:
    X, y, w = torch.randn(9, 4), torch.randn(9), torch.randn(4)
    loss, gradient = page["squared_loss"](w, X, y), page["squared_loss_gradient"](w, X, y)
    assert_close(loss, F.mse_loss(X @ w, y), EXACT)
    assert_close(gradient, grad(lambda w: F.mse_loss(X @ w, y))(w), EXACT)
    assert_close(gradient, page["jacobian"](lambda w: F.mse_loss(X @ w, y), w), 1e-6)
    halves = grad(lambda w: d2l.squared_loss(d2l.linreg(X, w[:, None], 0.0), y).mean())
    assert_close(gradient, 2 * halves(w), EXACT)


@pytest.mark.parametrize(
    ("f", "x", "allowed", "refused"),
    [
        (torch.abs, 0.0, (-1.0, 0.0, 0.3, 1.0), (-1.1, 1.1)),
        (torch.abs, 0.5, (1.0,), (0.9, 0.0, -1.0)),
        (torch.relu, 0.0, (0.0, 0.5, 1.0), (-0.1, 1.1)),
        (torch.square, 1.0, (2.0,), (1.9, 2.1)),
    ],
)
def test_subgradients(page: dict, f, x: float, allowed: tuple, refused: tuple) -> None:
    assert all(page["is_subgradient"](f, x, g) for g in allowed)
    assert not any(page["is_subgradient"](f, x, g) for g in refused)
