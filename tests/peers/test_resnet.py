"""The definitions of cnn/resnet against torchvision and d2l; stacked runs against single ones."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator
from utils import nn as book_nn
from utils.check import gradients, remark
from utils.compat import d2l, import_torchvision
from utils.seed import seed_everything

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
    assert page["projection"](8, 16, 2)(X).shape == (2, 16, 4, 4)


def test_multiply_accumulates_are_counted(page: dict) -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 16, 5))
    count = page["multiply_accumulates"]
    assert count(model, torch.zeros(1, 2, 6, 6)) == 3 * 2 * 9 * 16 + 3 * 16 * 5
    assert not any(layer._forward_hooks for layer in model)


STARTS = ["He's", "PyTorch's", "near identity", "near rotations"]


@pytest.mark.parametrize("weights", STARTS)
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("skip", [False, True])
def test_runs_side_by_side_are_runs_one_by_one(
    page: dict, skip: bool, norm: str, weights: str
) -> None:
    """Each of the grouped networks does what a network of its own does with its learning rate."""
    X, y = torch.randn(64, 1, 14, 14).double(), torch.randint(10, (64,))
    setting = page["Setting"](6, skip, weights, 0.5, norm, 4, 4, 16)
    torch.manual_seed(0)
    stacked = page["small_net"](setting).double()
    runs = len(setting.rates)
    histories = []
    for run, rate in enumerate(setting.rates):
        alone = setting._replace(rate=rate)
        model = page["small_net"](alone).double()
        for (name, p), q in zip(model.named_parameters(), stacked.parameters(), strict=True):
            shares = q.detach().reshape(runs, -1)
            assert torch.equal(shares, shares[:1].expand_as(shares)), name  # all start alike
            p.data.copy_(shares[run].view_as(p))
        histories.append(page["descend"](model, X, y, alone, generator(0)))
    together = page["descend"](stacked, X, y, setting, generator(0))
    assert together.shape == (4, runs)
    assert_close(together, torch.cat(histories, dim=1), 1e-6)
    assert not torch.equal(histories[0][1:], histories[1][1:])


@pytest.mark.parametrize("start", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("skip", [False, True])
def test_small_net_is_what_the_page_says(page: dict, skip: bool, start: float) -> None:
    setting = page["Setting"](6, skip, start=start, width=4, rate=0.1)
    model, X = page["small_net"](setting), torch.randn(5, 1, 14, 14)
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(weights) == 6
    assert [w.shape for w in weights] == [(4, 1, 5, 5), *[(4, 4, 3, 3)] * 4, (10, 4, 1, 1)]
    hidden = F.relu(model[1](F.conv2d(X, weights[0], stride=3)))
    assert hidden.shape == (5, 4, 4, 4)  # maps of 4 × 4
    for block, (first, second) in zip(model[3:5], (weights[1:3], weights[3:5]), strict=True):
        assert isinstance(block, page["SmallBlock"])
        norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
        residual = F.relu(norms[0](F.conv2d(hidden, first, padding=1)))
        residual = start * norms[1](F.conv2d(residual, second, padding=1))
        hidden = F.relu(hidden + residual if skip else residual)
    wanted = F.conv2d(hidden.mean((2, 3), keepdim=True), weights[5])
    assert_close(model(X), wanted.view(5, 1, 10), 1e-5)
    scales = [p.shape for name, p in model.named_parameters() if name.endswith("scale")]
    assert scales == ([] if start == 1 else [(1,), (1,)])  # one number for each residual


def begun(page: dict, weights: str, size: int = 3) -> nn.Conv2d:
    layer = nn.Conv2d(3 * 64, 3 * 64, size, groups=3)
    for p in layer.parameters():
        nn.init.ones_(p)
    page["begin_"](layer, weights, 3)
    for p in (layer.weight, layer.bias):
        one, two, three = p.split(64)
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    return layer


def test_weights_are_hes_or_pytorchs_or_near_the_identity(page: dict) -> None:
    he = (2 / (64 * 9)) ** 0.5
    layer = begun(page, "He's")
    assert abs(layer.weight.std().item() / he - 1) < 0.02
    assert not layer.bias.any()
    near = begun(page, "near identity")
    noise = near.weight - nn.init.dirac_(torch.empty_like(near.weight), groups=3)
    assert abs(noise.std().item() / (0.1 * he) - 1) < 0.02
    assert not near.bias.any()
    assert abs(begun(page, "near identity", 1).weight.std().item() / (3 * he) - 1) < 0.05
    turned = begun(page, "near rotations")
    weight = turned.weight[:64].detach()
    assert abs(weight[:, :, 0, 1].std().item() / (0.1 * he) - 1) < 0.05
    product = weight[:, :, 1, 1] @ weight[:, :, 1, 1].T  # the noise adds 0.02 on the diagonal
    assert (product - 2 * torch.eye(64)).abs().max() < 0.2
    assert weight[:, :, 1, 1].diagonal().abs().mean() < 0.4  # not copies
    uniform, bound = begun(page, "PyTorch's"), (64 * 9) ** -0.5
    assert uniform.weight.abs().max() <= bound
    assert abs(uniform.weight.std().item() / (bound / 3**0.5) - 1) < 0.02
    assert uniform.bias.any()


def test_learning_rates_are_those_of_the_text(page: dict) -> None:
    setting = page["Setting"](6, skip=True)
    assert setting.rates == setting._replace(norm="layer").rates == (0.03, 0.1, 0.3)
    assert setting._replace(norm="none").rates == (0.01, 0.03, 0.1, 0.3)
    assert setting._replace(rate=0.2).rates == (0.2,)


def test_shares_left_are_of_the_accuracy_above_chance(
    page: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that copies can go; one that blanks everything is missed."""
    setting = page["Setting"](6, skip=True, start=0.0, norm="none", width=4)
    model, runs = page["small_net"](setting), len(setting.rates)
    images, labels = torch.rand(50, 1, 14, 14), torch.randint(10, (50,))
    monkeypatch.setitem(page, "X_test", images)
    monkeypatch.setitem(page, "y_test", labels)
    accuracy = page["evaluated"](model, images, labels)[1]
    result = page["Result"](0.0, 0.0, accuracy[2].item() + 20, 0.1, 2, [], model)
    wanted = (accuracy[2].item() - 10) / (accuracy[2].item() + 10)
    assert page["shares_left"](result) == pytest.approx([wanted, wanted])
    model[4] = nn.Identity()
    assert len(page["shares_left"](result)) == 1
    assert runs == 4


@pytest.mark.parametrize("skip", [False, True])
def test_gradients_shrink_as_measured(
    page: dict, skip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = torch.rand(200, 1, 14, 14), torch.randint(10, (200,))
    monkeypatch.setitem(page, "X_all", images)
    monkeypatch.setitem(page, "y_all", labels)
    setting = page["Setting"](8, skip, "PyTorch's", norm="none", width=4)
    found = page["shrinking"](3, setting)
    seed_everything(3)
    model = page["small_net"](setting._replace(rate=0.1)).double()
    rows = torch.randperm(200, generator=generator(3))[:128]
    logits = model(images[rows].double())[:, 0]
    F.cross_entropy(logits, labels[rows]).backward()
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    ratio = convs[-2].weight.grad.norm() / convs[0].weight.grad.norm()
    assert found == pytest.approx(ratio.log10().item(), abs=1e-6)


def test_a_gradient_of_zero_counts_as_sixteen_powers_of_ten(
    page: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(page, "X_all", torch.rand(200, 1, 14, 14))
    monkeypatch.setitem(page, "y_all", torch.randint(10, (200,)))
    small_net = page["small_net"]

    def dead(setting) -> nn.Sequential:
        model = small_net(setting)
        nn.init.constant_(model[0].bias, -100.0)  # no unit of the stem is ever active
        return model

    monkeypatch.setitem(page, "small_net", dead)
    assert page["shrinking"](0, page["Setting"](6, skip=False, norm="none")) == 16


def test_histories_are_smoothed_by_means(page: dict) -> None:
    assert page["smooth"]([1.0, 3.0, 5.0, 9.0], 2) == [2.0, 7.0]
    assert page["smooth"]([*[1.0] * 20, *[2.0] * 20]) == [1.0, 2.0]


def test_losses_are_cross_entropies(page: dict) -> None:
    logits, y = torch.randn(7, 3, 10), torch.randint(10, (7,))
    wanted = [F.cross_entropy(logits[:, run], y) for run in range(3)]
    assert_close(page["losses"](logits, y), torch.stack(wanted))


@pytest.mark.parametrize("bad", [torch.nan, 1000.0])
def test_a_run_that_diverged_counts_as_a_guess(page: dict, bad: float) -> None:
    X, y = torch.randn(20, 3, 10), torch.randint(10, (20,))
    X[:, 0] /= 10
    X[:, 1] *= bad
    loss, accuracy = page["evaluated"](nn.Identity(), X, y)
    assert_close(loss[1], torch.tensor(10.0).log())
    assert_close(loss[0], F.cross_entropy(X[:, 0], y))
    assert_close(accuracy[0], 100 * (X[:, 0].argmax(1) == y).float().mean())


def test_descent_is_sgd_with_a_warm_up_and_a_linear_decay(page: dict) -> None:
    setting = page["Setting"](6, True, steps=20, batch=16)
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


# ------------------------------------------------------------------------ what the checkers refuse
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    return notebook_definitions("cnn/resnet", also=ALSO, exercises=True)


class Block(nn.Module):
    """d2l's block of 64 channels, with one thing changed."""

    def __init__(self, change: str = "") -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(64, 64, 3, padding=1) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(64), nn.BatchNorm2d(64)
        self.change = change

    def forward(self, X: Tensor) -> Tensor:
        inner = self.norm1(self.first(X))
        inner = inner if self.change == "no inner ReLU" else F.relu(inner)
        residual = self.norm2(self.second(inner))
        if self.change == "no sum":
            return F.relu(residual)
        if self.change == "no last ReLU":
            return X + residual
        return (
            X + F.relu(residual) if self.change == "ReLU before the sum" else F.relu(X + residual)
        )


def test_right_blocks_are_accepted(exercises: dict) -> None:
    spec = exercises["block_spec"]
    assert remark(lambda: d2l.Residual(64), spec).state == "right"
    assert remark(lambda: nn.Sequential(d2l.Residual(64)), spec).state == "right"
    assert remark(Block, spec).state == "right"
    assert remark(lambda: None, spec).state == "open"


@pytest.mark.parametrize(
    "change", ["no inner ReLU", "no sum", "no last ReLU", "ReLU before the sum"]
)
def test_wrong_blocks_are_refused(exercises: dict, change: str) -> None:
    found = remark(lambda: Block(change), exercises["block_spec"])
    assert found.state == "wrong"
    assert "something else" in found.text


@pytest.mark.parametrize(
    "block",
    [
        lambda: d2l.Residual(64, 64),
        lambda: d2l.Residual(64, use_1x1conv=True),
        lambda: d2l.Residual(64, strides=2),
        lambda: nn.Conv2d(64, 64, 1),
    ],
)
def test_blocks_of_another_shape_or_size_are_refused(exercises: dict, block) -> None:
    found = remark(block, exercises["block_spec"])
    assert found.state == "wrong"
    assert "AttributeError" not in found.text


def begins(name: str, value: float = 0.0, *, answer: bool = True):
    def begin_by_copying(block: nn.Module) -> nn.Module | None:
        nn.init.constant_(block.get_parameter(name), value)
        return block if answer else None

    return begin_by_copying


def test_beginning_by_copying_is_accepted_and_a_missing_return_is_named(exercises: dict) -> None:
    spec = exercises["zero_spec"]
    assert remark(begins("bn2.weight"), spec).state == "right"
    assert remark(begins("conv2.weight"), spec).state == "right"
    assert remark(lambda block: None, spec).state == "open"
    found = remark(begins("bn2.weight", answer=False), spec)
    assert found.state == "wrong"
    assert "return the block" in found.text


def freezes(block: nn.Module) -> nn.Module:
    nn.init.zeros_(block.bn2.weight).requires_grad_(False)
    return block


def zeroes_all(block: nn.Module) -> nn.Module:
    for p in block.parameters():
        nn.init.zeros_(p)
    return block


@pytest.mark.parametrize(
    "answer",
    [
        begins("bn2.weight", 1e-12),
        begins("bn1.weight"),
        begins("conv1.weight"),
        freezes,
        zeroes_all,
        lambda block: block,
        lambda block: type(block)(8, 8),
    ],
)
def test_other_beginnings_are_refused(exercises: dict, answer) -> None:
    assert remark(answer, exercises["zero_spec"]).state == "wrong"


@pytest.mark.parametrize(
    ("s", "state"),
    [
        (lambda blocks: blocks**-0.5, "right"),
        (lambda blocks: blocks**-1.0, "wrong"),
        (lambda blocks: 1.01 * blocks**-0.5, "wrong"),
        (lambda blocks: 0.99 * blocks**-0.5, "wrong"),
        (lambda blocks: 0.5, "wrong"),
        (lambda blocks: None, "open"),
    ],
)
def test_size_of_residuals(exercises: dict, s, state: str) -> None:
    assert remark(s, exercises["size_spec"]).state == state


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", ["BasicBlock", "Bottleneck"])
def test_the_fast_form_is_the_pages(page: dict, name: str, small: bool) -> None:
    counts, options = (2, 1), dict(widths=(4, 6), in_channels=2, num_classes=5, small=small)
    ours = page["resnet"](page[name], counts, **options)
    theirs = book_nn.ResNet(getattr(book_nn, name), counts, **options)
    theirs.load_state_dict(ours.state_dict())  # strict: the same names and shapes
    X = torch.randn(3, 2, 21, 18, dtype=torch.float64)
    pair = []
    for net in (ours.double(), theirs.double()):  # which name their parameters in another order
        names = ["output", "images", *dict(net.named_parameters())]
        pair.append(dict(zip(names, gradients(net, X), strict=True)))
    found, wanted = pair
    assert found.keys() == wanted.keys()
    for key, gradient in found.items():
        assert_close(gradient, wanted[key], 1e-8)
