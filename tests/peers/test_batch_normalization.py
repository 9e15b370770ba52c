"""Batch normalisation and its relatives on the page, beside PyTorch's, forward and backward."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.check import assert_close

ALSO = ("ACTIVATIONS",)
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


def test_the_networks_side_by_side_are_networks_of_torch(page: dict) -> None:
    """The stacked form that the trials train, one rate at a time, forward, backward, evaluation."""
    for norm, kind in (("none", nn.Identity), ("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)):
        s = page["Setting"](norm, depth=2, width=8, rates=(0.1, 0.2))
        params, averages = page["initial"](0, s), page["blank_averages"](s)
        layers = [(nn.Linear(n, m), kind(m)) for n, m in ((196, 8), (8, 8))]
        last = nn.Linear(8, 10)
        for (layer, _), i in zip(layers, (0, 3)):
            layer.weight.data.copy_(params[i][0])
            layer.bias.data.zero_()
        last.weight.data.copy_(params[6][0]), last.bias.data.zero_()
        model = nn.Sequential(*[part for pair in layers for part in (*pair, nn.ReLU())], last)
        X, y = torch.randn(16, 196), torch.randint(10, (16,))
        ours, logits = page["losses"](params, X, y, s, averages)
        theirs = F.cross_entropy(model(X), y)
        assert_close(ours, theirs.expand(2), 1e-5)
        assert_close(logits[1], model(X), 1e-4)
        (gradient,) = torch.autograd.grad(ours.sum(), params[0])
        (wanted,) = torch.autograd.grad(theirs, model[0].weight)
        assert_close(gradient[0], wanted, 1e-5)
        for part in model:
            if isinstance(part, nn.BatchNorm1d):
                part.reset_running_stats()
        model.train()(X)
        evaluated = page["losses"](params, X, y, s, averages, training=False)[1]
        assert_close(evaluated[0], model.eval()(X), 1e-4)


def test_the_base_setting_is_the_one_in_the_text(page: dict) -> None:
    s = page["Setting"]()
    assert (s.norm, s.depth, s.width, s.activation) == ("none", 6, 32, "ReLU")
    assert (s.scale, s.steps, s.batch, s.momentum) == (1.0, 240, 64, 0.9)


@pytest.mark.parametrize(
    ("activation", "nv"), [("ReLU", 2), ("tanh", 1), ("linear", 1), ("sigmoid, centred", 16)]
)
def test_the_first_weights_have_the_variance_of_the_text(page: dict, activation, nv) -> None:
    s = page["Setting"](depth=2, width=300, activation=activation, scale=3.0, rates=(0.1, 0.2))
    params = page["initial"](0, s)
    for i, wanted in ((0, 9 * nv / 196), (3, 9 * nv / 300), (6, 1 / 300)):
        W = params[i]
        assert torch.equal(W[0], W[1]) and W.requires_grad
        assert abs(W[0].var() / wanted - 1) < 0.1
        assert bool((params[i + 1] == 1).all())
    assert not params[2].any() and not (params[8].any() and activation != "sigmoid, centred")
    centred = -params[3].sum(2)[:, None] / 2 if activation == "sigmoid, centred" else 0
    assert_close(params[5], torch.zeros_like(params[5]) + centred, 1e-6)
    with_norm = page["initial"](0, s._replace(norm="batch"))
    assert torch.equal(with_norm[3], params[3]) and not with_norm[5].any()
