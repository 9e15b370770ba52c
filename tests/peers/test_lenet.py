"""The definitions of cnn/lenet against torch.nn, d2l and utils.nn, forward and backward."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close
from utils.check import gradients
from utils.compat import d2l
from utils.nn import LeNet

TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert_close(one, other, TOLERANCE)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(
    ("channels", "maps", "size"), [(1, 6, 5), (6, 16, 5), (3, 2, 1), (2, 4, 3)]
)
def test_conv2d(page: dict, channels: int, maps: int, size: int, padding: int) -> None:
    X = torch.randn(4, channels, 9, 12).double()
    weight, bias = torch.randn(maps, channels, size, size).double(), torch.randn(maps).double()
    ours = gradients(lambda *args: page["conv2d"](*args, padding), X, weight, bias)
    theirs = gradients(lambda *args: F.conv2d(*args, padding=padding), X, weight, bias)
    assert_same(ours, theirs)


def test_conv2d_is_what_d2l_computes(page: dict) -> None:
    X, kernel = torch.randn(7, 8).double(), torch.randn(3, 3).double()
    ours = page["conv2d"](X[None, None], kernel[None, None], torch.zeros(1).double())
    assert_close(ours[0, 0], d2l.corr2d(X, kernel), 1e-5)  # d2l computes in single precision


def test_conv2d_checks_shapes(page: dict) -> None:
    with pytest.raises(Exception, match="(?i)type-check"):
        page["conv2d"](torch.zeros(1, 2, 8, 8), torch.zeros(4, 3, 5, 5), torch.zeros(4))


@pytest.mark.parametrize(
    ("name", "library"), [("max_pool", F.max_pool2d), ("average_pool", F.avg_pool2d)]
)
def test_pooling(page: dict, name: str, library: Any) -> None:
    X = torch.randn(3, 5, 8, 12).double()
    assert_same(gradients(page[name], X), gradients(lambda X: library(X, 2), X))


def test_dense(page: dict) -> None:
    X = torch.randn(5, 7).double()
    ours, theirs = page["Dense"](7, 3).double(), nn.Linear(7, 3).double()
    theirs.load_state_dict(ours.state_dict())
    assert_same(gradients(ours, X), gradients(theirs, X))


def test_relu(page: dict) -> None:
    X = torch.tensor([-2.0, 0.0, 3.0]).double()
    assert_same(gradients(page["relu"], X), gradients(F.relu, X))


def peers(page: dict) -> list[tuple[nn.Module, nn.Module]]:
    mean = page["average_pool"]
    return [
        (page["LeNet"](), LeNet()),
        (page["LeNet"](torch.tanh, mean), LeNet(activation=nn.Tanh, pooling=nn.AvgPool2d)),
        (page["LeNet"](torch.sigmoid, mean), d2l.LeNet().net),
    ]


@pytest.mark.parametrize("index", range(3), ids=["utils.nn", "utils.nn with tanh", "d2l"])
def test_lenet(page: dict, index: int) -> None:
    ours, theirs = (model.double() for model in peers(page)[index])
    X, y = torch.rand(8, 1, 28, 28).double(), torch.arange(8)
    theirs(X)  # d2l's layers take their shapes from the first batch
    theirs.load_state_dict(ours.state_dict())
    results = []
    for model in (ours, theirs):
        images = X.clone().requires_grad_()
        logits = model(images)
        loss = F.cross_entropy(logits, y)
        results.append([logits, *torch.autograd.grad(loss, [images, *model.parameters()])])
    assert_same(*results)


def test_starts_as_the_page_does(page: dict) -> None:
    """Weights of the fast form have the page's spread, biases are 0."""
    for ours, theirs in zip(page["LeNet"]().parameters(), LeNet().parameters()):
        assert ours.shape == theirs.shape
        if ours.ndim > 1 and ours.numel() > 1000:  # enough numbers to tell
            assert abs(ours.std() / theirs.std() - 1) < 0.15
        elif ours.ndim == 1:
            assert not theirs.any()
            assert not ours.any()


def test_sizes(page: dict) -> None:
    rows = page["trace"](page["LeNet"](), torch.zeros(1, 1, 28, 28))
    assert [row[2] for row in rows if row[0] in ("Convolution", "max_pool")] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
    ]
    assert [row[2] for row in rows if row[0] in ("flatten", "Dense")] == [
        (400,),
        (120,),
        (84,),
        (10,),
    ]
    assert [row[1] for row in rows] == [(1, 28, 28)] + [row[2] for row in rows[:-1]]
    assert sum(row[3] for row in rows) == sum(p.numel() for p in LeNet().parameters()) == 61_706
    assert sum(row[4] for row in rows) == 416_520


def test_fast_form_checks_and_options() -> None:
    assert LeNet(num_classes=3)(torch.zeros(2, 1, 28, 28)).shape == (2, 3)
