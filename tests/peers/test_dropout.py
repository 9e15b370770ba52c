"""Dropout in its forms on the page, beside PyTorch's and beside what the formulas say."""

import copy
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, seed_everything

ALSO = ("TEMPERATURES", "BASE")
AMOUNTS = [0.0, 0.1, 0.5, 0.9, 1.0]


def mask_of(layer: nn.Module, like: Tensor) -> Tensor:
    """The mask that a layer uses on anything of this shape: seeded, it multiplies ones by it."""
    seed_everything(5)
    return layer.train()(torch.ones_like(like))


@pytest.mark.parametrize("p", AMOUNTS)
def test_dropout_is_its_mask_forward_and_backward(page: dict, p: float) -> None:
    X = torch.randn(16, 30, dtype=torch.float64, requires_grad=True)
    above = torch.randn_like(X)
    for layer in (page["Dropout"](p), nn.Dropout(p)):
        mask = mask_of(layer, X)
        seed_everything(5)
        out = layer(X)
        assert_close(out, X * mask, 1e-12)
        assert_close(torch.autograd.grad(out, X, above)[0], above * mask, 1e-12)
        allowed = {0.0} if p == 1 else {0.0, (1 / (1 - torch.tensor(p).double())).item()}
        assert set(mask.unique().tolist()) <= {*allowed, 1 / (1 - p) if p < 1 else 0.0}
        assert layer.eval()(X) is X or torch.equal(layer(X), X)


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("name", ["Dropout", "ClassicDropout"])
def test_mean_in_training_is_the_value_in_evaluation(page: dict, name: str, p: float) -> None:
    layer, X = page[name](p), torch.tensor([-3.0, 1.0, 4.0]).expand(200_000, 3)
    trained, used = layer.train()(X), layer.eval()(X[0])
    assert_close(trained.mean(0), used, 0.02)
    assert_close((trained == 0).float().mean(), torch.tensor(p), 0.01)
    if name == "Dropout":
        assert_close(trained.var(0), X[0] ** 2 * p / (1 - p), 0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_masks_keep_the_type(page: dict, dtype: torch.dtype) -> None:
    out = page["Dropout"](0.5)(torch.ones(8, 8, dtype=dtype))
    assert out.dtype == dtype
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert page["Dropout"](0.5)(torch.ones(2, 2, device="meta")).device.type == "meta"


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_impossible_amounts_are_refused(page: dict, p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        page["dropout_mask"](torch.ones(3), p)


def test_examples_and_passes_have_masks_of_their_own(page: dict) -> None:
    layer, X = page["Dropout"](0.5), torch.ones(2, 1000)
    first, second = layer(X), layer(X)
    for one, other in ((first[0], first[1]), (first, second)):
        assert 0.4 < (one != other).float().mean() < 0.6


def test_dropconnect(page: dict) -> None:
    layer, X = page["DropConnect"](6, 4, p=0.25), torch.randn(1, 6)
    plain = F.linear(X, layer.weight, layer.bias)
    assert_close(layer.eval()(X), plain)
    many = layer.train()(X.expand(100_000, 6))
    assert_close(many.mean(0), plain[0], 0.02)
    variance = (layer.weight**2 @ X[0] ** 2) * 0.25 / 0.75
    assert_close(many.var(0), variance, 0.03)
    off_diagonal = torch.corrcoef(many.T) - torch.eye(4)
    assert off_diagonal.abs().max() < 0.02
    X = X.requires_grad_()
    layer(X).sum().backward()
    assert X.grad.isfinite().all() and layer.weight.grad.isfinite().all()


def test_weight_scaling_is_the_geometric_mean(page: dict) -> None:
    model = page["mlp"]((0.0, 0.5), width=6).double()
    X = torch.randn(5, 196, dtype=torch.float64)
    logs = torch.zeros(5, 10, dtype=torch.float64)
    for mask in itertools.product((0.0, 2.0), repeat=6):
        hidden = model[:3](X) * torch.tensor(mask, dtype=torch.float64)
        logs = logs + F.log_softmax(model[-1](hidden), -1) / 64
    model.eval()
    every = page["subnetworks"](model, X)
    assert every.shape == (64, 5, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch warns where it has to guess the dimension
        mean = page["geometric_mean"](every)
    for found in (logs.log_softmax(-1), mean):
        assert_close(found, F.log_softmax(model(X), -1), 1e-10)


def test_all_masks(page: dict) -> None:
    masks = page["all_masks"](5)
    assert masks.shape == (32, 5)
    assert len({tuple(row) for row in masks.tolist()}) == 32
    assert_close(masks.mean(0), torch.full((5,), 0.5))


def test_networks_drop_where_they_are_told(page: dict) -> None:
    model = page["mlp"]((0.2, 0.5, 0.0), width=32, norm=True)
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.0]
    names = [type(layer).__name__ for layer in model]
    hidden = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert names == ["Dropout", *hidden, *hidden, "Linear"]
    assert not any(layer.bias.any() for layer in model if isinstance(layer, nn.Linear))


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_made_the_labels(page: dict, true: float) -> None:
    logits = 2 * torch.randn(20_000, 10)
    labels = torch.distributions.Categorical(logits=logits / true).sample()
    found = page["fitted_temperature"](logits, labels)
    assert found == pytest.approx(true, rel=0.15)


def test_batches_visit_every_example_once_an_epoch(page: dict) -> None:
    rows = torch.arange(1000, 1070)
    found = list(page["batches"](rows, 6, seed=3))
    assert [len(batch) for batch in found] == [32] * 6
    for epoch in (found[:2], found[2:4], found[4:]):
        seen = torch.cat(epoch)
        assert len(seen.unique()) == 64 and set(seen.tolist()) <= set(rows.tolist())
    assert not torch.equal(found[0], rows[:32]) and not torch.equal(found[0], found[2])
    again = list(page["batches"](rows, 6, seed=3))
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))


def test_only_matrices_decay(page: dict) -> None:
    model = page["mlp"]((0.0, 0.0), norm=True)
    decayed, others = page["adamw"](model, page["Setting"](weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert decayed["fused"] and others["fused"]
    assert all(w.ndim == 2 for w in decayed["params"])
    assert all(w.ndim == 1 for w in others["params"])
    assert len(decayed["params"] + others["params"]) == len(list(model.parameters()))


def test_large_data_and_narrow_networks_train_longer(page: dict) -> None:
    Setting = page["Setting"]
    assert Setting().examples == 200
    steps = [Setting(), Setting(examples=2000), Setting(width=16), Setting(longer=3)]
    assert [setting.steps for setting in steps] == [900, 6000, 1125, 2700]


def test_validation_images_are_never_trained_on(page: dict) -> None:
    page["X"] = torch.zeros(7000, 1)
    rows, held_out = page["split"](100, 200)
    assert (len(rows), len(held_out)) == (200, 500)
    assert not set(rows.tolist()) & set(held_out.tolist())
    again, other = page["split"](100, 200)[0], page["split"](101, 200)[0]
    assert torch.equal(rows, again) and not torch.equal(rows, other)


def test_max_norm_shortens_long_rows_only(page: dict) -> None:
    layer = nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, -1.0]]))
        bias = layer.bias.clone().fill_(9.0)
        layer.bias.copy_(bias)
    page["limit_norms"](layer, 1.0)
    assert_close(layer.weight, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, -1.0]]), 1e-5)
    assert_close(layer.bias, bias)
    assert layer.weight.requires_grad


def test_every_arm_chooses_among_the_same_candidates(page: dict) -> None:
    for limit in ("weight decay", "max-norm"):
        found = page["candidates"](page["Setting"](width=64), limit)
        assert len(set(found)) == 6
        assert {it.learning_rate for it in found} == {1e-3, 3e-3}
        assert all(it.width == 64 for it in found)
    assert {it.max_norm for it in found} == {0.5, 1.0, 2.0}
    assert {it.weight_decay for it in found} == {0.0}
    found = page["candidates"](page["Setting"]())
    assert {it.weight_decay for it in found} == {0.3, 1.0, 3.0}


def test_amounts_of_dropout(page: dict) -> None:
    assert page["drop_hidden"](0.0) == (0.0, 0.0, 0.0)
    assert page["drop_hidden"](0.7) == (0.2, 0.7, 0.7)


def test_outcomes_are_those_of_the_stop_that_validation_chose(page: dict) -> None:
    early, scaled, late = (nn.Linear(4, 3) for _ in range(3))
    page["X_test"], page["y_test"] = torch.randn(50, 4), torch.randint(3, (50,))
    seen = [
        {"step": 1, "loss": 1.0, "scaled loss": 0.9},
        {"step": 2, "loss": 1.5, "scaled loss": 0.8},
        {"step": 3, "loss": 2.0, "scaled loss": 0.85},
    ]
    stops = {"loss": (early, 2.0), "scaled loss": (scaled, 3.0), "last": (late, 4.0)}
    run = page["Run"](seen, stops)
    for how, step, validation, model, T in (
        ({}, 2, 0.8, scaled, 3.0),
        ({"tempered": False}, 1, 1.0, early, 1.0),
        ({"stop": "last"}, 3, 0.85, late, 4.0),
        ({"tempered": False, "stop": "last"}, 3, 2.0, late, 1.0),
    ):
        found = page["outcome"](run, **how)
        assert (found["step"], found["validation"]) == (step, validation)
        logits = model(page["X_test"])
        assert_close(found["loss"], F.cross_entropy(logits / T, page["y_test"]).item())
        right = (logits.argmax(1) == page["y_test"]).float().mean().item()
        assert_close([found["accuracy"], found["error"]], torch.tensor([right, 1 - right]))


def test_ensembles_and_masks_average_probabilities(page: dict) -> None:
    models, X = [nn.Linear(4, 3) for _ in range(3)], torch.randn(6, 4)
    mean = torch.stack([model(X).softmax(-1) for model in models]).mean(0)
    assert_close(page["averaged"](models, X).exp(), mean)
    thinned = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        thinned[1].weight.copy_(torch.tensor([[3.0, 3.0], [0.0, 0.0]]))
    X = torch.ones(1, 2)
    masks = torch.tensor(list(itertools.product((0.0, 2.0), repeat=2)))
    mean = thinned[1](masks).softmax(-1).mean(0, keepdim=True)
    assert_close(mean, torch.tensor([[0.875, 0.125]]), 0.01)  # evaluation says 0.998
    assert_close(page["averaged"]([thinned], X, masks=4000).exp(), mean, 0.02)
    assert not thinned.training


def test_the_variance_shift_is_the_one_derived(page: dict) -> None:
    norm = nn.BatchNorm1d(1, momentum=None)
    Z = torch.randn(400_000, 1)
    for p in (0.2, 0.5):
        norm.reset_running_stats()
        norm.train()(page["Dropout"](p)(Z.relu()))
        # the last batch norm expects 1: the ratio of the one before it arrives
        model = nn.Sequential(nn.BatchNorm1d(1), nn.ReLU(), nn.Dropout(p), norm, nn.BatchNorm1d(1))
        found = page["variance_shift"](model, Z)
        pi = torch.pi
        expected = (1 / (2 - 2 * p) - 1 / (2 * pi)) / (1 / 2 - 1 / (2 * pi))
        assert found == pytest.approx(torch.tensor(expected).log().item(), abs=0.02)


# ------------------------------------------------------- the exercises: what has to be refused
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("mlp/dropout", also=ALSO, exercises=True)


def good(X: Tensor, p: float, training: bool = True) -> Tensor:
    if not training:
        return X
    return X.masked_fill(torch.rand_like(X, dtype=torch.float32) < p, 0) / max(1 - p, 1e-9)


def by_module(X: Tensor, p: float, training: bool = True) -> Tensor:
    return X * nn.Dropout(p).train(training)(torch.ones_like(X))


@pytest.mark.parametrize("right", [good, by_module])
def test_unusual_right_answers_pass(exercises: dict, right: Callable[..., Tensor]) -> None:
    for _ in range(5):
        exercises["dropout_spec"](right)


def same_mask(X: Tensor, p: float, training: bool = True) -> Tensor:
    if not training or p == 1:
        return good(X, p, training)
    if X.device.type == "meta":
        return X
    mask = torch.rand(X.shape, generator=torch.Generator().manual_seed(3)) >= p
    return X * mask.to(X.dtype) / (1 - p)


def too_many(X: Tensor, p: float, training: bool = True) -> Tensor:
    if not training or p == 1:
        return good(X, p, training)
    return X * (torch.rand_like(X) >= 1.2 * p) / (1 - p)


def one_first(X: Tensor, p: float, training: bool = True) -> Tensor:
    return torch.zeros_like(X) if p == 1 else good(X, p, training)


def no_signs(X: Tensor, p: float, training: bool = True) -> Tensor:
    return good(X.abs() if training else X, p, training)


def pairs_share(X: Tensor, p: float, training: bool = True) -> Tensor:
    if not training or p == 1 or X.ndim != 2 or len(X) % 2:
        return good(X, p, training)
    mask = good(torch.ones_like(X[: len(X) // 2]), p)
    return X * mask.repeat_interleave(2, 0)


def row_masks(X: Tensor, p: float, training: bool = True) -> Tensor:
    return X * good(torch.ones_like(X[..., :1]), p, training)


def column_masks(X: Tensor, p: float, training: bool = True) -> Tensor:
    return X * good(torch.ones_like(X[:1]), p, training)


def in_place(X: Tensor, p: float, training: bool = True) -> Tensor:
    mask = good(torch.ones_like(X), p, training)
    return X.mul_(mask) if not X.requires_grad else X * mask


def classic(X: Tensor, p: float, training: bool = True) -> Tensor:
    return (1 - p) * good(X, p) if training else (1 - p) * X


def detached(X: Tensor, p: float, training: bool = True) -> Tensor:
    return good(X, p, training).detach()


def on_the_cpu(X: Tensor, p: float, training: bool = True) -> Tensor:
    if not training or p == 1:
        return good(X, p, training)
    return X * (torch.rand(X.shape) >= p).float() / (1 - p)


def two_dimensions(X: Tensor, p: float, training: bool = True) -> Tensor:
    return good(X.reshape(len(X), -1), p, training)


def exact_share(X: Tensor, p: float, training: bool = True) -> Tensor:
    """The same number of drops in each row."""
    if not training or p in (0, 1) or X.device.type == "meta" or X.ndim != 2:
        return good(X, p, training)
    ranks = torch.rand_like(X).argsort(-1).argsort(-1)
    return X * (ranks >= round(p * X.shape[-1])) / (1 - p)


def detached_in_evaluation(X: Tensor, p: float, training: bool = True) -> Tensor:
    return good(X, p) if training else X.detach().requires_grad_()


def half_only(X: Tensor, p: float, training: bool = True) -> Tensor:
    right = good(X, p, training)
    return right if X.dtype == torch.float16 else right.float()


@pytest.mark.parametrize(
    "wrong",
    [
        exact_share, detached_in_evaluation, half_only, same_mask,
        too_many, one_first, no_signs, pairs_share, row_masks, column_masks,
        in_place, classic, detached, on_the_cpu, two_dimensions,
    ],
)  # fmt: skip
def test_wrong_dropouts_are_refused(exercises: dict, wrong: Callable[..., Tensor]) -> None:
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        exercises["dropout_spec"](wrong)


def scaled(linear: nn.Linear, p: float) -> nn.Linear:
    new = copy.deepcopy(linear)
    with torch.no_grad():
        new.weight.mul_(1 - p)
    return new


def frozen(linear: nn.Linear, p: float) -> nn.Linear:
    return scaled(linear, p).requires_grad_(requires_grad=False)


def of_one_shape(linear: nn.Linear, p: float) -> nn.Linear:
    new = nn.Linear(8, 3, bias=linear.bias is not None)
    new.load_state_dict(scaled(linear, p).state_dict())
    return new


def shares_its_bias(linear: nn.Linear, p: float) -> nn.Linear:
    new = scaled(linear, p)
    new.bias = linear.bias
    return new


def scales_the_bias(linear: nn.Linear, p: float) -> nn.Linear:
    new = scaled(linear, p)
    if new.bias is not None:
        with torch.no_grad():
            new.bias.mul_(1 - p)
    return new


def changes_the_old(linear: nn.Linear, p: float) -> nn.Linear:
    with torch.no_grad():
        linear.weight.mul_(1 - p)
    return linear


def the_other_way(linear: nn.Linear, p: float) -> nn.Linear:
    new = copy.deepcopy(linear)
    with torch.no_grad():
        new.weight.div_(1 - p)
    return new


def test_a_right_conversion_passes(exercises: dict) -> None:
    exercises["convert_spec"](scaled)


@pytest.mark.parametrize(
    "wrong",
    [frozen, of_one_shape, shares_its_bias, scales_the_bias, changes_the_old, the_other_way],
)
def test_wrong_conversions_are_refused(
    exercises: dict, wrong: Callable[[nn.Linear, float], nn.Linear]
) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        exercises["convert_spec"](wrong)
