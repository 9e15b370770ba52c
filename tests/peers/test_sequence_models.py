"""The definitions of sequences/sequence-models against scikit-learn and sums over all cases."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge
from torch.nn import functional as F

from utils import assert_close, generator, seed_everything
from utils.check import gradients

TOLERANCE = 1e-10  # in double precision
ALSO = ("CANDIDATES",)


@pytest.mark.parametrize(("n", "tau", "k"), [(9, 3, 1), (9, 1, 4), (7, 4, 3), (30, 5, 6)])
def test_windows(page, n, tau, k):
    x = torch.randn(n)
    X, y = page["windows"](x, tau, k)
    assert X.shape == (n - tau - k + 1, tau)
    for i in range(len(X)):
        assert torch.equal(X[i], x[i : i + tau])
        assert y[i] == x[i + tau + k - 1]


def test_labels_are_the_series_one_step_later(page):
    X, y = page["windows"](torch.randn(20), tau=4)
    assert torch.equal(X[1:, -1], y[:-1])


@pytest.mark.parametrize("ridge", [0.0, 0.37])
@pytest.mark.parametrize("tau", [1, 5])
def test_least_squares_is_scikit_learn_s(page, tau, ridge):
    X, y = torch.randn(41, tau).double() + 2, torch.randn(41).double() - 1
    ours = page["fit_linear"](X, y, ridge)
    theirs = Ridge(ridge * len(X)) if ridge else LinearRegression()
    theirs.fit(X.numpy(), y.numpy())
    assert_close(ours.w, torch.tensor(theirs.coef_), TOLERANCE)
    assert_close(ours.b, torch.tensor(theirs.intercept_), TOLERANCE)
    assert_close(ours(X), torch.tensor(theirs.predict(X.numpy())), TOLERANCE)


def test_gradient_is_zero_at_the_solution(page):
    X, y = torch.randn(30, 3).double(), torch.randn(30).double()
    w, b = page["fit_linear"](X, y)
    found = gradients(lambda w, b: (page["Linear"](w, b)(X) - y).square().mean(), w, b)
    for gradient in found[1:]:
        assert gradient.abs().max() < 1e-12


def test_a_linear_model_looks_at_its_own_lags_only(page):
    f, X = page["Linear"](torch.tensor([2.0, 3.0]), torch.tensor(1.0)), torch.randn(4, 6)
    assert_close(f(X), 2 * X[:, -2] + 3 * X[:, -1] + 1)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_iterating(page, k):
    """In companion form: a power of a matrix."""
    w, X = torch.randn(3).double() / 2, torch.randn(6, 3).double()
    before = X.clone()
    found = page["iterate"](page["Linear"](w, torch.zeros(()).double()), X, k)
    step = torch.cat([torch.eye(3).double()[1:], w[None]])
    assert_close(found, X @ torch.linalg.matrix_power(step, k).T[:, -1], TOLERANCE)
    assert torch.equal(X, before)


def test_iterating_passes_gradients_on(page):
    """After k steps the derivative with respect to the last value of an AR(1) is the k-th power."""
    f = page["Linear"](torch.tensor([0.7]), torch.tensor(1.0))
    X = torch.randn(5, 1, requires_grad=True)
    page["iterate"](f, X, 4).sum().backward()
    assert_close(X.grad, torch.full((5, 1), 0.7**4))


def test_mean_squared_error(page):
    a, b = torch.randn(7), torch.randn(7)
    assert page["mse"](a, b) == pytest.approx(F.mse_loss(a, b).item())


def a_model(page, states=3, symbols=4):
    start = torch.rand(states).double().softmax(0)
    move = torch.randn(states, states).double().softmax(1)
    return page["HMM"](start, move, torch.randn(states, symbols).double().softmax(1))


def test_likelihood_is_a_sum_over_paths(page):
    hmm, x = a_model(page), torch.randint(4, (5, 6))
    ours = gradients(lambda *parts: page["log_likelihood"](page["HMM"](*parts), x), *hmm)
    theirs = gradients(lambda *parts: page["over_all_paths"](*parts, x), *hmm)
    for a, b in zip(ours, theirs):
        assert_close(a, b, TOLERANCE)


def test_predictions_are_quotients_of_likelihoods(page):
    hmm, x = a_model(page), torch.randint(4, (3, 5))
    found = page["predict_next"](hmm, x)
    assert found.shape == (3, 5, 4)
    assert_close(found.sum(2), torch.ones(3, 5).double(), TOLERANCE)
    for t, symbol in product(range(1, 5), range(4)):
        longer = torch.cat([x[:, :t], torch.full((3, 1), symbol)], dim=1)
        ratio = page["over_all_paths"](*hmm, longer) - page["over_all_paths"](*hmm, x[:, :t])
        assert_close(found[:, t, symbol], ratio.exp(), TOLERANCE)


def test_predictions_do_not_see_their_symbol(page):
    hmm, x = a_model(page), torch.randint(4, (2, 6))
    other = x.clone()
    other[:, 3] = (x[:, 3] + 1) % 4
    a, b = page["predict_next"](hmm, x), page["predict_next"](hmm, other)
    assert torch.equal(a[:, :4], b[:, :4])
    assert not torch.allclose(a[:, 4:], b[:, 4:])


def test_entropies(page):
    hmm = a_model(page, states=2, symbols=2)
    for n in range(5):
        sequences = torch.tensor(list(product((0, 1), repeat=n))).view(2**n, n)
        p = page["over_all_paths"](*hmm, sequences).exp() if n else torch.ones(1).double()
        assert_close(page["block_entropy"](hmm, n), -(p * p.log2()).sum().item(), TOLERANCE)


def test_gains_of_independent_and_of_repeated_values(page):
    assert page["gains"]([0.0, 1, 2, 3]) == [0, 0]
    assert page["gains"]([0.0, 1, 1, 1]) == [1, 0]
    assert page["gains"]([0.0, 1, 1.75, 2.25]) == [0.25, 0.25]


def test_the_noisy_sine(page):
    clean = page["noisy_sine"](100, generator(1), period=20, noise=0.0)
    assert_close(clean[:80], clean[20:], 1e-4)
    assert clean.abs().max() <= 1
    assert clean.std() > 0.69
    other = page["noisy_sine"](100, generator(2), period=20, noise=0.0)
    assert (clean[0] - other[0]).abs() > 0.01  # each begins somewhere else
    noisy = page["noisy_sine"](100_000, generator(1), period=20, noise=0.3)
    steps = noisy[20:] - noisy[:-20]
    assert steps.std().item() == pytest.approx(0.3 * math.sqrt(2), rel=0.02)


def test_the_process_of_order_two(page):
    x = page["second_order"](200_000, generator(1))
    X, y = page["windows"](x, 4)
    w = page["fit_linear"](X, y).w
    assert_close(w, torch.tensor([0, 0, -(0.95**2), 1.9 * math.cos(0.3)]), 0.02)
    assert 0.8 < x.std() < 1.2


def test_networks_side_by_side_do_not_disturb_one_another(page):
    nets = page["Networks"](4, 6, [1, 4, 2], generator(0))
    X = torch.randn(9, 4)
    assert nets(X).shape == (3, 9)
    for i, lags in enumerate((1, 4, 2)):
        hidden = torch.tanh(X[:, -lags:] @ nets.W1[i, -lags:] + nets.b1[i])
        assert_close(nets(X)[i].detach(), (hidden @ nets.W2[i][:, 0] + nets.b2[i]).detach())
    nets(X)[1].sum().backward()
    for p in nets.parameters():
        assert not p.grad[0].any()
        assert not p.grad[2].any()
        assert p.grad[1].any()


def test_networks_begin_with_outputs_of_moderate_size(page):
    nets = page["Networks"](16, 400, [16], generator(0))
    assert nets.W1.std().item() == pytest.approx(16**-0.5, rel=0.05)
    assert nets.W2.std().item() == pytest.approx(400**-0.5, rel=0.1)


def test_the_penalty_is_the_sum_of_squared_weights(page):
    """Ten steps of the same training, written out for one network in standard units."""
    X, y = torch.randn(50, 4), torch.randn(50)
    y = (y - y.mean()) / y.std()
    f = page["fit_network"](X, y, 5, hidden=6, steps=10, candidates=[(4, 0.1)])
    net = page["Networks"](4, 6, [4], generator(5))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(10):
        adam.zero_grad()
        penalty = net.W1.square().sum() + net.W2.square().sum()
        ((net(X[:40])[0] - y[:40]).square().mean() + 0.1 * penalty).backward()
        adam.step()
    assert_close(f(X), net(X)[0].detach(), 1e-4)


def test_the_best_linear_model_is_chosen_on_the_last_fifth(page):
    seed_everything(3)
    X = torch.randn(500, 8)
    y = X[:, -2] - X[:, -1] + 0.1 * torch.randn(500)
    assert len(page["fit_best_linear"](X, y).w) >= 2
    X[400:, :-1] = 100 * torch.randn(100, 7)  # there, longer windows mislead
    y[400:] = 0
    assert len(page["fit_best_linear"](X, y).w) == 1


def test_a_network_learns_what_a_line_can_not(page):
    z = torch.randn(600, 4)
    X, y = 100 + 3 * z, 100 + 3 * (1.5 * z[:, -1].abs() - 1.2)
    f = page["fit_network"](X[:500], y[:500], 0)
    line = page["fit_linear"](X[:500], y[:500])
    assert page["mse"](f(X[500:]), y[500:]) < 0.2 * page["mse"](line(X[500:]), y[500:])
    assert not f(X).requires_grad
    again = page["fit_network"](X[:500], y[:500], 0)
    assert torch.equal(f(X), again(X))


def test_errors_are_relative_to_the_better_baseline(page):
    X, y = torch.arange(40.0).view(10, 4), torch.arange(10.0) ** 2
    naive, mean = (X[:, -1] - y).square().mean(), (y - 30).square().mean()
    assert page["over_baseline"](lambda X: X[:, -1], X, y, 30) == pytest.approx(
        (naive / min(naive, mean)).item()
    )
    assert page["over_baseline"](lambda X: 0 * X[:, 0], X, y, 1e6) == pytest.approx(
        (y.square().mean() / naive).item()
    )
    near_two = torch.tensor([1.0, 3.0]).repeat(5)  # the constant 2 is 1 off
    assert page["over_baseline"](lambda X: 0 * X[:, 0], X, near_two, 2) == pytest.approx(5)
    assert page["over_baseline"](lambda X: 0 * X[:, 0], X, X[:, 0], 0) == pytest.approx(
        (X[:, 0].square().mean() / 9).item()
    )


def test_held_out_values_are_held_out(page):
    """A model that repeats the mean of what it was trained on, on a series that is a step."""

    def mean(X, y, *_):
        assert len(X) == len(y) == 80
        level = y.mean()
        return lambda X: level.expand(len(X))

    X = torch.zeros(100, 2)
    y = torch.cat([torch.zeros(80), torch.ones(20)])
    assert page["last_part_error"](mean, X, y) == pytest.approx(1)
    shuffled = page["shuffled_error"](mean, X, y, generator(0))
    assert np.isclose(shuffled, 0.16, atol=0.03)
    again = page["shuffled_error"](mean, X, y, generator(0))
    assert again == shuffled  # the generator orders the folds, and nothing else does
