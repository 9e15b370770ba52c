"""The definitions of cnn/pooling against torch.nn.functional, and against what the formulas say."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams
from utils.check import gradients
from utils.diagrams import pooling

TOLERANCE = 1e-10  # in double precision
SETTINGS = [
    (k, stride, padding, ceil_mode)
    for k, stride, ceil_mode in itertools.product((1, 2, 3, 4), (1, 2, 5), (False, True))
    for padding in range(k // 2 + 1)
]


def same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, TOLERANCE)


@pytest.fixture(params=SETTINGS, ids=str)
def setting(request: pytest.FixtureRequest) -> tuple[int, int, int, bool]:
    return request.param


@pytest.fixture(params=["signed", "ties", "negative"])
def maps(request: pytest.FixtureRequest) -> Tensor:
    X = torch.randn(2, 3, 9, 12).double()
    return {"signed": X, "ties": (2 * X).relu().round(), "negative": X - 1e6}[request.param]


# ---------------------------------------------------------------------------------- windows
def test_output_size(page: dict, setting: tuple) -> None:
    k, stride, padding, ceil_mode = setting
    layer = nn.MaxPool2d(k, stride, padding, ceil_mode=ceil_mode)
    for n in range(k, 14):
        assert page["output_size"](n, *setting) == layer(torch.zeros(1, 1, n, n)).shape[-1]


def test_max_pool(page: dict, setting: tuple, maps: Tensor) -> None:
    k, stride, padding, ceil_mode = setting
    theirs = nn.MaxPool2d(k, stride, padding, ceil_mode=ceil_mode)
    same(gradients(lambda X: page["max_pool"](X, *setting), maps), gradients(theirs, maps))


@pytest.mark.parametrize("counted", [False, True])
def test_average_pool(page: dict, setting: tuple, counted: bool) -> None:
    X = torch.randn(2, 3, 9, 12).double()
    theirs = nn.AvgPool2d(*setting, counted)
    ours = gradients(lambda X: page["average_pool"](X, *setting, counted), X)
    same(ours, gradients(theirs, X))


def test_defaults_are_torchs(page: dict) -> None:
    X = torch.randn(2, 3, 9, 12).double()
    assert torch.equal(page["max_pool"](X, 3, 2), F.max_pool2d(X, 3, 2))
    assert_close(page["average_pool"](X, 3, 2, 1), F.avg_pool2d(X, 3, 2, 1), TOLERANCE)
    assert torch.equal(page["windows"](X, 3, 2)[0, 0, 1, 2], X[0, 0, 2:5, 4:7].flatten())
    corner = page["windows"](X, 3, 2, padding=1)[0, 0, 0, 0]
    assert torch.equal(corner.view(3, 3)[1:, 1:], X[0, 0, :2, :2])
    assert not corner.view(3, 3)[0].any()
    last = page["windows"](X, 2, 5, ceil_mode=True, fill=7.0)[0, 0, 1, -1]  # column 12 is beyond
    assert_close(last, torch.stack([X[0, 0, 5, 10:], X[0, 0, 6, 10:]]).flatten(), TOLERANCE)
    wide = page["windows"](X, 4, 3, ceil_mode=True, fill=7.0)[0, 0, -1, -1].view(4, 4)
    assert not wide[3:].any()  # beyond the map there are zeros


# ---------------------------------------------------------------------------------- blur
def test_blur_is_a_depthwise_convolution(page: dict, maps: Tensor) -> None:
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double() / 16
    kernel = kernel.expand(3, 1, 3, 3)
    theirs = gradients(lambda X: F.conv2d(X, kernel, stride=2, padding=1, groups=3), maps)
    for one, other in zip(gradients(page["blur"], maps), theirs, strict=True):
        assert_close(one, other, 1e-9 * max(1, other.abs().max().item()))


@pytest.mark.parametrize("side", [6, 20])
def test_max_blur_pool_is_the_layers_that_networks_use(page: dict, side: int) -> None:
    X = torch.randn(2, 3, side, side).double()
    layers = nn.Sequential(*page["shrink"](page["Setup"](pooling="blur"), 3))
    same(gradients(page["max_blur_pool"], X), gradients(layers, X))


# ---------------------------------------------------------------------------------- fractional
@pytest.mark.parametrize("size", [(7, 8), (5, 11), (4, 6), (8, 7)])
def test_fractional_max_pool(page: dict, size: tuple[int, int], maps: Tensor) -> None:
    u = torch.rand(2, 3, 2).double()
    ours = gradients(lambda X: page["fractional_max_pool"](X, size, u), maps)
    theirs = gradients(lambda X: F.fractional_max_pool2d(X, 2, size, _random_samples=u), maps)
    same(ours, theirs)


def test_fractional_starts(page: dict) -> None:
    u = torch.rand(1000).double()
    starts = page["fractional_starts"](u, n=20, n_out=14)
    steps = starts.diff(dim=-1)
    assert (starts[:, 0] == 0).all()
    assert (starts[:, -1] == 18).all()
    assert set(steps.flatten().tolist()) == {1, 2}
    assert page["fractional_starts"](torch.tensor(0.5), 12, 4, k=3).tolist() == [0, 3, 6, 9]


# ---------------------------------------------------------------------------------- the networks
@pytest.mark.parametrize("pooling", ["stride", "max", "max 3", "average", "blur", "fractional"])
def test_networks_halve_their_maps_twice(page: dict, pooling: str) -> None:
    model = page["network"](page["Setup"](pooling=pooling))
    sides = {layer(torch.zeros(1, 400)).numel() for layer in model if isinstance(layer, nn.Linear)
             and layer.in_features == 400}  # fmt: skip
    assert sides == {64}
    assert model(torch.zeros(2, 1, 20, 20)).shape == (2, 10)


@pytest.mark.parametrize("kernel", [2, 3])
def test_strided_layers_halve_their_maps(page: dict, kernel: int) -> None:
    layer, relu = page["shrink"](page["Setup"](pooling="strided layer", kernel=kernel), 4)
    assert layer.kernel_size == (kernel, kernel)
    assert layer(torch.zeros(2, 4, 20, 20)).shape == (2, 4, 10, 10)
    assert isinstance(relu, nn.ReLU)
    model = page["network"](page["Setup"](pooling="strided layer", kernel=kernel))
    assert model(torch.zeros(2, 1, 20, 20)).shape == (2, 10)


def test_a_head_of_averages(page: dict) -> None:
    model = page["network"](page["Setup"](head="average"))
    assert model(torch.zeros(2, 1, 20, 20)).shape == (2, 10)
    assert [layer.in_features for layer in model if isinstance(layer, nn.Linear)] == [16]


def test_images_are_moved_where_they_should_be(page: dict) -> None:
    X = torch.zeros(4, 1, 14, 14)
    X[:, :, 0, 0] = 1
    for by in range(4):
        places = page["placed"](X, page["in_turn"](4, by)).flatten(1).argmax(1)
        expected = [(3, 3 + by), (3, 3 - by), (3 + by, 3), (3 - by, 3)]
        assert places.tolist() == [20 * row + column for row, column in expected]
    assert page["placed"](torch.ones(1, 1, 14, 14), torch.tensor([[3, -3]])).sum() == 196


# ---------------------------------------------------------------------------------- the diagram
def test_diagram_says_what_poolings_keep(page: dict) -> None:
    said = diagrams.ALT["pooling_windows"]
    X = torch.tensor(pooling.MAP).double()[None, None]
    for Y in (X, X.roll(1, 3)):
        for pool in (page["max_pool"], page["average_pool"]):
            numbers = ", ".join(f"{z:g}" for z in pool(Y, 2, 2).flatten().tolist())
            assert numbers in said
        numbers = ", ".join(f"{z:g}" for z in Y[..., ::2, ::2].flatten().tolist())
        assert numbers in said
    assert "global average 2.5" in said
    assert X.mean() == 2.5
