"""The definitions of vision/augmentation against torchvision, plain loops and the library."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn import functional as F

from utils import assert_close, diagrams, seed_everything
from utils.check import gradients
from utils.compat import import_torchvision

torchvision = import_torchvision()
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as TF  # noqa: E402

ALSO = ("WRONG",)
BILINEAR = v2.InterpolationMode.BILINEAR


def images(n: int = 6, c: int = 3, h: int = 9, w: int = 12) -> Tensor:
    return torch.rand(n, c, h, w).double()


def cropped(X: Tensor, corner: list, padding: int) -> Tensor:
    h, w = X.shape[2:]
    return torch.stack([TF.crop(TF.pad(x, padding), i, j, h, w) for x, (i, j) in zip(X, corner)])


def blended(blend: Callable, other: Callable, factor: Tensor, X: Tensor) -> Tensor:
    return blend(X, other(X), factor)


def one_by_one(change: Callable, factors: list[float], X: Tensor) -> Tensor:
    return torch.stack([change(x, f) for x, f in zip(X, factors)])


def same(ours, theirs, X: Tensor) -> None:
    for one, other in zip(gradients(ours, X), gradients(theirs, X), strict=True):
        assert_close(one, other, 1e-6)


def test_flip_and_crop(page: dict) -> None:
    X = images()
    which = torch.tensor([True, False, True, True, False, False])
    theirs = lambda X: torch.stack(  # noqa: E731
        [TF.horizontal_flip(x) if yes else x for x, yes in zip(X, which)]
    )
    same(lambda X: page["flip"](X, which), theirs, X)
    for padding in (1, 3):
        corner = torch.randint(2 * padding + 1, (6, 2))
        ours = partial(page["crop"], corner=corner, padding=padding)
        same(ours, partial(cropped, corner=corner.tolist(), padding=padding), X)


def test_affine(page: dict) -> None:
    X = images(5, 2, 12, 12)
    degrees, shear = torch.linspace(-170, 150, 5).double(), torch.linspace(40, -30, 5).double()
    zoom, move = torch.linspace(0.6, 1.6, 5).double(), 3 * torch.randn(5, 2).double()
    A = page["affine_maps"](degrees, zoom, shear)
    theirs = lambda X: torch.stack(  # noqa: E731
        [
            TF.affine(x, a.item(), m.tolist(), z.item(), [s.item(), 0.0], interpolation=BILINEAR)
            for x, a, m, z, s in zip(X, degrees, move, zoom, shear)
        ]
    )
    same(lambda X: page["warp"](X, A, move), theirs, X)
    quarter = page["affine_maps"](torch.tensor([90.0]), torch.tensor([2.0]), torch.zeros(1))
    assert_close(quarter[0] @ torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]))


def test_colours(page: dict) -> None:
    X, factor = images(), torch.linspace(0, 2, 6).double()
    grey = page["grey"](X.float())
    assert_close(grey, TF.rgb_to_grayscale(X.float()), 1e-6)
    X, factor = X.float(), factor.float()
    for other, change in (
        (lambda X: 0.0, TF.adjust_brightness),
        (lambda X: page["grey"](X).mean((1, 2, 3), keepdim=True), TF.adjust_contrast),
        (lambda X: page["grey"](X), TF.adjust_saturation),
    ):
        ours = partial(blended, page["blend"], other, factor)
        theirs = partial(one_by_one, change, factor.tolist())
        for one, two in zip(gradients(ours, X), gradients(theirs, X), strict=True):
            assert_close(one, two, 1e-4)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_cutout(page: dict, size: int) -> None:
    X = images()
    centre = torch.tensor([[0, 0], [8, 11], [4, 5], [8, 0], [2, 11], [5, 7]])
    wanted = X.clone()
    for x, (i, j) in zip(wanted, centre.tolist()):
        top, left = i - size // 2, j - size // 2
        x[:, max(top, 0) : top + size, max(left, 0) : left + size] = 0
    assert_close(page["cutout"](X, centre, size), wanted)


def test_mixup(page: dict) -> None:
    X, Y = images(5), torch.rand(5, 4).double()
    lam, partner = torch.rand(5).double(), torch.tensor([3, 0, 4, 1, 2])
    ours_X, ours_Y = page["mixup"](X, Y, lam, partner)
    for i, j in enumerate(partner.tolist()):
        assert_close(ours_X[i], lam[i] * X[i] + (1 - lam[i]) * X[j])
        assert_close(ours_Y[i], lam[i] * Y[i] + (1 - lam[i]) * Y[j])


def test_changes_draw_for_each_image(page: dict) -> None:
    X = torch.rand(2000, 1, 8, 8) + 0.5
    assert torch.equal(page["changed"](X, "none"), X)
    flipped = (page["changed"](X, "flips") == X.flip(-1)).flatten(1).all(1)
    assert flipped.float().mean() == pytest.approx(0.5, abs=0.05)
    moved = page["changed"](X, "moves")
    rows = [(moved[:, 0, k] == 0).all(1).float().mean().item() for k in (0, 3, 7)]
    assert rows == pytest.approx([1 / 3, 0, 1 / 3], abs=0.05)
    cut = (page["changed"](X, "cutout") == 0).flatten(1).sum(1)
    assert cut.max() == 16
    assert cut.min() == 4
    bounds = page["uniform"](10_000, 3.0)
    assert -3 <= bounds.min() < -2.9 < 2.9 < bounds.max() <= 3
    seed_everything(1)
    turned = page["changed"](X[:50], "turns")
    seed_everything(1)
    angle, zoom = page["uniform"](50, 15), 1 + page["uniform"](50, 0.2)
    maps = page["affine_maps"](angle, zoom, torch.zeros(50))
    assert_close(turned, page["warp"](X[:50], maps, torch.zeros(50, 2)))


def test_mix(page: dict) -> None:
    how, X, Y = page["Training"], torch.rand(8, 1, 4, 4), torch.eye(10)[:8]
    assert page["mix"](X, Y, how())[0] is X
    for kind in ("inputs", "inputs and labels"):
        seed_everything(3)
        found = page["mix"](X, Y, how(mix=kind, alpha=0.5))
        seed_everything(3)
        lam = Beta(0.5, 0.5).sample((8,))
        if kind == "inputs":
            lam = lam.clamp(min=0).where(lam > 0.5, 1 - lam)
        wanted = page["mixup"](X, Y, lam, torch.randperm(8))
        assert_close(found[0], wanted[0])
        assert_close(found[1], Y if kind == "inputs" else wanted[1])


def test_data_and_network(page: dict) -> None:
    for name, side, sizes in (
        ("handwritten digits", 8, (50, 300, 700)),
        ("printed digits", 14, (50, 500, 2000)),
        ("garments", 14, (50, 500, 2000)),
    ):
        parts = page["split"](4, name, 50)
        assert [len(y) for _, y in parts] == list(sizes)
        assert all(X.shape[1:] == (1, side, side) and 0 <= X.min() < X.max() <= 1 for X, _ in parts)
        seen = torch.cat([X.flatten(1) for X, _ in parts])
        assert len(seen.unique(dim=0)) >= 0.99 * len(seen)  # no image stands in two parts
        model = page["network"](side, 6, 0.25)
        assert model(parts[0][0]).shape == (50, 10)
        kinds = [type(layer) for layer in model]
        assert kinds.count(nn.Conv2d) == kinds.count(nn.MaxPool2d) == kinds.count(nn.Linear) == 2
        for layer in model:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                scale = math.sqrt(2 / layer.weight[0].numel())
                assert layer.weight.std().item() == pytest.approx(scale, rel=0.35)
                assert not layer.bias.any()
        assert model[0].out_channels, model[3].out_channels == (6, 12)


def test_batches(page: dict) -> None:
    found = list(page["batches"](70, 5))
    assert [len(rows) for rows in found] == [32] * 5
    assert len(torch.cat(found[:2]).unique()) == 64
    assert len(torch.cat(found[2:4]).unique()) == 64
    how = page["Training"]
    assert how(n=300).steps == how(n=100).steps == 375
    assert how(n=1000, epochs=8).steps == 250


def test_training_is_adamw_with_one_cycle(page: dict) -> None:
    how = page["Training"]("handwritten digits", 100, "flips", 2, 4, checks=2, weight_decay=0.5)
    run = page["trained"](5, how)
    (X, y), validation, (X_test, y_test) = page["split"](5, how.images, 100)
    seed_everything(5)
    model = page["network"](8, 4, 0.0)
    torch.rand(100), torch.randint(1, 10, (100,))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=18, pct_start=0.1)
    accuracies, left = [], torch.arange(0)
    for step in range(1, 19):
        if len(left) < 32:
            left = torch.randperm(100)
        rows, left = left[:32], left[32:]
        mirrored = torch.rand(32) < 0.5
        Z = torch.stack([x.flip(-1) if m else x for x, m in zip(X[rows], mirrored)])
        loss = F.cross_entropy(model(Z), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step in (9, 18):
            accuracies.append((model(X_test).argmax(1) == y_test).float().mean())
    assert_close(run.test, torch.stack(accuracies), 0.01)
    for one, other in zip(run.model.parameters(), model.parameters()):
        assert_close(one, other, 1e-4)
    assert run.train == pytest.approx((model(X).argmax(1) == y).float().mean().item(), abs=0.02)
    assert run.validation[-1].item() == page["accuracy"](run.model, *validation)
    assert run.memorised == 0


def test_wrong_labels(page: dict) -> None:
    how = page["Training"]("handwritten digits", 100, epochs=40, width=16, noise=0.3)
    run = page["trained"](6, how)
    assert run.train > 0.95
    assert run.memorised > 0.9  # all of the wrong labels, which the true ones contradict
    assert run.test[-1] < 0.8


def test_effects(page: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """The effects choose, divide and subtract as they say, whatever training gives."""
    how, asked = page["Training"], []

    def fake(seed, how):
        asked.append(how)
        good = how.change == "moves" or how.mix == "inputs and labels"
        right = 0.9 - 0.1 * (not good) - 0.2 * (how.change == "flips") - 10 * how.rate
        right += 0.05 * (how.dropout > 0)
        curve = torch.tensor([right - 0.1, right + 0.02, right])
        memory = {"nothing": 0.8, "inputs": 0.3, "inputs and labels": 0.2 + 0.4 * (how.alpha < 2)}
        return page["Outcome"](None, curve, curve, 1.0, memory[how.mix] * (how.noise > 0))

    monkeypatch.setitem(page, "trained", fake)
    assert page["gain"](0) == pytest.approx(0.23 / 0.13)
    assert page["gain"](0, rates="three") == pytest.approx(0.21 / 0.11)
    assert page["gain"](0, rival="dropout, weight decay") == pytest.approx(0.18 / 0.13)
    assert {(a.dropout, a.weight_decay) for a in asked} == {(0, 0), (0.5, 0), (0, 1), (0.5, 1)}
    assert page["harm"](0) == pytest.approx(0.43 / 0.23)
    assert page["harm"](0, rates="three") == pytest.approx(0.41 / 0.21)
    asked.clear()
    assert page["less_memory"](0) == pytest.approx(0.8 / 0.2)
    assert page["less_memory"](0, alpha=1.0) == pytest.approx(0.8 / 0.6)
    assert page["less_memory"](0, noise=0.0) == pytest.approx(1.0)
    assert {(a.mix, a.n, a.epochs, a.checks) for a in asked} == {
        ("nothing", 500, 60, 10), ("inputs and labels", 500, 60, 10),
    }  # fmt: skip
    page["less_memory"](0, n=300, epochs=5, noise=0.1, rate=0.01)
    last = [(a.n, a.epochs, a.noise, a.rate) for a in asked[-2:]]
    assert last == 2 * [(300, 5, 0.1, 0.01)]
    found = page["compared"](0)
    assert found["plain"] == pytest.approx((0.77, 0.8))
    assert found["mixup"] == pytest.approx((0.87, 0.2))
    assert found["inputs mixed"] == pytest.approx((0.77, 0.3))
    assert found["plain, stopped early"][0] == pytest.approx(0.79)
    assert page["mistakes"](fake(0, how(dropout=0.5, rate=-0.1, change="moves"))) == 1 / 2000


def test_diagram_says_what_is_drawn() -> None:
    figure, said = diagrams.augmented_training(), diagrams.ALT["augmented_training"]
    drawn = " ".join(text.get_text() for text in figure.axes[0].texts)
    for word in ("network", "loss", "prediction", "test image"):
        assert word in drawn
        assert word in said
