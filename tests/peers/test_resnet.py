"""The definitions of cnn/resnet against torchvision and d2l; stacked runs against single ones."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator
from utils.check import gradients
from utils.compat import d2l, import_torchvision

torchvision = import_torchvision()


ALSO = ["DESIGNS", "NORMS"]


def assert_same(ours: nn.Module, theirs: nn.Module, X: Tensor, tolerance: float) -> None:
    for a, b in zip(gradients(ours, X), gradients(theirs, X), strict=True):
        assert_close(a, b, tolerance)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
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
    padded = page["zero_padding"](X)
    assert page["projection"](8, 16, 2)(X).shape == padded.shape == (2, 16, 4, 4)
    assert torch.equal(padded[:, :8], X[:, :, ::2, ::2])
    assert not padded[:, 8:].any()


@pytest.mark.parametrize(("out", "stride"), [(4, 1), (6, 1), (4, 2), (6, 2)])
def test_pre_activation_block_is_as_published(page: dict, out: int, stride: int) -> None:
    block, X = page["PreActivationBlock"](4, out, stride), torch.randn(3, 4, 5, 5)
    residual = nn.Sequential(block.bn1, nn.ReLU(), block.conv1, block.bn2, nn.ReLU(), block.conv2)
    shortcut = block.downsample
    assert isinstance(shortcut, nn.Identity) == (out == 4 and stride == 1)
    wanted = residual(X) + shortcut(X)
    assert wanted.shape == (3, out, -(-5 // stride), -(-5 // stride))
    assert_close(block(X), wanted)


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


def test_survival_falls_linearly(page: dict) -> None:
    found = [page["survival_of"](block, 4, 0.2) for block in (1, 2, 3, 4)]
    assert found == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert page["survival_of"](54, 54) == 0.5


def test_highway_is_layer_or_copy(page: dict) -> None:
    X = torch.randn(3, 6)
    closed, opened = page["Highway"](6, -200.0), page["Highway"](6, 200.0)
    assert_close(closed(X), X)
    assert_close(opened(X), F.relu(opened.H(X)))
    half = page["Highway"](6)
    gate = torch.sigmoid(half.T(X))
    assert_close(half(X), gate * F.relu(half.H(X)) + (1 - gate) * X)
    assert bool((half.T.bias == -2).all())


def test_multiply_accumulates_are_counted(page: dict) -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 16, 5))
    count = page["multiply_accumulates"]
    assert count(model, torch.zeros(1, 2, 6, 6)) == 3 * 2 * 9 * 16 + 3 * 16 * 5
    assert not any(layer._forward_hooks for layer in model)


def net(page: dict, *, skip: bool, norm: str, rates: tuple[float, ...]) -> nn.Sequential:
    model = page["small_net"](page["Setting"](6, skip, 4, norm, 0.5, rates=rates))
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            page["he_"](layer, len(rates))
    return model


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("skip", [False, True])
def test_runs_side_by_side_are_runs_one_by_one(page: dict, skip: bool, norm: str) -> None:
    X, y = torch.randn(64, 1, 14, 14), torch.randint(10, (64,))
    histories = []
    for rates in ((0.1,), (0.02,), (0.1, 0.02)):
        setting = page["Setting"](6, skip, 4, norm, 0.5, steps=4, batch=16, rates=rates)
        model = net(page, skip=skip, norm=norm, rates=rates).double()
        histories.append(page["descend"](model, X.double(), y, setting, generator(0)))
    assert histories[2].shape == (4, 2)
    assert_close(histories[2], torch.cat(histories[:2], dim=1), 1e-6)
    assert not torch.equal(histories[0][1:], histories[1][1:])


@pytest.mark.parametrize("skip", [False, True])
def test_small_net_is_what_the_diagram_shows(page: dict, skip: bool) -> None:
    model, X = net(page, skip=skip, norm="batch", rates=(0.1,)), torch.randn(5, 1, 14, 14)
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(weights) == 6
    assert [w.shape for w in weights] == [(4, 1, 5, 5), *[(4, 4, 3, 3)] * 4, (10, 4, 1, 1)]
    hidden = F.relu(model[1](F.conv2d(X, weights[0], stride=3)))
    for block, (first, second) in zip(model[3:5], (weights[1:3], weights[3:5]), strict=True):
        norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
        residual = F.relu(norms[0](F.conv2d(hidden, first, padding=1)))
        residual = norms[1](F.conv2d(residual, second, padding=1))
        hidden = F.relu(hidden + 0.5 * residual if skip else residual)
    wanted = F.conv2d(hidden.mean((2, 3), keepdim=True), weights[5])
    assert_close(model(X), wanted.view(5, 1, 10), 1e-5)


def test_weights_are_hes(page: dict) -> None:
    layer = nn.Conv2d(3 * 64, 3 * 64, 3, groups=3)
    page["he_"](layer, 3)
    one, two, three = layer.weight.split(64)
    assert torch.equal(one, two)
    assert torch.equal(one, three)
    assert abs(one.std().item() / (2 / (64 * 9)) ** 0.5 - 1) < 0.02
    assert not layer.bias.any()


def test_losses_are_cross_entropies(page: dict) -> None:
    logits, y = torch.randn(7, 3, 10), torch.randint(10, (7,))
    wanted = [F.cross_entropy(logits[:, run], y) for run in range(3)]
    assert_close(page["losses"](logits, y), torch.stack(wanted))


def test_a_run_that_diverged_counts_as_a_guess(page: dict) -> None:
    X, y = torch.randn(20, 3, 10), torch.randint(10, (20,))
    X[:, 0] /= 10
    X[:, 1] = torch.nan
    X[:, 2] *= 1000
    loss, accuracy = page["evaluated"](nn.Identity(), X, y)
    assert_close(loss[1:], torch.full((2,), 10.0).log())
    assert_close(loss[0], F.cross_entropy(X[:, 0], y))
    assert_close(accuracy[0], 100 * (X[:, 0].argmax(1) == y).float().mean())


def test_descent_is_sgd_with_a_warm_up_and_a_linear_decay(page: dict) -> None:
    setting = page["Setting"](6, True, steps=20, batch=16, rates=(0.1, 0.3))
    assert page["Setting"](6, True).rates == (0.03, 0.1, 0.3)  # as the page says
    X, y = torch.randn(64, 3, dtype=torch.float64), torch.randint(10, (64,))

    def models() -> list[nn.Linear]:
        torch.manual_seed(0)
        return [nn.Linear(3, 10).double() for _ in setting.rates]

    stacked = nn.Module()
    stacked.runs = nn.ModuleList(models())
    stacked.forward = lambda X: torch.stack([run(X) for run in stacked.runs], dim=1)
    found = page["descend"](stacked, X, y, setting, generator(0))
    for run, (model, rate) in enumerate(zip(models(), setting.rates, strict=True)):
        rng, velocity = generator(0), [torch.zeros_like(p) for p in model.parameters()]
        for step in range(20):
            factor = min(1, (step + 1) / 2) * (1 - step / 20)  # a tenth of 20 steps to rise
            rows = torch.randint(64, (16,), generator=rng)
            loss = F.cross_entropy(model(X[rows]), y[rows])
            assert_close(found[step, run], loss, 1e-6)
            gradient = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for p, v, g in zip(model.parameters(), velocity, gradient, strict=True):
                    v.mul_(0.9).add_(rate * g)
                    p.sub_(factor * v)
