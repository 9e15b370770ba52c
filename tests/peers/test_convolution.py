"""The definitions of cnn/convolution against torch.nn.functional and d2l."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close
from utils.compat import d2l

TOLERANCE = 1e-10  # in double precision
SETTINGS = [
    {"stride": stride, "padding": padding, "dilation": dilation}
    for stride, padding, dilation in itertools.product((1, 2, 3), (0, 2), (1, 2))
]


@pytest.fixture(params=SETTINGS, ids=lambda s: "-".join(f"{k[0]}{v}" for k, v in s.items()))
def settings(request: pytest.FixtureRequest) -> dict[str, int]:
    return request.param


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_conv2d_is_torchs(page: dict, settings: dict, k: int, groups: int) -> None:
    X, weight, bias = double(2, 6, 11, 14), double(12, 6 // groups, k, k), double(12)
    results = []
    for f in (page["conv2d"], F.conv2d):
        inputs = [x.clone().requires_grad_() for x in (X, weight, bias)]
        Y = f(*inputs, groups=groups, **settings)
        scale = torch.linspace(-1, 1, Y.numel(), dtype=torch.float64).view_as(Y)
        results.append([Y, *torch.autograd.grad((scale * Y).sum(), inputs)])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs, TOLERANCE)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_columns_are_torchs(page: dict, settings: dict, k: int) -> None:
    X = double(2, 3, 11, 14)
    columns = page["im2col"](X, k, **settings)
    assert torch.equal(columns, F.unfold(X, k, **settings))
    back = page["col2im"](columns, X.shape, k, **settings)
    assert_close(back, F.fold(columns, X.shape[2:], k, **settings), TOLERANCE)
    # col2im is the transpose of im2col
    other = double(*columns.shape)
    left, right = (columns * other).sum(), (X * page["col2im"](other, X.shape, k, **settings)).sum()
    assert_close(left, right, TOLERANCE)


def test_backward_by_hand_is_autograds(page: dict, settings: dict) -> None:
    X, weight = double(2, 3, 11, 14).requires_grad_(), double(4, 3, 3, 3).requires_grad_()
    Y = F.conv2d(X, weight, **settings)
    dY = double(*Y.shape)
    ours = page["conv2d_backward"](dY, X.detach(), weight.detach(), **settings)
    for a, b in zip(ours, torch.autograd.grad(Y, (X, weight), dY), strict=True):
        assert_close(a, b, TOLERANCE)


def test_walks_are_torchs_and_d2ls(page: dict) -> None:
    X, weight = double(2, 3, 7, 9), double(4, 3, 3, 3)
    for walk in ("conv2d_loops", "conv2d_by_offset"):
        assert_close(page[walk](X, weight), F.conv2d(X, weight), TOLERANCE)
    ours = page["conv2d_loops"](X[:1, :1].float(), weight[:1, :1].float())[0, 0]
    assert_close(ours, d2l.corr2d(X[0, 0].float(), weight[0, 0].float()), 1e-5)


def test_output_size_is_torchs(page: dict, settings: dict) -> None:
    for n, k in itertools.product((9, 10, 11, 12), (1, 2, 3, 4)):
        size = nn.Conv2d(1, 1, k, **settings)(torch.zeros(1, 1, n, n)).shape[-1]
        assert page["output_size"](n, k, **settings) == size


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("local", [False, True])
def test_weights_are_counted(page: dict, shared: bool, local: bool) -> None:
    n = 5
    numbers = page["which_weight"](n, shared, local)
    expected = {(0, 0): n**4, (1, 0): (2 * n - 1) ** 2, (0, 1): (3 * n - 2) ** 2, (1, 1): 9}
    assert (numbers.unique() >= 0).sum() == expected[shared, local]


def test_both_restrictions_are_a_convolution(page: dict) -> None:
    numbers, kernel = page["which_weight"](5, True, True), double(9)
    rank = numbers.unique(return_inverse=True)[1] - 1
    W, X = kernel[rank.clamp(min=0)] * (numbers >= 0), double(1, 1, 5, 5)
    library = F.conv2d(X, kernel.view(1, 1, 3, 3), padding=1)
    assert_close(W @ X.flatten(), library.flatten(), TOLERANCE)


def test_each_layer_learns_the_edges_without_noise(page: dict) -> None:
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=torch.float64)
    X, new = double(400, 1, 6, 6), double(5, 1, 6, 6)
    truth = lambda X: F.conv2d(X, sobel[None, None], padding=1)  # noqa: E731
    for learn in (
        page["learn_dense"],
        page["learn_local"],
        lambda X, Y: page["learn_shared"](X, Y, k=11),
        lambda X, Y: page["learn_shared"](X, Y, k=3),
    ):
        assert_close(learn(X, truth(X))(new), truth(new), 1e-3)


@pytest.mark.parametrize("stack", [[(3, 1, 1)] * 4, [(5, 2, 1), (2, 2, 2), (3, 1, 2)], [(1, 2, 1)]])
def test_receptive_field_is_what_has_a_gradient(page: dict, stack: list) -> None:
    assert page["receptive_field"](stack) == page["seen"](stack)
