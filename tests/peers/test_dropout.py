"""Dropout in its forms on the page, beside PyTorch's and beside what the formulas say."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, seed_everything

SHARES = [0.0, 0.1, 0.5, 0.9, 1.0]


def mask_of(layer: nn.Module, like: Tensor) -> Tensor:
    """The mask that a layer uses on anything of this shape: seeded, it multiplies ones by it."""
    seed_everything(5)
    return layer.train()(torch.ones_like(like))


@pytest.mark.parametrize("p", SHARES)
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
def test_impossible_shares_are_refused(page: dict, p: float) -> None:
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
    model = page["one_layer"](6).double()
    X = torch.randn(5, 196, dtype=torch.float64)
    logs = 0.0
    for mask in itertools.product((0.0, 2.0), repeat=6):
        hidden = model[:2](X) * torch.tensor(mask, dtype=torch.float64)
        logs = logs + F.log_softmax(model[3](hidden), -1) / 64
    assert_close(logs.softmax(-1), F.softmax(model.eval()(X), -1), 1e-10)


def test_all_masks(page: dict) -> None:
    masks = page["all_masks"](5)
    assert masks.shape == (32, 5)
    assert len({tuple(row) for row in masks.tolist()}) == 32
    assert_close(masks.mean(0), torch.full((5,), 0.5))
