"""The definitions of cnn/googlenet against torchvision and utils.nn, forward and backward."""

import math
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator
from utils import nn as book_nn
from utils.check import gradients
from utils.compat import import_torchvision
from utils.nn.googlenet import PLAN
from utils.stages import stages

models = import_torchvision().models
parts = models.inception
ALSO = ("ONE_KERNEL",)
TOLERANCE = 1e-9


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Weights and buffers in the order in which both networks hold them."""
    old = source.state_dict()
    target.load_state_dict(dict(zip(target.state_dict(), old.values(), strict=True)))


def assert_same(ours: nn.Module, theirs: nn.Module, X: Tensor) -> None:
    copy_weights(ours, theirs)
    found = [gradients(net.double(), X.double()) for net in (ours, theirs)]
    for a, b in zip(*found, strict=True):
        assert_close(a, b, TOLERANCE)


# ---------------------------------------------------------------------------- the exact network
@pytest.mark.parametrize("plan", [(3, 2, (3, 4), (2, 5), 1), (4, 1, (2, 3), (3, 2), 6)])
def test_block(page: dict, plan: tuple) -> None:
    X = torch.randn(2, plan[0], 5, 6)
    assert_same(page["inception"](*plan), book_nn.Inception(*plan), X)


def test_googlenet_is_the_fast_form(page: dict) -> None:
    assert page["PLAN"] == PLAN
    ours, fast = page["GoogLeNet"](7).eval(), book_nn.GoogLeNet(7).eval()
    copy_weights(fast, ours)
    X = torch.randn(2, 3, 70, 45)
    with torch.inference_mode():
        assert_close(ours(X), fast(X), 1e-5)
    assert ours.dropout.p == fast.dropout.p


def test_stages_are_the_fast_forms(page: dict) -> None:
    with torch.device("meta"):
        nets = page["GoogLeNet"](), book_nn.GoogLeNet()
    ours, fast = (list(stages(net, 3, 224, 224)) for net in nets)
    assert [(s.shape, s.parameters, s.macs) for s in ours] == [
        (s.shape, s.parameters, s.macs) for s in fast
    ]


@pytest.mark.parametrize("training", [False, True])
def test_later_blocks_are_torchvisions(page: dict, training: bool) -> None:
    pairs = [
        (page["block_a"](5, 3), parts.InceptionA(5, 3)),
        (page["block_b"](6), parts.InceptionB(6)),
        (page["block_c"](4, 5), parts.InceptionC(4, 5)),
        (page["block_d"](3), parts.InceptionD(3)),
    ]
    for ours, theirs in pairs:
        channels = ours[0][0][0].in_channels
        X = torch.randn(3, channels, 9, 8)
        assert_same(ours.train(training), theirs.train(training), X)


def test_reduction_a(page: dict) -> None:
    block = page["reduction_a"](5, 2, 3, 4, 6).double()
    X = torch.randn(3, 5, 9, 8).double()
    (norm_n, norm_k, norm_l, norm_m) = (m for m in block.modules() if isinstance(m, nn.BatchNorm2d))
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    n, k, last, m = convs
    expected = [F.max_pool2d(X, 3, 2), norm_n(n(X)).relu()]
    inner = norm_l(last(norm_k(k(X)).relu())).relu()
    expected.append(norm_m(m(inner)).relu())
    assert_close(block(X), torch.cat(expected, 1), TOLERANCE)
    assert [c.stride for c in convs] == [(2, 2), (1, 1), (1, 1), (2, 2)]
    assert [c.padding for c in convs] == [(0, 0), (0, 0), (1, 1), (0, 0)]
    with torch.device("meta"):
        cost = stages(nn.Sequential(page["reduction_a"](384)), 384, 35, 35)[0]
    assert cost.shape == (1024, 17, 17)


def test_a_convolution(page: dict) -> None:
    plain = page["conv"](3, 4, (1, 7))
    assert plain[0].padding == (0, 3)
    assert plain[0].bias is not None
    assert page["conv"](3, 4, 3, 2, 0)[0].padding == (0, 0)
    normed = page["conv"](3, 4, 3, norm=True)
    assert normed[0].bias is None
    assert [type(layer) for layer in normed] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert normed[1].eps == 0.001
    X = torch.randn(2, 3, 5, 6)
    assert_close(plain(X), F.conv2d(X, plain[0].weight, plain[0].bias, padding=(0, 3)).relu())


def test_auxiliary_head(page: dict) -> None:
    ours = page["auxiliary_head"](6, 9)
    theirs = sys.modules["torchvision.models.googlenet"].InceptionAux(
        6, 9, conv_block=lambda i, o, kernel_size: page["conv"](i, o, kernel_size)
    )
    copy_weights(ours, theirs)
    X = torch.randn(3, 6, 14, 14)
    pooled = F.avg_pool2d(X, 5, 3)  # torchvision's pooling has windows of 4 × 4
    assert pooled.shape == (3, 6, 4, 4)
    assert_close(ours.eval()(X), theirs.eval()(pooled))
    (dropout,) = (m for m in ours.modules() if isinstance(m, nn.Dropout))
    assert dropout.p == 0.7


def test_training_loss(page: dict) -> None:
    net = nn.Sequential()
    net.first, net.second, net.third = nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)
    heads = {"first": nn.Linear(5, 3), "second": nn.Linear(5, 3)}
    X, y = torch.randn(6, 4), torch.randint(3, (6,))
    one, two = net.first(X), net.first(X).tanh()
    logits = heads["first"](one), heads["second"](two), net.third(two)
    loss = [F.cross_entropy(z, y) for z in logits]
    assert_close(page["training_loss"](net, heads, X, y), 0.3 * (loss[0] + loss[1]) + loss[2])
    assert_close(page["training_loss"](net, {}, X, y, 0.5), loss[2])
    only = {"second": heads["second"]}
    assert_close(page["training_loss"](net, only, X, y, 0.5), 0.5 * loss[1] + loss[2])


def test_depth(page: dict) -> None:
    depth, branch = page["depth"], page["branch"]
    deep = branch(3, (4, 1), (5, 3), (6, 3))
    block = page["Branches"]([branch(3, (4, 1)), deep, branch(3, nn.MaxPool2d(3, 1, 1), (2, 1))])
    assert depth(block) == 3
    assert depth(nn.Sequential(block, nn.Flatten(), nn.Linear(2, 2))) == 4
    assert depth(nn.ReLU()) == 0


# --------------------------------------------------------------------- three copies side by side
def third(w: Tensor, k: int) -> Tensor:
    return w.detach().chunk(3)[k].double()


def conv_of(layer: nn.Conv2d, k: int, rows: slice = slice(None)) -> nn.Conv2d:
    weight, bias = third(layer.weight, k)[rows], third(layer.bias, k)[rows]
    conv = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2], padding=layer.padding)
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv.double()


class Single(nn.Module):
    """One copy of an Inception block, from plain layers."""

    def __init__(self, block: Any, k: int, norm: bool) -> None:
        super().__init__()
        one, inner = block.sizes
        self.one = conv_of(block.pointwise, k, slice(0, one))
        reduce3 = block.reductions[0] if block.reductions else 0
        self.reduce3 = conv_of(block.pointwise, k, slice(one, one + reduce3)) if inner else None
        self.reduce5 = conv_of(block.pointwise, k, slice(one + reduce3, None)) if inner else None
        self.three, self.five = conv_of(block.three, k), conv_of(block.five, k)
        self.pool, self.pooled = block.pool, conv_of(block.pooled, k)

        def normed(width: int) -> nn.Module:
            return nn.BatchNorm2d(width).double() if norm else nn.Identity()

        self.norm3 = normed(reduce3)
        self.norm5 = normed(block.reductions[1]) if inner else None
        widths = [c.out_channels for c in (self.one, self.three, self.five, self.pooled)]
        self.norms = nn.ModuleList(map(normed, widths))

    def forward(self, X: Tensor) -> Tensor:
        three = five = X
        if self.reduce3 is not None:
            three = self.norm3(self.reduce3(X)).relu()
            five = self.norm5(self.reduce5(X)).relu()
        maps = self.one(X), self.three(three), self.five(five), self.pooled(self.pool(X))
        return torch.cat([n(m).relu() for n, m in zip(self.norms, maps, strict=True)], 1)


def one_copy(page: dict, s: Any, k: int, of: nn.Sequential) -> nn.Sequential:
    """The k-th of three copies as a network of its own, built from plain layers."""
    layers: list[nn.Module] = []
    for layer in of:
        if isinstance(layer, nn.Conv2d):
            layers.append(conv_of(layer, k))
        elif isinstance(layer, page["ThreeBlocks"]):
            layers.append(Single(layer, k, s.norm))
        elif isinstance(layer, nn.Sequential):
            if s.norm:
                layers.append(nn.BatchNorm2d(layer[0].num_features // 3).double())
            layers.append(nn.ReLU())
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


SMALL = dict(blocks=((2, (3, 4), (1, 2), 3), (3, (2, 3), (2, 4), 1)))
SETTINGS = [
    SMALL,
    dict(SMALL, norm=False),
    dict(SMALL, reduced=False),
    dict(SMALL, third=3),
    dict(blocks=((5, 3), (6, 1)), norm=False),
    dict(blocks=((4, 5), (3, 3))),
]
STEPS = 20


@pytest.mark.parametrize("options", SETTINGS)
def test_three_copies_train_as_single_networks(page: dict, options: dict) -> None:
    s = page["Setting"](steps=STEPS, **options)
    X, y = torch.randn(40, 1, 6, 6).double(), torch.randint(10, (40,))
    net = page["three_copies"](s)
    singles = [one_copy(page, s, k, net) for k in range(3)]
    history = page["descend"](net.double(), X, y, s, generator(3))
    for k, single in enumerate(singles):
        sgd = torch.optim.SGD(single.parameters(), 1.0, momentum=0.9)
        rng, left, losses = generator(3), torch.arange(0), []
        for t in range(STEPS):
            if len(left) < 32:
                left = torch.randperm(40, generator=rng)
            rows, left = left[:32], left[32:]
            loss = F.cross_entropy(single(X[rows]), y[rows])
            share = (t + 1) / 2 if t < 2 else (20 - t) / 18  # two steps up, then down
            sgd.param_groups[0]["lr"] = s.rates()[k].item() * share
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.detach())
        assert_close(history[:, k], torch.stack(losses), 1e-5)
    found, mistakes = page["losses"](net.eval(), X, y)
    for k, single in enumerate(singles):
        logits = single.eval()(X)
        assert_close(found[k], F.cross_entropy(logits, y).detach(), 1e-5)
        assert mistakes[k].item() == pytest.approx((logits.argmax(1) != y).float().mean().item())


@pytest.mark.parametrize("groups", [1, 3])
def test_start(page: dict, groups: int) -> None:
    layer = page["copies"](20, 40, 3, groups=groups)
    first, second, last = layer.weight.chunk(3)
    assert torch.equal(first, second)
    assert torch.equal(first, last)
    assert not layer.bias.any()
    assert first.var().item() == pytest.approx(2 / (20 * 9), rel=0.1)


def test_forms_do_the_same_work(page: dict) -> None:
    base = page["work"](page["Setting"]())
    block = (
        book_nn.Inception(16, *page["INCEPTION"][0]),
        book_nn.Inception(28, *page["INCEPTION"][1]),
    )
    expected = [stages(nn.Sequential(b), b.branch1[0].in_channels, 7, 7).macs for b in block]
    assert base == 14 * 14 * 9 * 16 + sum(expected) + 10 * 42
    for s in page["ONE_KERNEL"].values():
        assert page["work"](s) == pytest.approx(base, rel=0.02)
    assert math.isclose(page["work"](page["Setting"](reduced=False)) / base, 2.63, rel_tol=0.01)


def test_rates(page: dict) -> None:
    for norm, rates in ((True, [0.1, 0.3, 0.9]), (False, [0.03, 0.1, 0.3])):
        assert page["Setting"](norm=norm).rates().tolist() == pytest.approx(rates)
