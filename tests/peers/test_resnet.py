"""The definitions of cnn/resnet against torchvision and d2l."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close
from utils.check import gradients
from utils.compat import d2l, import_torchvision

torchvision = import_torchvision()


ALSO = ["DESIGNS"]


def assert_same(ours: nn.Module, theirs: nn.Module, X: Tensor, tolerance: float) -> None:
    for a, b in zip(gradients(ours, X), gradients(theirs, X), strict=True):
        assert_close(a, b, tolerance)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_names_and_shapes_are_torchvisions(page: dict, depth: int) -> None:
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        ours = page["resnet"](*page["DESIGNS"][depth])
    found = [{n: p.shape for n, p in model.state_dict().items()} for model in (ours, theirs)]
    assert found[0] == found[1]


@pytest.mark.parametrize(("depth", "training"), [(18, True), (50, False)])
def test_networks_are_torchvisions(page: dict, depth: int, training: bool) -> None:
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=5)
    ours = page["resnet"](*page["DESIGNS"][depth], num_classes=5)
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    X = torch.randn(2, 3, 33, 33, dtype=torch.float64)
    assert_same(ours.double().train(training), theirs.double().train(training), X, 1e-7)
    if training:  # and the running statistics have moved alike
        for name, buffer in ours.named_buffers():
            assert_close(buffer, theirs.get_buffer(name), 1e-9)


@pytest.mark.parametrize("name", ["BasicBlock", "Bottleneck"])
@pytest.mark.parametrize("stride", [1, 2])
def test_blocks_are_torchvisions(page: dict, name: str, stride: int) -> None:
    kinds = torchvision.models.resnet
    ours = page[name](8, 6, stride)
    out = 6 * ours.expansion
    shortcut = nn.Sequential(nn.Conv2d(8, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    theirs = getattr(kinds, name)(8, 6, stride, shortcut)
    ours.load_state_dict(theirs.state_dict())
    X = torch.randn(3, 8, 7, 9, dtype=torch.float64)
    assert_same(ours.double(), theirs.double(), X, 1e-8)


def test_basic_block_is_d2ls(page: dict) -> None:
    theirs, X = d2l.Residual(6), torch.randn(3, 6, 7, 9)
    theirs(X)
    ours, wanted = page["BasicBlock"](6, 6), theirs.state_dict()
    ours.load_state_dict({name: wanted[name] for name in ours.state_dict()})
    for conv in (theirs.conv1, theirs.conv2):
        nn.init.zeros_(conv.bias).requires_grad_(False)
    ours, theirs = ours.double(), theirs.double()
    names = dict(ours.named_parameters())
    results = []
    for model in (ours, theirs):
        out = model(X.double())
        found = [model.get_parameter(name) for name in names]
        results.append([out, *torch.autograd.grad(out.square().sum(), found)])
    for a, b in zip(*results, strict=True):
        assert_close(a, b, 1e-7)


def test_small_stem_keeps_the_size(page: dict) -> None:
    model = page["resnet"](page["BasicBlock"], (1, 1), (4, 8), 1, 10, small=True)
    X = torch.randn(2, 1, 14, 14)
    assert model[:4](X).shape == (2, 4, 14, 14)
    assert model(X).shape == (2, 10)
    modified = page["resnet"](page["BasicBlock"], (2, 2, 2, 2), in_channels=1, num_classes=10,
                              small=True)  # fmt: skip
    theirs = d2l.resnet18(10, 1)
    theirs(torch.randn(2, 1, 16, 16))
    biases = sum(m.bias.numel() for m in theirs.modules() if isinstance(m, nn.Conv2d))
    norms = 2 * (128 + 256 + 512)  # d2l's projections have none
    count = page["parameters"]
    assert count(modified) == count(theirs) - biases + norms


def test_projection_is_free_where_shapes_agree(page: dict) -> None:
    assert page["parameters"](page["projection"](8, 8, 1)) == 0
    X = torch.randn(2, 8, 7, 7)
    assert page["projection"](8, 16, 2)(X).shape == page["zero_padding"](X).shape == (2, 16, 4, 4)


def test_pre_activation_block_adds_to_its_input(page: dict) -> None:
    block, X = page["PreActivationBlock"](4, 4), torch.randn(3, 4, 5, 5)
    nn.init.zeros_(block.conv2.weight)
    assert torch.equal(block(X), X)  # no ReLU behind the sum: negative numbers pass
    assert page["PreActivationBlock"](4, 6, 2)(X).shape == (3, 6, 3, 3)


def test_squeeze_and_excitation_is_torchvisions(page: dict) -> None:
    ours, theirs = page["SqueezeExcitation"](8, 2), torchvision.ops.SqueezeExcitation(8, 2)
    ours.load_state_dict(theirs.state_dict())
    X = torch.randn(3, 8, 5, 6, dtype=torch.float64)
    assert_same(ours.double(), theirs.double(), X, 1e-10)


def test_stochastic_depth_is_torchvisions(page: dict) -> None:
    X = torch.randn(3, 4, 5, 5)
    for seed in range(30):
        torch.manual_seed(seed)
        theirs = torchvision.ops.stochastic_depth(X, 0.4, "batch", training=True)
        torch.manual_seed(seed)
        assert_close(page["stochastic_depth"](X, 0.6, training=True), theirs)
    assert torch.equal(page["stochastic_depth"](X, 0.6, training=False), X)


def test_highway_is_layer_or_copy(page: dict) -> None:
    X = torch.randn(3, 6)
    closed, opened = page["Highway"](6, -200.0), page["Highway"](6, 200.0)
    assert_close(closed(X), X)
    assert_close(opened(X), F.relu(opened.H(X)))


def test_mixer_looks_at_every_patch(page: dict) -> None:
    X = torch.randn(1, 1, 8, 8, requires_grad=True)
    out = page["Mixer"](8, 2, 6, blocks=1)(X)
    assert out.shape == (1, 10)
    (gradient,) = torch.autograd.grad(out.square().sum(), X)
    assert bool((gradient != 0).all())


def test_products_are_counted(page: dict) -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 16, 5))
    assert page["products"](model, torch.zeros(1, 2, 6, 6)) == 3 * 2 * 9 * 16 + 3 * 16 * 5
