"""The definitions of cnn/nin against utils.nn, torch.nn and torch.optim, forward and backward."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator
from utils import nn as book_nn
from utils.check import gradients
from utils.stages import stages

TOLERANCE = 1e-9


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Weights in the order in which both networks hold them."""
    old = source.state_dict()
    target.load_state_dict(dict(zip(target.state_dict(), old.values(), strict=True)))


def assert_same(ours: nn.Module, theirs: nn.Module, X: Tensor) -> None:
    for a, b in zip(gradients(ours, X), gradients(theirs, X), strict=True):
        assert_close(a, b, TOLERANCE)


# --------------------------------------------------------------------------- the exact networks
@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(5, 1, 2), (3, 2, 0), (1, 1, 0)])
def test_a_block_is_the_fast_form(page: dict, kernel_size: int, stride: int, padding: int) -> None:
    ours = page["mlpconv"](3, 3 * [4], kernel_size, stride, padding).double()
    fast = book_nn.nin.NiNBlock(3, 4, kernel_size, stride, padding).double()
    copy_weights(ours, fast)
    assert_same(ours, fast, torch.randn(2, 3, 9, 11).double())


def test_a_block_is_a_perceptron_at_every_window(page: dict) -> None:
    block = page["mlpconv"](2, [5, 4, 3], 3, padding=1).double()
    X = torch.randn(2, 2, 6, 7).double()
    windows = F.unfold(X, 3, padding=1).mT  # (2, 6 * 7, 2 * 3 * 3)
    for layer in (block[0], block[2], block[4]):
        windows = F.relu(F.linear(windows, layer.weight.flatten(1), layer.bias))
    assert_close(block(X).flatten(2).mT, windows, TOLERANCE)


def test_the_network_is_the_fast_form(page: dict) -> None:
    ours, fast = page["NiN"](7, 2).eval(), book_nn.NiN(7, in_channels=2).eval()
    for name, w in ours.named_parameters():
        nn.init.normal_(w, std=(2 / w[0].numel()) ** 0.5 if "weight" in name else 0.1)
    copy_weights(ours, fast)
    X = torch.randn(1, 2, 224, 192)
    both = [net(X) for net in (ours, fast)]
    assert_close(*both, 1e-5)
    found = (
        torch.autograd.grad(z.square().sum(), [*net.parameters()])
        for net, z in zip((ours, fast), both, strict=True)
    )
    for a, b in zip(*found, strict=True):
        assert_close(a, b, 1e-4 * max(1, b.abs().max().item()))
    kinds = [[type(m) for m in net.modules() if not list(m.children())] for net in (ours, fast)]
    assert kinds[0] == kinds[1]
    assert [m.p for m in ours.modules() if isinstance(m, nn.Dropout)] == [0.5]


def test_the_shapes_of_the_network(page: dict) -> None:
    with torch.device("meta"):
        found = stages(page["NiN"](), 1, 224, 224)
    assert [s.shape[:2] for s in found if s.parameters] == [(96, 54), (256, 26), (384, 12), (10, 5)]
    assert found.parameters == 1_992_166


def test_the_papers_network(page: dict) -> None:
    with torch.device("meta"):
        net = page["cifar_nin"]()
        found = stages(net, 3, 32, 32)
    assert found.parameters == 966_986
    assert [s.shape for s in found] == [
        (96, 32, 32),
        *2 * [(96, 16, 16)],
        (192, 16, 16),
        *2 * [(192, 8, 8)],
        (10, 8, 8),
        (10, 1, 1),
        (10,),
    ]
    assert [m.p for m in net if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert isinstance(net[1], nn.MaxPool2d) and isinstance(net[4], nn.AvgPool2d)


def test_shares_of_dense_layers(page: dict) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 5), nn.Linear(5, 3))
    assert page["dense_shares"](net) == (63, 43 / 63, 25 / 63)


@pytest.mark.parametrize("name", ["mlpconv", "network_in_network"])
def test_the_diagrams_say_the_shapes(page: dict, name: str) -> None:
    texts = {t.get_text() for t in getattr(diagrams, name)().axes[0].texts}
    said = diagrams.ALT[name]
    for shape in re.findall(r"\d+×\d+×\d+", said):
        assert shape in texts
    if name == "network_in_network":
        with torch.device("meta"):
            found = {s.name: s.shape for s in stages(page["NiN"](), 1, 224, 224)}
            alexnet = book_nn.AlexNet(10, 1, groups=1, normalise=False, padding=1, image_size=224)
            shapes = {s.shape for s in stages(alexnet, 1, 224, 224)}
        assert "×".join(map(str, found["pool3"])) in texts
        assert "×".join(map(str, found["maps"])) in texts
        assert (256, 5, 5) in shapes and "256×5×5" in texts


# --------------------------------------------------------------------------- training
def test_images_are_moved_in_turn(page: dict) -> None:
    X = torch.zeros(5, 1, 7, 7)
    X[:, :, 3, 3] = 1
    found = page["in_turn"](X, page["directions"](2))
    places = [tuple(image[0].nonzero()[0].tolist()) for image in found]
    assert places == [(3, 5), (3, 1), (5, 3), (1, 3), (3, 5)]


def test_the_small_networks(page: dict) -> None:
    counts = {"mean": 1962, "one layer": 1962 + 6410, "two layers": 1962 + 64 * 641 + 650}
    for head, count in counts.items():
        s = page["Setting"](head=head)
        net = page["three_copies"](s)
        assert sum(w.numel() for w in net.parameters()) == 3 * count
        assert s.dropout == 0 and all(m.p == 0 for m in net if isinstance(m, nn.Dropout))
        rates = [0.01, 0.03, 0.1] if head == "mean" else [0.003, 0.01, 0.03]
        assert_close(s.rates(), torch.tensor(rates), 1e-7)


def alone(net: nn.Sequential, copy: int) -> nn.Sequential:
    """One of three copies, as a network of its own."""
    layers: list[nn.Module] = []
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            out, inputs = layer.out_channels // 3, layer.weight.shape[1]
            k = layer.kernel_size[0]
            own = nn.Conv2d(inputs, out, k, padding=layer.padding[0])  # type: ignore[arg-type]
            rows = slice(copy * out, (copy + 1) * out)
            own.weight.data, own.bias.data = (
                w[rows].detach().clone() for w in (layer.weight, layer.bias)
            )
            layers.append(own)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "change",
    [{}, {"head": "one layer"}, {"head": "two layers"}, {"micro": 0}, {"moved": 2}],
    ids=str,
)
def test_three_copies_train_as_three_networks(page: dict, change: dict[str, Any]) -> None:
    s = page["Setting"](steps=7, **change)
    net = page["three_copies"](s)
    copies = [alone(net, i) for i in range(3)]
    for own in copies[1:]:
        for w, first in zip(own.parameters(), copies[0].parameters(), strict=True):
            assert torch.equal(w, first)
    X, y = torch.rand(50, 1, 16, 16), torch.arange(50) % 10
    history = page["descend"](net, X, y, s, generator(3))
    for i, own in enumerate(copies):
        rate, rng, left = s.rates()[i].item(), generator(3), torch.arange(0)
        optimizer = torch.optim.Adam(own.parameters(), rate)
        for t in range(1, s.steps + 1):
            if len(left) < 32:
                left = torch.randperm(50, generator=rng)
            rows, left = left[:32], left[32:]
            number = torch.randint((2 * s.moved + 1) ** 2, (), generator=rng).item()
            shift = [int(n) - s.moved for n in divmod(number, 2 * s.moved + 1)]
            optimizer.param_groups[0]["lr"] = rate * min(t / 0.7, (8 - t) / 6.3)
            loss = F.cross_entropy(own(X[rows].roll(shift, (2, 3))).flatten(1), y[rows])
            if t < 4:  # later, rounding errors have grown
                assert_close(history[t - 1, i], loss.detach(), 1e-4)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def test_steps_to_a_level(page: dict) -> None:
    losses = torch.tensor([[4.0, 3, 2, 1], [4, 2, 2, 2], [9, 9, 9, 9]])
    assert [page["steps_to"](level, losses) for level in (4.0, 2.5, 2.0, 1.0)] == [0, 1, 1, 3]
