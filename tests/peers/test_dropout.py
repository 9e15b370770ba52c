"""Dropout in its forms on the page, beside PyTorch's and beside what the formulas say."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, seed_everything

ALSO = ("TEMPERATURES", "BASE", "NONE", "ADVISED", "DECAY", "PLAIN_GRID", "DROPOUT_GRID")
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
    for found in (logs.log_softmax(-1), page["mean_of_subnetworks"](model, X)):
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
    steps = [Setting(), Setting(examples=1000), Setting(width=16)]
    assert [setting.steps for setting in steps] == [1200, 4000, 2500]


def test_validation_images_are_never_trained_on(page: dict) -> None:
    page["X"] = torch.zeros(7000, 1)
    rows, held_out = page["split"](100, 200)
    _, few = page["split"](100, 200, 50)
    assert (len(rows), len(held_out), len(few)) == (200, 500, 50)
    assert not set(rows.tolist()) & set(held_out.tolist())
    assert set(few.tolist()) <= set(held_out.tolist())


def test_steps_to_a_loss(page: dict) -> None:
    seen = [{"step": 20, "v": 2.0}, {"step": 40, "v": 1.0}, {"step": 60, "v": 1.5}]
    run = page["Run"](seen, None, None)
    assert [page["steps_to_reach"](goal, run, "v") for goal in (2.0, 1.2, 0.5)] == [20, 40, 60]


def test_both_arms_choose_among_as_many_candidates(page: dict) -> None:
    plain, dropped = page["PLAIN_GRID"], page["DROPOUT_GRID"]
    assert len(plain) == len(dropped) == 4
    assert not any(any(drops) for drops, _ in plain)
    assert all(drops[0] == 0.2 for drops, _ in dropped)
