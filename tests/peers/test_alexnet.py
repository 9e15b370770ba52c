"""The definitions of cnn/alexnet against torch.nn, torchvision, d2l's layers and utils.nn."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator
from utils.check import gradients, remark
from utils.compat import import_torchvision
from utils.nn import AlexNet, LeNet
from utils.stages import stages

torchvision = import_torchvision()

ONE_COLUMN = (64, 192, 384, 256, 256)


def assert_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float = 1e-10) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b, tolerance)


@pytest.mark.parametrize(("size", "alpha"), [(5, 1e-4), (5, 2.0), (4, 0.3), (1, 0.5)])
@pytest.mark.parametrize("channels", [2, 9])
def test_local_response_normalisation(page: dict, size: int, alpha: float, channels: int) -> None:
    X = 3 * torch.randn(2, channels, 3, 4).double()
    library = nn.LocalResponseNorm(size, alpha=size * alpha, beta=0.75, k=2.0)
    normalise = page["local_response_norm"]
    assert_same(gradients(lambda X: normalise(X, size, alpha=alpha), X), gradients(library, X))
    other = nn.LocalResponseNorm(size, alpha=size * alpha, beta=0.6, k=1.5)
    ours = gradients(lambda X: normalise(X, size, k=1.5, alpha=alpha, beta=0.6), X)
    assert_same(ours, gradients(other, X))


def test_normalises_as_the_paper_does(page: dict) -> None:
    X = 30 * torch.randn(2, 7, 3, 4).double()
    library = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    assert_same([page["local_response_norm"](X), page["Normalise"]()(X)], 2 * [library(X)])


LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, ...], int]] = {
    "2012": ({}, {}, (3, 227, 227), 60_965_224),
    "torchvision": (
        dict(widths=ONE_COLUMN, groups=1, normalise=nn.Identity, padding=2),
        dict(widths=ONE_COLUMN, groups=1, normalise=False, padding=2, image_size=224),
        (3, 224, 224),
        61_100_840,
    ),
    "textbooks": (
        dict(classes=10, channels=1, groups=1, normalise=nn.Identity, padding=1, side=5),
        dict(num_classes=10, in_channels=1, groups=1, normalise=False, padding=1, image_size=224),
        (1, 224, 224),
        46_764_746,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_those_of_the_fast_form(page: dict, layout: str) -> None:
    ours, theirs, image, parameters = LAYOUTS[layout]
    with torch.device("meta"):
        nets = page["alexnet"](**ours), AlexNet(**theirs)
    tables = [[s for s in stages(net, *image) if s.parameters] for net in nets]
    assert tables[0] == tables[1]
    assert sum(s.parameters for s in tables[0]) == parameters
    names = [[*net.state_dict()] for net in nets]
    assert names[0] == names[1]


def maps(net: nn.Sequential) -> nn.Sequential:
    """What comes before the flattening."""
    return nn.Sequential(*[*net.children()][:10])


def same_weights(page: dict, theirs: nn.Module, **options: Any) -> nn.Sequential:
    """The convolutional part of the page's network, with the weights of another."""
    with torch.device("meta"):
        ours = maps(page["alexnet"](**options))
    values = [value.detach().clone().requires_grad_() for value in theirs.parameters()]
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)), assign=True)
    return ours


@pytest.mark.parametrize("groups", [1, 2])
def test_values_and_gradients_are_those_of_the_fast_form(page: dict, groups: int) -> None:
    """The convolutional part, with small widths."""
    options: dict[str, Any] = dict(widths=(8, 12, 10, 14, 6), groups=groups)
    theirs = maps(AlexNet(3, hidden=2, **options))
    for bias in (p for p in theirs.parameters() if p.ndim == 1):
        nn.init.normal_(bias)
    ours = same_weights(page, theirs, classes=3, **options)
    X = torch.rand(2, 3, 227, 227)
    assert_same(gradients(ours, X), gradients(theirs, X), 1e-5)


def test_dense_layers(page: dict) -> None:
    ours = page["dense"](5, 7).eval()
    X = torch.randn(3, 5)
    assert_close(ours(X), F.linear(X, ours[0].weight, ours[0].bias).relu(), 1e-6)
    with torch.device("meta"):
        for net in (page["alexnet"](), AlexNet()):
            kinds = [type(m).__name__ for m in page["leaves"](net)[-7:]]
            assert kinds == 2 * ["Linear", "ReLU", "Dropout"] + ["Linear"]
            assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_output_is_torchvisions(page: dict) -> None:
    """The convolutional part; the page compares the whole."""
    options, _, image, parameters = LAYOUTS["torchvision"]
    with torch.device("meta"):
        theirs = torchvision.models.alexnet(weights=None)
    assert sum(p.numel() for p in theirs.parameters()) == parameters
    theirs = theirs.features.to_empty(device="cpu")
    for value in theirs.parameters():
        nn.init.normal_(value, std=0.05)
    X = torch.randn(1, *image)
    assert_close(same_weights(page, theirs, **options)(X), theirs(X), 1e-5)


def test_d2ls_layers(page: dict) -> None:
    """Section 8.1 of d2l, whose package does not have the network; up to its dense layers."""
    theirs = nn.Sequential(
        nn.LazyConv2d(96, kernel_size=11, stride=4, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.LazyConv2d(256, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.LazyConv2d(384, kernel_size=3, padding=1), nn.ReLU(),
        nn.LazyConv2d(384, kernel_size=3, padding=1), nn.ReLU(),
        nn.LazyConv2d(256, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    X = torch.randn(1, 1, 224, 224)
    expected = theirs(X)
    assert expected[0].numel() == 6400
    assert_close(same_weights(page, theirs, **LAYOUTS["textbooks"][0])(X), expected, 1e-5)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_small_form(overlap: bool, normalise: bool) -> None:
    net = AlexNet(
        10, 1, (6, 16, 24, 24, 16), hidden=256, groups=1, normalise=normalise, overlap=overlap,
        small=True, image_size=28,
    )  # fmt: skip
    table = stages(net, 1, 28, 28)
    assert [s.shape for s in table if s.name.startswith("pool")] == [
        (6, 7, 7),
        (16, 4, 4),
        (16, 2, 2),
    ]
    assert table.macs == 425_016
    norms = [m for m in net.modules() if isinstance(m, nn.LocalResponseNorm)]
    assert len(norms) == 2 * normalise
    assert isinstance(net[:3], nn.Sequential)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert not layer.bias.any()
            if layer.weight.numel() > 1000:
                he = (2 / layer.weight[0].numel()) ** 0.5
                assert abs(layer.weight.std().item() / he - 1) < 0.1


# --------------------------------------------------------------------------- runs side by side
ALSO = ["RATES", "TOGETHER"]


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("net", ["LeNet", "AlexNet"])
def test_networks_side_by_side_are_networks_one_by_one(page: dict, net: str, alpha: float) -> None:
    s = page["Setting"](net, alpha=alpha, overlap=True, activation="Tanh")
    build = page["lenet" if net == "LeNet" else "alexnet_small"]
    nets = [build(s) for _ in range(3)]
    X = torch.randn(4, 3, 28, 28)
    together = page["side_by_side"](nets, alpha)(X)
    norm = nn.LocalResponseNorm(5, alpha=5 * alpha, beta=0.75, k=2.0)
    for k, one in enumerate(nets):
        hidden = X[:, k, None]
        for layer in page["leaves"](one):
            layer = norm if isinstance(layer, nn.LocalResponseNorm) else layer
            hidden = layer(hidden)
        assert_close(together[:, k], hidden, 1e-4)


def test_ingredients_are_where_alexnet_has_them(page: dict) -> None:
    plain = page["lenet"](page["Setting"]())
    assert [m.p for m in plain if isinstance(m, nn.Dropout)] == [0, 0]
    kinds = [type(m) for m in plain if not isinstance(m, nn.Dropout)]
    assert kinds == [type(m) for m in LeNet()]
    assert [m.kernel_size for m in plain if isinstance(m, nn.MaxPool2d)] == [2, 2]
    full = page["lenet"](page["Setting"](alpha=1.0, overlap=True, dropout=0.5))
    kinds = [type(m).__name__ for m in full]
    assert kinds == [
        *["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"] * 2,
        "Flatten",
        *["Linear", "ReLU", "Dropout"] * 2,
        "Linear",
    ]
    assert full(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_augmentation_moves_and_reflects(page: dict) -> None:
    image = torch.full((28, 28), -0.5)
    image[10, 8] = 1.0
    X, again = (
        page["augmented"](image.expand(500, 28, 28), torch.Generator().manual_seed(0))
        for _ in range(2)
    )
    assert torch.equal(X, again)
    assert {*X.unique().tolist()} == {-0.5, 1.0}
    places = {tuple(place) for place in (X > 0).nonzero()[:, 1:].tolist()}
    rows, columns = range(8, 13), (*range(6, 11), *range(17, 22))
    assert places == {(r, c) for r in rows for c in columns}


@pytest.mark.parametrize(
    ("errors", "wanted"), [([0.5] * 60, 60), ([0.5] * 20 + [0.0] * 40, 33), ([0.25] * 60, 25)]
)
def test_steps_are_counted_to_the_end_of_the_window(
    page: dict, errors: list[float], wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = page["Block"](*[torch.zeros(2, 4)] * 2, torch.full((60, 2, 4), 0.9), nn.Sequential())
    found.errors[:, 1, 2] = torch.tensor(errors)
    monkeypatch.setitem(page, "of", lambda seed, s: (found, 1))
    assert page["steps_to"](0.25, 1, page["Setting"](steps=60)) == wanted


def test_a_block_begins_at_the_first_seed(page: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def block(first: int, s: Any) -> Any:
        found = torch.full((3, 4), float(first))
        return page["Block"](found, found, found[None], nn.Sequential())

    monkeypatch.setitem(page, "block", block)
    found = [page["of"](seed, page["Setting"]()) for seed in (100, 102, 103, 104)]
    firsts = [(int(of.test[0, 0]), place) for of, place in found]
    assert firsts == [(100, 0), (100, 2), (103, 0), (103, 1)]


def test_a_block_is_trained_as_its_networks_one_by_one(page: dict) -> None:
    first, steps = 7, 12
    s = page["Setting"](examples=40, steps=steps)
    found = page["block"](first, s)
    X, y = page["dataset"]()
    together = page["TOGETHER"]
    rows = [
        torch.randperm(10_000, generator=generator(seed)) for seed in range(first, first + together)
    ]
    rng = generator(first)
    chosen = [torch.randint(40, (16, together), generator=rng) for _ in range(steps)]
    for i in range(together):
        for k, rate in enumerate(page["RATES"]["LeNet"]):
            net = page["begun"](first + i, s)[k]
            optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
            for t, pick in enumerate(chosen):
                share = min(1, 10 * (t + 1) / steps) * (1 - t / steps)
                optimizer.param_groups[0]["lr"] = rate * share
                images = rows[i][pick[:, i]]
                logits = net(X[images])
                wrong = (logits.argmax(1) != y[images]).float().mean()
                assert abs(found.errors[t, i, k] - wrong) < 0.07
                optimizer.zero_grad()
                F.cross_entropy(logits, y[images]).backward()
                optimizer.step()
            run = i * len(page["RATES"]["LeNet"]) + k
            trained = found.net[0].weight[6 * run : 6 * run + 6]
            assert_close(trained.detach(), net[0].weight.detach(), 1e-3)
            with torch.inference_mode():
                for share, images in (
                    (found.validation, rows[i][-500:]),
                    (found.test, torch.arange(10_000, 12_000)),
                ):
                    right = (net(X[images]).argmax(1) == y[images]).float().mean()
                    assert abs(share[i, k] - right) < 0.01


# ------------------------------------------------------------------------ what the checkers refuse
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    return notebook_definitions("cnn/alexnet", also=ALSO, exercises=True)


def crops(flip: int | tuple[int, ...] = 3, swap: bool = False) -> Callable:
    def answer(X: Tensor, size: int) -> Tensor:
        h, w = X.shape[2] - size, X.shape[3] - size
        corners = [(0, 0), (0, w), (h, 0), (h, w), (h // 2, w // 2)]
        found = [X[:, :, r : r + size, c : c + size] for r, c in corners]
        mirrored = [crop.flip(flip) for crop in found]
        pairs = [part for pair in zip(found, mirrored) for part in pair]
        return torch.stack(pairs if swap else found + mirrored)

    return answer


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (crops(), "right"),
        (crops(-1), "right"),
        (crops(2), "wrong"),
        (crops(1), "wrong"),
        (crops((2, 3)), "wrong"),
        (crops(swap=True), "wrong"),
        (lambda X, size: None, "open"),
    ],
)
def test_crops(exercises: dict, answer: Callable, state: str) -> None:
    assert remark(answer, exercises["crops_spec"]).state == state


def by_identity(weight: Tensor, groups: int) -> Tensor:
    """An unusual right answer: each unit's response to each single pixel."""
    out, inside, k, _ = weight.shape
    channels = inside * groups
    basis = torch.eye(channels * k * k, dtype=weight.dtype).view(-1, channels, k, k)
    return F.conv2d(basis, weight, groups=groups)[..., 0, 0].T.view(out, channels, k, k)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (by_identity, "right"),
        (lambda weight, groups: weight.repeat(1, groups, 1, 1), "wrong"),
        (lambda weight, groups: weight.repeat(1, groups, 1, 1) / groups, "wrong"),
        (lambda weight, groups: weight.repeat_interleave(groups, 1), "wrong"),
        (lambda weight, groups: None, "open"),
    ],
)
def test_merged(exercises: dict, answer: Callable, state: str) -> None:
    assert remark(answer, exercises["merged_spec"]).state == state
