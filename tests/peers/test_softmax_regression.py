"""The definitions of foundations/softmax-regression against torch, d2l, scikit-learn and utils."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, fit, generator
from utils.compat import d2l
from utils.training import accuracy

ALSO = ("TEMPERATURES",)
TOLERANCE = 1e-12  # in double precision, relative to the larger of 1 and the value
SINGLE = 1e-5


@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("foundations/softmax-regression", also=ALSO, exercises=True)


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


@pytest.mark.parametrize("logits", HARD.values(), ids=HARD)
def test_functions_are_torchs(page: dict, logits: Tensor) -> None:
    for o, tolerance in ((logits.double(), TOLERANCE), (logits, SINGLE)):
        assert_same(page["softmax"], lambda o: F.softmax(o, -1), o, tolerance)
        assert_same(page["log_softmax"], lambda o: F.log_softmax(o, -1), o, tolerance)
        assert page["softmax"](o.view(2, 3, 10)).shape == (2, 3, 10)


@pytest.mark.parametrize("logits", HARD.values(), ids=HARD)
def test_cross_entropy_is_torchs_and_d2ls(page: dict, logits: Tensor) -> None:
    o, y = logits.double(), torch.tensor([0, 9, 3, 3, 1, 5])
    soft = torch.rand(6, 10, dtype=torch.float64).softmax(1)
    cross_entropy = page["cross_entropy"]
    assert_same(lambda o: cross_entropy(o, y), lambda o: F.cross_entropy(o, y), o)
    assert_same(lambda o: cross_entropy(o, soft), lambda o: F.cross_entropy(o, soft), o)
    assert_close(cross_entropy(o, y), d2l.SoftmaxRegression(10, 0.1).loss(o, y), TOLERANCE)


def test_smoothed_labels_are_soft_labels(page: dict, exercises: dict) -> None:
    o, y = torch.randn(6, 10, dtype=torch.float64), torch.arange(6)
    soft = 0.9 * F.one_hot(y, 10).double() + 0.01
    for ours in (
        lambda o: exercises["smooth_loss"](o, y),
        lambda o: page["cross_entropy"](o, soft),
    ):
        assert_same(ours, lambda o: F.cross_entropy(o, y, label_smoothing=0.1), o)


def test_where_the_other_forms_fail(page: dict) -> None:
    o, y = torch.tensor([[0.0, 200.0]]), torch.tensor([0])
    assert not bool(page["textbook_loss"](o, y).isfinite())
    assert_close(page["patched_loss"](o.repeat(2, 1), y.repeat(2)), 16.118, 1e-4)
    assert_close(page["cross_entropy"](o, y), 200.0)
    usual, targets = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([0, 0])
    for form in ("textbook_loss", "patched_loss"):
        assert_close(page[form](usual, targets), F.cross_entropy(usual, targets), SINGLE)
    for gap in (-1.0, 2.0):
        value, slope = page["loss_and_slope"](page["cross_entropy"], gap)
        assert value == pytest.approx(math.log(1 + math.exp(gap)), rel=1e-5)
        assert slope == pytest.approx(1 / (1 + math.exp(-gap)), rel=1e-5)


def test_one_hot_and_the_squared_error(page: dict) -> None:
    assert_close(page["one_hot"](torch.tensor([2, 0]), 3), torch.eye(3)[[2, 0]])
    o, y = torch.randn(6, 10, dtype=torch.float64), torch.arange(6)
    brier = (o.softmax(1) - F.one_hot(y, 10)).square().sum() / 6
    assert_close(page["squared_error"](o, y), brier, TOLERANCE)


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
    W, b = page["train_linear"](X, y, 3, 0.2, size, seed=7)
    net = nn.Linear(5, 10)
    nn.init.zeros_(net.weight), nn.init.zeros_(net.bias)
    fit(net, Rows(X, y, size), torch.optim.SGD(net.parameters(), lr=0.2), epochs=3)
    assert_close(W.T, net.weight, SINGLE)
    assert_close(b, net.bias, SINGLE)
    assert_close(page["accuracy"](X @ W + b, y), accuracy(X @ W + b, y).item(), SINGLE)


def test_the_loops_defaults(page: dict) -> None:
    X, y = torch.randn(300, 5), torch.arange(300) % 10
    for one, other in zip(
        page["train_linear"](X, y, 2),
        page["train_linear"](X, y, 2, 0.1, 128, loss=F.cross_entropy, seed=0),
        strict=True,
    ):
        assert_close(one, other, SINGLE)


def test_training_leaves_its_start_alone(page: dict) -> None:
    X, y, start = torch.randn(20, 5), torch.arange(20) % 3, torch.ones(5, 3)
    seen: list[Tensor] = []
    options = {"start": start, "after_epoch": lambda W, b: seen.extend([W, b])}
    W, b = page["train_linear"](X, y, 2, **options)
    assert_close(start, torch.ones(5, 3))
    assert b.shape == (3,)
    assert 0 < (W - start).abs().max() < 0.2
    assert len(seen) == 4 and torch.equal(seen[2], W) and torch.equal(seen[3], b)
    assert not torch.equal(seen[0], seen[2])  # a copy of each epoch, not the last one twice
    assert not any(x.requires_grad for x in (*seen, W, b))


def test_brightness(page: dict) -> None:
    images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    images[0, :, :, 10:18] = 255
    images[1, :, :, :10] = 51
    images[2, :, :7, 17:19] = 204
    expected = [[1.0, 0.0], [0.0, 0.1], [0.8 / 4 / 8, 0.8 / 4 / 20]]
    assert_close(page["brightness"](images), torch.tensor(expected), SINGLE)


# ------------------------------------------------------------------------------- calibration
def slow_calibration_error(logits: Tensor, y: Tensor, bins: int) -> float:
    confidence, guess = logits.softmax(1).max(1)
    total = 0.0
    for k in range(bins):
        inside = (confidence >= k / bins) & (confidence < (k + 1) / bins)
        inside |= (confidence == 1) if k == bins - 1 else False
        if inside.any():
            accuracy = (guess == y)[inside].float().mean()
            gap = (accuracy - confidence[inside].mean()).abs()
            total += (inside.float().mean() * gap).item()
    return total


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("scale", [0.3, 3.0, 300.0])
def test_the_calibration_error_is_its_formula(page: dict, bins: int, scale: float) -> None:
    logits, y = scale * torch.randn(500, 10), torch.randint(10, (500,))
    found = page["calibration_error"](logits, y, bins)
    assert found == pytest.approx(slow_calibration_error(logits, y, bins), abs=1e-5)
    if bins == 15:
        assert found == page["calibration_error"](logits, y)


def test_calibrated_logits_have_no_error_but_chance(page: dict) -> None:
    logits = 2 * torch.randn(40_000, 10)
    y = torch.distributions.Categorical(logits=logits).sample()
    for error in (page["calibration_error"], page["equal_mass_error"]):
        assert error(logits, y) < 0.015
        assert error(3 * logits, y) > 0.05
        assert error(logits / 3, y) > 0.05


def test_bins_of_equal_mass(page: dict) -> None:
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    y = torch.tensor([0, 1, 1, 1])  # right, wrong, wrong, right
    # sorted by confidence: 0.6 wrong, 0.7 right | 0.8 wrong, 0.9 right
    expected = (abs(0.6 - 0.3) + abs(0.8 - 0.1)) / 4
    assert page["equal_mass_error"](p.log(), y, 2) == pytest.approx(expected, abs=1e-6)
    logits, y = torch.randn(60, 10), torch.randint(10, (60,))
    default = page["equal_mass_error"](logits, y)
    assert default == page["equal_mass_error"](logits, y, 15)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_made_the_labels(page: dict, true: float) -> None:
    logits = 2 * torch.randn(20_000, 10)
    y = torch.distributions.Categorical(logits=logits / true).sample()
    assert page["fitted_temperature"](logits, y) == pytest.approx(true, rel=0.06)


def test_the_reliability_diagram_leaves_out_what_is_nearly_empty(page: dict) -> None:
    sure = torch.tensor([0.95] * 40 + [0.85] * 20 + [0.75] * 20 + [0.55] * 19)
    right = [30, 5, 10, 19]  # of each, from the most sure on
    counts = [40, 20, 20, 19]
    y = torch.cat([(torch.arange(n) >= k).long() for n, k in zip(counts, right, strict=True)])
    confidence, found = page["reliability"](torch.stack([sure, 1 - sure], 1).log(), y)
    assert_close(torch.tensor(confidence), torch.tensor([0.75, 0.85, 0.95]), SINGLE)
    assert_close(torch.tensor(found), torch.tensor([0.5, 0.25, 0.75]), SINGLE)
    certain = 500 * torch.eye(2)[[0] * 30]  # confidence 1 belongs to the last bin
    confidence, found = page["reliability"](certain, torch.zeros(30, dtype=torch.int64))
    assert_close(torch.tensor([*confidence, *found]), torch.ones(2))


# ------------------------------------------------------------------------------------ trials
@pytest.fixture
def small(page: dict) -> dict[str, Any]:
    """The page with a small pool: three classes of noisy points, and some of each class."""
    y = torch.arange(12_000) % 10
    page["pool"] = torch.randn(12_000, 6, generator=generator(3)) + 2 + torch.eye(10)[y, :6]
    page["labels"] = y
    page["held_out_logits"].cache_clear()
    return page


def test_parts_do_not_overlap(page: dict) -> None:
    page["pool"] = torch.arange(12_000.0)[:, None]
    page["labels"] = torch.arange(12_000)
    found = page["parts"](100, 5000)
    assert [len(X) for X, _ in found] == [5000, 1000, 5000]
    assert len(torch.cat([y for _, y in found]).unique()) == 11_000
    assert all(torch.equal(X[:, 0].long(), y) for X, y in found)
    assert not torch.equal(found[0][1], page["parts"](101, 5000)[0][1])
    assert torch.equal(found[2][1], page["parts"](100, 200)[2][1])


def test_the_first_epoch_below(page: dict) -> None:
    first_below = page["first_below"]
    assert first_below([[3.0, 2.0, 1.0], [3.0, 1.5, 2.0]], 1.5) == 2
    assert first_below([[3.0, 2.0, 1.0], [9.0]], 1.2) == 1  # never there: as long as it ran
    assert first_below([[3.0, 2.0, 1.0]], 0.5) == 3


def test_losses_by_epoch_are_those_of_the_training_set(small: dict) -> None:
    (X, y), *_ = small["parts"](100, 300)
    losses = small["losses_at"](100, X, y, 3, 0.1, 50)
    W, b = small["train_linear"](X, y, 3, 0.1, 50, seed=100)
    assert len(losses) == 3 and losses[0] > losses[2]
    assert losses[2] == pytest.approx(F.cross_entropy(X @ W + b, y).item(), rel=1e-5)


def test_centred_inputs_that_were_centred_already_gain_nothing(small: dict) -> None:
    small["pool"] = small["pool"] - 2
    assert small["epochs_without_centring"](100, examples=500, epochs=4) < 1.5
    small["pool"] = small["pool"] + 10
    assert small["epochs_without_centring"](100, examples=500, epochs=4) > 2
    gone = small["epochs_without_centring"](100, examples=500, epochs=4, subtracted=10.0)
    assert gone < 1.5


def test_the_best_of_the_rates_is_chosen_on_validation_images(small: dict) -> None:
    sets = small["parts"](100, 300)
    mean = sets[0][0].mean(0)
    by_hand = []
    for rate in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        W, b = small["train_linear"](sets[0][0] - mean, sets[0][1], 2, rate, seed=100)
        scores = [small["accuracy"]((X - mean) @ W + b, y) for X, y in sets[1:]]
        by_hand.append(scores)
    found = small["tuned_accuracy"](100, F.cross_entropy, 300, 2)
    assert found == max(by_hand)[1]


def test_a_saturated_start_stalls_the_squared_error_only(small: dict) -> None:
    effect = small["ahead_of_squared_error"]
    assert abs(effect(100, examples=300, epochs=3)) < 0.1
    assert effect(100, examples=300, epochs=20, start=30.0) > 0.05


def test_early_stopping_keeps_the_best_epoch(small: dict) -> None:
    (X, y), (X_val, y_val), _ = small["parts"](100, 100)
    for stop in ("lowest validation loss", "nothing"):
        mean, W, b = small["descended"](100, 100, 30, 1.0, stop)
        losses: list[float] = []
        small["train_linear"](
            X - X.mean(0), y, 30, 1.0, seed=100,
            after_epoch=lambda W, b, seen=losses: seen.append(
                F.cross_entropy((X_val - X.mean(0)) @ W + b, y_val).item()
            ),
        )  # fmt: skip
        assert_close(mean, X.mean(0), SINGLE)
        found = F.cross_entropy((X_val - mean) @ W + b, y_val).item()
        expected = min(losses) if stop == "lowest validation loss" else losses[-1]
        assert found == pytest.approx(expected, rel=1e-5)
        assert min(losses) < losses[-1]


def test_scikit_learn_minimises_the_pages_loss(small: dict) -> None:
    (X, y), *_ = small["parts"](101, 200)
    mean, W, b = small["by_scikit_learn"](101, 200)
    assert_close(mean, X.mean(0), SINGLE)
    W, b = W.clone().requires_grad_(), b.clone().requires_grad_()
    penalised = 200 * small["cross_entropy"]((X - mean) @ W + b, y) + W.square().sum() / 2
    for gradient in torch.autograd.grad(penalised, [W, b]):
        assert gradient.abs().max() < 0.05


def test_effects_are_those_of_the_test_images(small: dict) -> None:
    options = {"examples": 100, "epochs": 20}
    held_out = small["held_out_logits"](101, 100, 20, 1.0, "nothing")
    assert [len(y) for _, y in held_out] == [1000, 5000]
    (logits_val, y_val), (logits, y) = held_out
    mean, W, b = small["descended"](101, 100, 20, 1.0, "nothing")
    assert_close(logits, (small["parts"](101, 100)[2][0] - mean) @ W + b, SINGLE)
    T = small["fitted_temperature"](logits_val, y_val)
    for bins in ("equal width", "equal mass"):
        error = small["ERRORS"][bins]
        found = small["error_removed"](101, bins=bins, **options)
        assert found == pytest.approx(error(logits, y) / error(logits / T, y))
        alone = small["error_by_itself"](
            101, regularised_by="nothing", learning_rate=1.0, bins=bins, **options
        )
        assert alone == pytest.approx(error(logits, y))
    sk = small["held_out_logits"](101, 100, 20, 1.0, "scikit-learn's penalty")
    mean, W, b = small["by_scikit_learn"](101, 100)
    assert_close(sk[1][0], (small["parts"](101, 100)[2][0] - mean) @ W + b, SINGLE)


# ------------------------------------------------------- the exercises: what has to be refused
def right_stream(pieces: list[Tensor]) -> Tensor:
    return torch.stack([piece.logsumexp(1) for piece in pieces]).logsumexp(0)


def test_an_unusual_right_stream_passes(exercises: dict) -> None:
    exercises["stream_spec"](right_stream)


def row_maximum(pieces: list[Tensor]) -> Tensor:
    return torch.cat(list(pieces), 1).amax(1)


def running_maximum(pieces: list[Tensor]) -> Tensor:
    return torch.stack([piece.amax(1) for piece in pieces]).amax(0)


def last_piece(pieces: list[Tensor]) -> Tensor:
    return pieces[-1].logsumexp(1)


def unshifted(pieces: list[Tensor]) -> Tensor:
    return sum(piece.exp().sum(1) for piece in pieces).log()


def not_rescaled(pieces: list[Tensor]) -> Tensor:
    m = torch.full_like(pieces[0][:, 0], torch.finfo(pieces[0].dtype).min)
    s = torch.zeros_like(m)
    for piece in pieces:
        m = torch.maximum(m, piece.amax(1))
        s = s + (piece - m[:, None]).exp().sum(1)
    return m + s.log()


def by_first_piece(pieces: list[Tensor]) -> Tensor:
    m = pieces[0].amax(1)
    return m + sum((piece - m[:, None]).exp().sum(1) for piece in pieces).log()


@pytest.mark.parametrize(
    "wrong", [row_maximum, running_maximum, last_piece, unshifted, not_rescaled, by_first_piece]
)
def test_wrong_streams_are_refused(exercises: dict, wrong: Callable[..., Tensor]) -> None:
    with pytest.raises(AssertionError):
        exercises["stream_spec"](wrong)


def test_an_unusual_right_loss_passes(exercises: dict) -> None:
    exercises["bugs_spec"](lambda o, y: F.softplus(_margins(o, y).logsumexp(1)).mean())


def _margins(o: Tensor, y: Tensor) -> Tensor:
    """Logits ahead of the true class's, without its own: their softplus of the sum is the loss."""
    others = torch.stack([row[torch.arange(len(row)) != j] for row, j in zip(o, y, strict=True)])
    return others - o.gather(1, y[:, None])


def whole_batch(o: Tensor, y: Tensor) -> Tensor:
    e = (o - o.max()).exp()
    return -(e / e.sum(1, keepdim=True))[range(len(y)), y].log().mean()


def summed(o: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(o, y, reduction="sum")


def capped(o: Tensor, y: Tensor) -> Tensor:
    return -(o.softmax(1)[range(len(y)), y] + 1e-7).log().mean()


def wrong_gradient(o: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(o, y) + 0.5 * (o - o.detach()).sum()


@pytest.mark.parametrize("wrong", [whole_batch, summed, capped, wrong_gradient])
def test_wrong_losses_are_refused(exercises: dict, wrong: Callable[..., Tensor]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        exercises["bugs_spec"](wrong)
