"""The definitions of attention/vision-transformer against torchvision, torch.nn and by hand."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator
from utils.check import gradients
from utils.compat import import_torchvision
from utils.data import fashion_mnist
from utils.diagrams import patches as drawing
from utils.nn import sinusoidal_positions
from utils.seed import seed_everything

torchvision = import_torchvision()
NORM = partial(nn.LayerNorm, eps=1e-5)


@pytest.mark.parametrize(("c", "height", "width", "p"), [(1, 6, 4, 2), (3, 6, 9, 3), (2, 4, 12, 4)])
def test_patches_are_those_of_unfold(
    page: dict[str, Any], c: int, height: int, width: int, p: int
) -> None:
    X = torch.randn(5, c, height, width)
    assert_close(page["patches"](X, p), F.unfold(X, p, stride=p).mT)
    by_hand = page["patches"](torch.arange(1, 17).view(1, 1, 4, 4), 2)[0]
    assert by_hand.tolist()[0] == [1, 2, 5, 6] and by_hand.tolist()[3] == [11, 12, 15, 16]


def pair(page: dict[str, Any], size: int, patch: int, heads: int, layers: int) -> tuple:
    theirs = torchvision.models.VisionTransformer(
        size, patch, layers, heads, 24, 96, num_classes=7, norm_layer=NORM
    ).double()
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.3)
    ours = page["VisionTransformer"](size, patch, 24, heads, layers, channels=3, classes=7)
    return page["with_weights_of"](theirs, ours.double()), theirs


@pytest.mark.parametrize(
    ("size", "patch", "heads", "layers"), [(12, 4, 3, 1), (16, 8, 2, 3), (10, 2, 6, 2)]
)
def test_the_network_is_torchvisions(
    page: dict[str, Any], size: int, patch: int, heads: int, layers: int
) -> None:
    ours, theirs = pair(page, size, patch, heads, layers)
    X = torch.randn(4, 3, size, size).double()
    found = [gradients(net, X) for net in (ours, theirs)]
    for a, b in zip(found[0][:2], found[1][:2]):  # the logits, the gradient at the images
        assert_close(a, b, 1e-9)
    mine = dict(zip(dict(ours.named_parameters()), found[0][2:]))
    rest = dict(zip(dict(theirs.named_parameters()), found[1][2:]))
    assert {page["our_name"](name) for name in rest} == set(mine)
    for name, gradient in rest.items():
        grad = mine[page["our_name"](name)]
        assert_close(grad, gradient.reshape(grad.shape), 1e-9)


def test_the_mean_leaves_the_class_token_out(page: dict[str, Any]) -> None:
    net = page["VisionTransformer"](8, 4, 16, 2, 1, channels=2, classes=3, pool="mean")
    X = torch.randn(5, 2, 8, 8)
    Z = net.encoder(net.rows(X))
    assert Z.shape == (5, 5, 16)
    assert_close(net(X), net.head((Z[:, 1] + Z[:, 2] + Z[:, 3] + Z[:, 4]) / 4))


def test_the_rows_are_class_token_and_patches_with_positions(page: dict[str, Any]) -> None:
    net = page["VisionTransformer"](8, 4, 16, 2, 1)
    nn.init.normal_(net.class_token)
    nn.init.normal_(net.positions)
    X = torch.randn(3, 1, 8, 8)
    rows = net.rows(X)
    assert_close(rows[1, 0], net.class_token + net.positions[0])
    assert_close(rows[2, 3], net.embed(X[2, 0, 4:, :4].flatten()) + net.positions[3])


def test_a_fresh_network_starts_at_zero(page: dict[str, Any]) -> None:
    net = page["VisionTransformer"](8, 4, 16, 2, 1)
    assert not net.class_token.any() and not net.positions.any()
    assert net.head.out_features == 10 and net.embed.in_features == 16


def test_vit_b_16_has_as_many_parameters(page: dict[str, Any]) -> None:
    with torch.device("meta"):
        ours = page["VisionTransformer"](224, 16, 768, 12, 12, channels=3, classes=1000)
        theirs = torchvision.models.vit_b_16()
    assert page["parameters_of"](ours) == page["parameters_of"](theirs) == 86_567_656


def test_positions_start_as_the_setting_says(page: dict[str, Any]) -> None:
    Setting, vit = page["Setting"], page["vit"]
    for start in (0.02, 0.5):
        P = vit(Setting(patch=2, start=start)).positions
        assert P.requires_grad and abs(float(P.detach().std()) / start - 1) < 0.1
        assert abs(float(P.detach().mean())) < 0.1 * start
    none, fixed = (vit(Setting(positions=p)).positions for p in ("none", "sinusoidal"))
    assert not none.any() and not none.requires_grad and not fixed.requires_grad
    assert_close(fixed, sinusoidal_positions(17, 32))
    net = vit(Setting(width=48, pool="mean", patch=4))
    assert net.pool == "mean" and net.positions.shape == (50, 48) and net.patch == 4
    assert len(net.encoder.layers) == 2 and net.encoder.layers[0].self_attn.num_heads == 4


def test_the_rival_has_no_more_parameters(page: dict[str, Any]) -> None:
    count, build, Setting = page["parameters_of"], page["build"], page["Setting"]
    for width, patch in ((32, 7), (48, 7), (32, 4)):
        here = Setting(width=width, patch=patch)
        cnn = count(build(here._replace(model="CNN")))
        assert 0.9 * count(build(here)) < cnn <= count(build(here))
    cnn = build(Setting(model="CNN"))
    kinds = [type(layer) for layer in cnn]
    assert kinds == 3 * [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU] + [nn.Flatten, nn.Linear]
    convolutions = [layer for layer in cnn if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [8, 32, 64]
    assert all(c.kernel_size == (3, 3) and c.bias is None for c in convolutions)
    X = torch.randn(2, 1, 28, 28)
    assert cnn(X).shape == (2, 10) and cnn[:4](X).shape == (2, 8, 14, 14)
    linear = build(Setting(model="softmax regression"))
    assert linear(X).shape == (2, 10) and count(linear) == 7850


def test_orders_lose_nothing_and_patches_move_whole(page: dict[str, Any]) -> None:
    new_order, reordered, patches = (page[n] for n in ("new_order", "reordered", "patches"))
    X = torch.arange(2 * 784.0).view(2, 1, 28, 28)
    for order in ("pixels permuted", "patches permuted"):
        places = new_order(order, 3)
        new_order.cache_clear()
        assert places.tolist() == new_order(order, 3).tolist()
        assert places.sort().values.tolist() == list(range(784))
        assert (
            places.tolist() != list(range(784)) and places.tolist() != new_order(order, 4).tolist()
        )
        Y = reordered(X, order, 3)
        assert_close(Y.flatten(1), X.flatten(1)[:, places])
    assert reordered(X, "as they are", 3) is X
    before, after = patches(X, 7)[0].tolist(), patches(reordered(X, "patches permuted", 3), 7)[0]
    assert sorted(before) == sorted(after.tolist()) and before != after.tolist()
    assert new_order("as they are", 0).tolist() == list(range(784))


def test_augmented_images_are_moved_and_mirrored(page: dict[str, Any]) -> None:
    X = torch.rand(1, 1, 28, 28)
    wide = F.pad(X, (1, 1, 1, 1), value=float(X.min()))
    ways = {}
    for r in range(3):
        for c in range(3):
            part = wide[0, 0, r : r + 28, c : c + 28]
            ways[(r, c, False)], ways[(r, c, True)] = part, part.flip(1)
    seen = []
    for image in page["augmented"](X.expand(600, -1, -1, -1), generator(0)):
        seen += [way for way, wanted in ways.items() if torch.equal(image[0], wanted)]
    assert len(seen) == 600 and set(seen) == set(ways)
    assert 240 < sum(mirrored for *_, mirrored in seen) < 360


def test_batches_go_through_all_rows(page: dict[str, Any]) -> None:
    found = list(page["batches"](40, 5, generator(0)))
    assert [len(rows) for rows in found] == 5 * [16]
    for two in (found[:2], found[2:4]):
        assert len(set(torch.cat(two).tolist())) == 32
    assert list(found[0]) != list(found[2])


def test_data_is_standardised_and_tested_on_images_of_its_own(page: dict[str, Any]) -> None:
    X, y = page["dataset"]("garments")
    train, test = fashion_mnist(full=False, device="cpu")
    assert X.shape == (12_000, 1, 28, 28) and y[10_000:].equal(test.y)
    assert abs(float(X[:10_000].mean())) < 1e-4 and abs(float(X[:10_000].std()) - 1) < 1e-4
    scale = 1 / float(train.tensors()[0].std())
    assert_close(X[10_000:].std(), test.tensors()[0].std() * scale, 1e-4)


class Says(nn.Module):
    """Answers a class for all images, or for some the right one."""

    def __init__(self, right: Tensor) -> None:
        super().__init__()
        self.right, self.at = right, 0

    def forward(self, X: Tensor) -> Tensor:
        rows = self.right[self.at : self.at + len(X)]
        self.at += len(X)
        return 9.0 * F.one_hot(rows, 10)


def test_a_run_is_tested_on_validation_and_test_images(page: dict[str, Any]) -> None:
    y = page["dataset"]("garments")[1]
    held = torch.randperm(10_000, generator=generator(5))[-1000:]
    answers = torch.cat([y[held], y[10_000:]])
    answers[:250] = (answers[:250] + 1) % 10
    answers[1000:1500] = (answers[1000:1500] + 1) % 10
    run = page["tested"](5, page["Setting"](), Says(answers))
    assert run.validation == pytest.approx(0.75) and run.accuracy == pytest.approx(0.75)
    logits = 9.0 * F.one_hot(answers[1000:], 10)
    assert run.loss == pytest.approx(float(F.cross_entropy(logits, y[10_000:])), rel=1e-4)


def test_training_is_what_the_page_says(page: dict[str, Any]) -> None:
    """The same few steps, written out: a softmax regression on reordered images."""
    Setting = page["Setting"]
    here = Setting("softmax regression", n=20, steps=7, order="pixels permuted")
    run = page["trained"](9, here, 0.01)
    X, y = page["dataset"]("garments")
    rows = torch.randperm(10_000, generator=generator(9))[:20]
    seed_everything(9)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    adam = torch.optim.Adam(model.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, 7)
    places = page["new_order"]("pixels permuted", 9)
    for chosen in page["batches"](20, 7, generator(9)):
        images = X[rows[chosen]].flatten(1)[:, places]
        adam.zero_grad()
        F.cross_entropy(model(images), y[rows[chosen]]).backward()
        adam.step()
        schedule.step()
    assert_close(run.model[1].weight.detach(), model[1].weight.detach(), 1e-5)
    assert not run.model.training
    few, enough = (Setting("softmax regression", n=64, steps=steps) for steps in (2, 12))
    weights = [page["trained"](9, s, 0.01).model[1].weight.detach() for s in (few, enough)]
    assert_close(*weights)  # three epochs of 64 images are twelve steps
    other = page["trained"](9, few._replace(augment=True), 0.01).model[1].weight.detach()
    assert not torch.allclose(other, weights[0], atol=1e-4)


def test_the_rate_is_chosen_by_validation_on_the_first_seed(page: dict[str, Any]) -> None:
    asked = []

    def trained(seed: int, setting: Any, rate: float) -> Any:
        asked.append(seed)
        return page["Run"]({1: 0.5, 2: 0.9, 3: 0.7}[round(rate)], 10 * rate, 0.0, nn.Identity())

    before = page["trained"]
    try:
        page["trained"] = trained
        assert page["best_rate"](page["Setting"](rates=(1.0, 2.0, 3.0))) == 2.0
        assert set(asked) == {100}
        assert page["run"](103, rates=(1.0, 2.0, 3.0)).accuracy == 20.0 and asked[-1] == 103
    finally:
        page["trained"] = before


@pytest.fixture
def runs(page: dict[str, Any]) -> Any:
    """Runs that only say what was asked of them."""
    asked: list[dict[str, Any]] = []
    scores = {"CNN": (0.8, 0.5), "ViT": (0.7, 0.9)}

    def run(seed: int, **choices: Any) -> Any:
        asked.append({"seed": seed, **choices})
        accuracy, loss = scores[choices.get("model", "ViT")]
        accuracy -= 0.2 * (choices.get("order") == "pixels permuted" and choices["model"] == "CNN")
        accuracy -= 0.1 * (choices.get("positions") == "none")
        return page["Run"](0.0, accuracy, loss, nn.Identity())

    before, page["run"] = page["run"], run
    yield asked
    page["run"] = before


def test_the_lead_compares_equals(page: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    assert page["lead"](7) == pytest.approx(0.1)
    cnn, vit = runs
    assert cnn.pop("model") == "CNN" and cnn == vit and cnn["seed"] == 7
    page["Setting"](**{k: v for k, v in vit.items() if k != "seed"})
    assert vit["augment"] is False and vit["steps"] == 200
    runs.clear()
    page["lead"](7, n="3,000 for 2,400 steps")
    assert all(r["n"] == 3000 and r["steps"] == 2400 for r in runs[-2:])
    page["lead"](7, n="300")
    assert all(r["n"] == 300 and r["steps"] == 200 for r in runs[-2:])
    runs.clear()
    page["lead"](7, augment=True, width=48)
    assert runs[1]["augment"] is True and runs[1]["steps"] == runs[0]["steps"] == 600
    assert runs[0]["width"] == 48


def test_positions_are_compared_with_none(page: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    assert page["worth_of_positions"](7) == pytest.approx(0.1)
    assert "positions" not in runs[0] and runs[0]["start"] == 0.5
    assert runs[1]["positions"] == "none" and runs[1]["steps"] == 200
    runs.clear()
    page["worth_of_positions"](7, n=300, start=1.0, steps=600, pool="mean")
    assert runs[0]["start"] == 1.0 and runs[0]["n"] == runs[1]["n"] == 300
    assert runs[0]["steps"] == runs[1]["steps"] == 600
    assert runs[0]["pool"] == runs[1]["pool"] == "mean"


def test_what_a_new_order_costs(page: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    assert page["loses_more"](7, n=300, images="digits") == pytest.approx(0.2)
    assert all(r["n"] == 300 and r["steps"] == 200 for r in runs)
    assert [r["model"] for r in runs] == ["CNN", "CNN", "ViT", "ViT"]
    assert [r.get("order", "-") for r in runs] == 2 * ["-", "pixels permuted"]
    assert all(r["images"] == "digits" for r in runs)


def test_class_weights_are_those_of_torch(page: dict[str, Any]) -> None:
    net = page["VisionTransformer"](8, 4, 24, 3, 2, channels=2).double()
    for p in net.parameters():
        nn.init.normal_(p, std=0.4)
    X = torch.randn(4, 2, 8, 8).double()
    first, last = net.encoder.layers
    Y = last.norm1(first(net.rows(X)))
    theirs = nn.MultiheadAttention(24, 3, batch_first=True).double()
    theirs.load_state_dict(last.self_attn.state_dict())
    _, weights = theirs(Y, Y, Y, average_attn_weights=False)
    assert_close(page["class_weights"](net, X), weights[:, :, 0].detach(), 1e-10)


def test_the_diagram_says_the_sizes_of_the_page(page: dict[str, Any]) -> None:
    net, said = page["vit"](page["Setting"]()), diagrams.ALT["vision_transformer"]
    assert drawing.SIDE**2 + 1 == len(net.positions) == 17 and "17 rows" in said
    assert net.embed.in_features == 49 and "49 pixels" in said
    assert net.head.out_features == 10 and "10 logits" in said
