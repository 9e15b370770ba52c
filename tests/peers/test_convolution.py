"""The definitions of cnn/convolution against torch.nn.functional, d2l and what the formulas say."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close
from utils.compat import d2l

TOLERANCE = 1e-10  # in double precision
SETTINGS = [
    {"stride": stride, "padding": padding, "dilation": dilation}
    for stride, padding, dilation in itertools.product((1, 2, 3), (0, 2), (1, 2))
]
SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], dtype=torch.float64)
ALSO = ("sobel",)


@pytest.fixture(params=SETTINGS, ids=lambda s: "-".join(f"{k[0]}{v}" for k, v in s.items()))
def settings(request: pytest.FixtureRequest) -> dict[str, int]:
    return request.param


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


# ---------------------------------------------------------------------------------- the layer
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


def test_settings_have_torchs_defaults(page: dict) -> None:
    X, weight = double(2, 3, 7, 9), double(4, 3, 3, 3)
    assert_close(page["conv2d"](X, weight), F.conv2d(X, weight), TOLERANCE)
    assert torch.equal(page["im2col"](X, 3), F.unfold(X, 3))
    columns = page["im2col"](X, 3)
    assert_close(page["col2im"](columns, X.shape, 3), F.fold(columns, (7, 9), 3), TOLERANCE)


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


def test_the_loop_is_torchs_and_d2ls(page: dict) -> None:
    X, weight = double(2, 3, 7, 9), double(4, 3, 3, 3)
    assert_close(page["conv2d_loops"](X, weight), F.conv2d(X, weight), TOLERANCE)
    ours = page["conv2d_loops"](X[:1, :1].float(), weight[:1, :1].float())[0, 0]
    assert_close(ours, d2l.corr2d(X[0, 0].float(), weight[0, 0].float()), 1e-5)


def test_output_size_is_torchs(page: dict, settings: dict) -> None:
    for n, k in itertools.product((9, 10, 11, 12), (1, 2, 3, 4)):
        size = nn.Conv2d(1, 1, k, **settings)(torch.zeros(1, 1, n, n)).shape[-1]
        assert page["output_size"](n, k, **settings) == size


@pytest.mark.parametrize("by", [1, 2, 3, 4])
def test_what_moves_along(page: dict, by: int) -> None:
    assert page["follows"](by)
    assert not page["follows"](by, mode="zeros")
    assert page["follows"](by, stride=2) == (by % 2 == 0)
    assert page["follows"](by, stride=4) == (by == 4)


# ------------------------------------------------------------------------- restrictions, edges
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("local", [False, True])
def test_weights_are_counted(page: dict, shared: bool, local: bool) -> None:
    for n in (5, 8):
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
    X, new = double(400, 1, 6, 6), double(5, 1, 6, 6)
    for learn in (
        page["learn_dense"],
        page["learn_local"],
        lambda X, Y: page["learn_shared"](X, Y, k=11),
        lambda X, Y: page["learn_shared"](X, Y, k=3),
    ):
        assert_close(learn(X, page["edges"](X))(new), page["edges"](new), 1e-3)


def test_least_squares(page: dict) -> None:
    A, y = double(3, 50, 4), double(3, 50, 2)
    ours = page["least_squares"](A, y)
    assert_close(ours, torch.linalg.lstsq(A, y).solution, 1e-3)
    assert (ours - torch.linalg.lstsq(A, y).solution).abs().max() > 1e-9  # a trace of ridge
    assert page["least_squares"](A[:, :2], y[:, :2]).isfinite().all()


def test_edges_and_their_error(page: dict) -> None:
    X = double(3, 1, 6, 8)
    assert_close(page["edges"](X), F.conv2d(X, SOBEL[None, None], padding=1), TOLERANCE)
    falling = torch.arange(8.0, 0, -1).double().expand(1, 1, 6, 8)
    assert (page["edges"](falling)[..., 1:-1] > 0).all()  # darker from left to right
    assert page["error"](lambda X: 0 * X, X) == pytest.approx(1)
    assert page["error"](lambda X: 1.25 * page["edges"](X), X) == pytest.approx(0.25)


def test_examples_are_images_with_noisy_edges(page: dict) -> None:
    page["known"] = double(500, 1, 9, 9)
    X, Y = page["examples"](300, seed=1)
    assert len(X) == 300 and len({x.sum().item() for x in X}) == 300
    noise = Y - page["edges"](X)
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    assert abs(noise.mean().item()) < 0.01
    again, other = page["examples"](300, seed=1), page["examples"](300, seed=2)
    assert torch.equal(Y, again[1]) and not torch.equal(X, other[0])
    assert (noise - (other[1] - page["edges"](other[0]))).abs().max() > 0.1


def test_images_move_to_the_right(page: dict) -> None:
    X = torch.arange(12.0).view(1, 1, 3, 4)
    assert_close(page["moved"](X, 1)[0, 0, 0], torch.tensor([0.0, 0, 1, 2]))
    assert_close(page["moved"](X, 0), X)


# ------------------------------------------------------------------------------ what a unit sees
@pytest.mark.parametrize("stack", [[(3, 1, 1)] * 4, [(5, 2, 1), (2, 2, 2), (3, 1, 2)], [(1, 2, 1)]])
def test_receptive_field_is_what_has_a_gradient(page: dict, stack: list) -> None:
    assert page["receptive_field"](stack) == page["seen"](stack)


def test_receptive_fields_by_hand(page: dict) -> None:
    assert page["receptive_field"]([]) == 1
    assert page["receptive_field"]([(3, 1, 1)] * 2) == 5
    assert page["receptive_field"]([(3, 2, 1), (3, 1, 1)]) == 7
    assert page["receptive_field"]([(3, 1, 1), (3, 2, 4)]) == 11


def test_spread(page: dict) -> None:
    shares = torch.zeros(20, 20)
    shares[10, 10] = 1
    assert page["spread"](shares) == 0
    shares = torch.zeros(20, 20)
    shares[10, 7] = shares[10, 13] = 0.5  # 9 along one axis, 0 along the other
    assert page["spread"](shares) == pytest.approx(4.5**0.5)


# --------------------------------------------------------------------------- the classifiers
def test_networks_and_what_they_cost(page: dict) -> None:
    X = torch.randn(2, 1, 20, 20)
    for head, stride in itertools.product(("dense", "average"), (1, 2)):
        model = page["conv_net"](6, head, stride)
        macs = 0
        Y = X
        for layer in model:
            Y = layer(Y)
            if isinstance(layer, nn.Conv2d | nn.Linear):
                places = Y.shape[2] * Y.shape[3] if Y.ndim == 4 else 1
                macs += layer.weight.numel() * places
                assert not layer.bias.any()
        assert Y.shape == (2, 10)
        assert page["dense_width"]("MACs", 6, head, stride) == round(macs / 410)
        weights = sum(w.numel() for w in model.parameters())
        hidden = page["dense_width"]("parameters", 6, head, stride)
        dense = page["dense_net"](hidden)
        assert abs(sum(w.numel() for w in dense.parameters()) - weights) <= 411 / 2
        assert dense(X).shape == (2, 10)


def test_garments_stand_where_they_are_put(page: dict) -> None:
    X = torch.rand(5, 1, 14, 14) + 0.1
    corners = page["corners"](5, "centred", shift=2)
    assert corners.tolist() == [[3, 5], [3, 1], [5, 3], [1, 3], [3, 5]]
    framed = page["framed"](X, corners)
    for image, garment, (top, left) in zip(framed, X, corners.tolist(), strict=True):
        assert torch.equal(image[:, top : top + 14, left : left + 14], garment)
        assert (image != 0).sum() == 196
    anywhere = page["corners"](5000, "anywhere", seed=3)
    assert anywhere.min() == 0 and anywhere.max() == 6
    assert len({tuple(corner) for corner in anywhere.tolist()}) == 49


def test_validation_images_are_never_trained_on(page: dict) -> None:
    page["scaled"] = torch.arange(12_000.0).view(-1, 1, 1, 1).expand(-1, 1, 14, 14) + 1
    page["labels"] = torch.arange(12_000)
    (X, y), (X_val, y_val) = page["split"](3, page["Task"](examples=6500))
    assert (len(y), len(y_val)) == (6500, 500)
    assert not set(y.tolist()) & set(y_val.tolist()) and max(*y, *y_val) < 7000
    for images, labels in ((X, y), (X_val, y_val)):
        assert torch.equal(images[:, 0, 10, 10], labels + 1.0)
    assert not torch.equal(y, page["split"](4, page["Task"](examples=6500))[0][1])
    (X, _), (X_val, _) = page["split"](3, page["Task"]("anywhere", examples=500))
    assert not torch.equal(X != 0, X_val != 0)  # they stand elsewhere


def test_batches_visit_every_example_once_an_epoch(page: dict) -> None:
    found = list(page["batches"](70, 6, seed=3))
    assert [len(batch) for batch in found] == [32] * 6
    for epoch in (found[:2], found[2:4], found[4:]):
        assert len(torch.cat(epoch).unique()) == 64
    assert not torch.equal(found[0], found[2])


def test_blur_is_a_low_pass_filter_of_each_channel(page: dict) -> None:
    X = torch.randn(2, 3, 8, 8)
    row = torch.tensor([1.0, 2, 1])
    kernel = (row[:, None] * row / 16).expand(3, 1, 3, 3)
    assert_close(page["Blur"]()(X), F.conv2d(X, kernel, stride=2, padding=1, groups=3))
    assert_close(page["Blur"]()(torch.ones(1, 2, 9, 9))[..., 1:-1, 1:-1], torch.ones(1, 2, 3, 3))


def test_blurred_networks_differ_by_the_blur_alone(page: dict) -> None:
    for head in ("dense", "average"):
        blurred, strided = page["blurred_net"](4, head), page["conv_net"](4, head)
        blurred.load_state_dict(
            dict(zip(blurred.state_dict(), strided.state_dict().values(), strict=True))
        )
        X = torch.randn(2, 1, 20, 20)
        assert blurred(X).shape == (2, 10)
        for layer in blurred:
            if isinstance(layer, page["Blur"]):
                layer.forward = lambda X: X[..., ::2, ::2]
        assert_close(blurred(X), strided(X), 1e-5)


# ------------------------------------------------------- the exercises: what has to be refused
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("cnn/convolution", also=ALSO, exercises=True)


@pytest.mark.parametrize(
    "right",
    [lambda X: X.movedim(-1, 0)[None] / 255, lambda X: X.float().mT.transpose(0, 1)[None] / 255],
)
def test_unusual_right_batches_pass(exercises: dict, right: Any) -> None:
    exercises["image_spec"](right)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X: X.view(1, 3, *X.shape[:2]) / 255,
        lambda X: X.permute(2, 1, 0)[None] / 255,
        lambda X: X.permute(2, 0, 1)[None],
        lambda X: X.permute(2, 0, 1) / 255,
        lambda X: X.flip(2).permute(2, 0, 1)[None] / 255,
    ],
)
def test_wrong_batches_are_refused(exercises: dict, wrong: Any) -> None:
    with pytest.raises(AssertionError):
        exercises["image_spec"](wrong)


@pytest.mark.parametrize("n", [3, 8, 15, 101])
def test_depths(exercises: dict, n: int) -> None:
    for doubling in (False, True):
        L = exercises["layers_needed"](n, doubling)
        fields = [
            exercises["receptive_field"]([(3, 1, 2**m if doubling else 1) for m in range(depth)])
            for depth in (L - 1, L)
        ]
        assert fields[0] < n <= fields[1]
