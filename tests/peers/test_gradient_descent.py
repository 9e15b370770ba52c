"""The definitions of optimization/gradient-descent against torch.optim, torch.func and d2l."""

import pytest
import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, seed_everything
from utils.compat import d2l

EXACT = 1e-12  # double precision, relative to the larger of 1 and the value


@pytest.fixture(scope="module")
def page():
    """The page's definitions; as on the page, in double precision."""
    torch.set_default_dtype(torch.float64)
    yield notebook_definitions("optimization/gradient-descent")
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def problem(page) -> tuple[Tensor, Tensor]:
    seed_everything(0)
    return torch.randn(40, 5) * torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0]), torch.randn(40)


def test_linear_gradient_is_autograds(page: dict, problem: tuple) -> None:
    X, y = problem
    w = torch.randn(5)
    loss = page["half_squared_loss"](w, X, y)
    assert_close(loss, F.mse_loss(X @ w, y) / 2, EXACT)
    assert_close(page["linear_gradient"](w, X, y), grad(page["half_squared_loss"])(w, X, y), EXACT)
    theirs = d2l.squared_loss(d2l.linreg(X, w[:, None], 0.0), y).mean()
    assert_close(loss, theirs, EXACT)


def test_softmax_gradient_is_autograds(page: dict, problem: tuple) -> None:
    X, kinds, W = problem[0], torch.randint(3, (40,)), torch.randn(5, 3)
    theirs = grad(lambda W: F.cross_entropy(X @ W, kinds))(W)
    assert_close(page["softmax_gradient"](W, X, kinds), theirs, EXACT)


def test_curvatures_are_the_hessians_eigenvalues(page: dict, problem: tuple) -> None:
    X, y = problem
    hessian = torch.func.hessian(page["half_squared_loss"])(torch.randn(5), X, y)
    assert_close(page["curvatures"](X), torch.linalg.eigvalsh(hessian), EXACT)
    assert_close(page["kappa"](X), torch.linalg.cond(hessian), 1e-8)


@pytest.mark.parametrize("learning_rate", [0.0, 0.1])
def test_gradient_descent_is_torchs_sgd(page: dict, problem: tuple, learning_rate: float) -> None:
    X, y = problem
    path = page["gradient_descent"](
        lambda w: page["linear_gradient"](w, X, y), torch.ones(5), learning_rate, steps=20
    )
    w = torch.ones(5, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=learning_rate)
    for point in path:
        assert_close(point, w, EXACT)
        optimizer.zero_grad()
        page["half_squared_loss"](w, X, y).backward()
        optimizer.step()


def test_sgd_and_averages_are_torchs_and_d2ls(page: dict, problem: tuple) -> None:
    X, y = problem
    batches = page["dealt"](40, 8, epochs=3, seed=0)
    path = page["sgd"](
        lambda w, b: page["linear_gradient"](w, X[b], y[b]), torch.zeros(5), batches, 0.05
    )
    w, v = torch.zeros(5, requires_grad=True), torch.zeros(5, 1, requires_grad=True)
    averaging = torch.optim.ASGD([w], lr=0.05, lambd=0.0, t0=0)
    theirs = d2l.SGD([v], lr=0.05)
    # torch's average begins with the second step after t0
    averages = torch.cat([path[1:2], page["running_mean"](path[2:])])
    for batch, point, mean in zip(batches, path[1:], averages, strict=True):
        averaging.zero_grad(), theirs.zero_grad()
        page["half_squared_loss"](w, X[batch], y[batch]).backward()
        d2l.squared_loss(d2l.linreg(X[batch], v, 0.0), y[batch]).mean().backward()
        averaging.step()
        with torch.no_grad():
            theirs.step()
        assert_close(w, point, EXACT)
        assert_close(v[:, 0], point, EXACT)
        assert_close(averaging.state[w]["ax"], mean, EXACT)


def test_batches_cover_what_they_should(page: dict) -> None:
    epochs = page["dealt"](10, 4, epochs=2, seed=0)
    assert [len(b) for b in epochs] == [4, 4, 2] * 2
    for half in (epochs[:3], epochs[3:]):
        assert sorted(torch.cat(half).tolist()) == list(range(10))
    drawn = page["drawn"](10, 4, 1000, seed=0)
    assert drawn.shape == (1000, 4) and drawn.min() == 0 and drawn.max() == 9


def test_errors_shrink_by_their_factors(page: dict, problem: tuple) -> None:
    X, y = problem
    bends, axes = torch.linalg.eigh(X.T @ X / len(X))
    best = torch.linalg.lstsq(X, y).solution
    rate = 1.9 / bends[-1].item()
    path = page["gradient_descent"](
        lambda w: page["linear_gradient"](w, X, y), torch.zeros(5), rate, steps=10
    )
    factors = (1 - rate * bends) ** torch.arange(11)[:, None]
    assert_close((path - best) @ axes, factors * ((-best) @ axes), EXACT)
