"""Batch normalisation and its relatives on the page, beside PyTorch's, forward and backward."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.check import assert_close

TOLERANCE = 1e-10


def with_gradients(f, X: Tensor, *parameters: Tensor) -> list[Tensor]:
    X = X.detach().clone().requires_grad_()
    out = f(X)
    weight = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out)
    loss = (weight * out.sin()).sum()
    return [out.detach(), *torch.autograd.grad(loss, [X, *parameters])]


def assert_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float = TOLERANCE) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b, tolerance)


def random_layer(page: dict, **options) -> nn.Module:
    layer = page["BatchNorm"](6, **options).double()
    nn.init.uniform_(layer.weight, -2, 2)
    nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("momentum", [0.1, 0.7, 1.0])
@pytest.mark.parametrize(
    ("shape", "kind"),
    [((16, 6), nn.BatchNorm1d), ((3, 6, 9), nn.BatchNorm1d), ((2, 6, 4, 5), nn.BatchNorm2d)],
)
def test_batch_norm_is_torchs_in_both_modes(page: dict, shape, kind, momentum: float) -> None:
    ours = random_layer(page, eps=1e-3, momentum=momentum)
    theirs = kind(6, eps=1e-3, momentum=momentum).double()
    theirs.load_state_dict(ours.state_dict())
    for training in (True, True, False, True, False):
        ours.train(training), theirs.train(training)
        X = 5 + 3 * torch.randn(shape, dtype=torch.float64)
        results = [with_gradients(layer, X, *layer.parameters()) for layer in (ours, theirs)]
        assert_same(*results)
    for name, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], value, 1e-12)


def test_batch_norm_saves_moves_and_resumes(page: dict) -> None:
    ours = random_layer(page)
    ours(torch.randn(8, 6, dtype=torch.float64))
    again = page["BatchNorm"](6).double()
    again.load_state_dict(copy.deepcopy(ours.state_dict()))
    X = torch.randn(8, 6, dtype=torch.float64)
    assert_close(again.eval()(X), ours.eval()(X), 0)
    assert again.float().running_var.dtype == torch.float32
    assert not any(b.requires_grad for b in ours.buffers())


def test_batch_norm_refuses_one_value_a_channel(page: dict) -> None:
    for layer in (page["BatchNorm"](6), nn.BatchNorm1d(6)):
        with pytest.raises(ValueError):
            layer(torch.randn(1, 6))
        assert layer.eval()(torch.randn(1, 6)).shape == (1, 6)


def test_constant_features_stay_finite(page: dict) -> None:
    for layer in (page["BatchNorm"](6).double(), nn.BatchNorm1d(6).double()):
        out, gradient = with_gradients(layer, torch.full((5, 6), 7.0, dtype=torch.float64))
        assert_close(out, torch.zeros(5, 6), 1e-6)
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("axes", [(0, 2, 3), (1, 2, 3), (2, 3), (0,)])
def test_backward_by_hand_is_autograds(page: dict, axes: tuple[int, ...], eps: float) -> None:
    def by_hand(x: Tensor) -> Tensor:
        return page["StandardiseByHand"].apply(x, axes, eps)

    X = (4 + 2 * torch.randn(3, 4, 2, 3, dtype=torch.float64)).requires_grad_()
    hand = with_gradients(by_hand, X)
    assert_same(hand, with_gradients(lambda x: page["standardise"](x, axes, eps)[0], X))
    assert torch.autograd.gradcheck(by_hand, X)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("batch_norm", lambda X: F.batch_norm(X, None, None, training=True)),
        ("layer_norm", lambda X: F.layer_norm(X, X.shape[1:])),
        ("instance_norm", F.instance_norm),
        ("group_norm", lambda X: F.group_norm(X, 2)),
    ],
)
def test_four_normalisations_are_torchs(page: dict, name: str, theirs) -> None:
    X = 3 + 2 * torch.randn(4, 6, 5, 7, dtype=torch.float64)
    assert_same(with_gradients(page[name], X), with_gradients(theirs, X))


def test_group_norm_lies_between_layer_and_instance_norm(page: dict) -> None:
    X = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    assert_close(page["group_norm"](X, 1), page["layer_norm"](X), TOLERANCE)
    assert_close(page["group_norm"](X, 6), page["instance_norm"](X), TOLERANCE)


def test_folded_layers_do_what_the_pair_did(page: dict) -> None:
    for layer, X in ((nn.Conv2d(3, 6, 3, padding=1), torch.randn(4, 3, 8, 8)),
                     (nn.Linear(5, 6), torch.randn(4, 5))):  # fmt: skip
        norm = (nn.BatchNorm2d if X.ndim == 4 else nn.BatchNorm1d)(6)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        for value in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(value)
        pair = nn.Sequential(layer, norm).eval()
        before = layer.weight.clone()
        assert_close(page["fold"](layer, norm)(X), pair(X), 1e-5)
        assert_close(page["fold_all"](pair)(X), pair(X), 1e-5)
        assert torch.equal(layer.weight, before)
