"""The networks of `utils.nn` against torchvision's, and against the papers' figures."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close
from utils import nn as book_nn
from utils.check import gradients
from utils.compat import import_torchvision
from utils.nn import BasicBlock, Bottleneck
from utils.nn.googlenet import PLAN
from utils.nn.network import Network
from utils.stages import stages

PAIRS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "resnet18": (
        lambda n: book_nn.ResNet(BasicBlock, (2, 2, 2, 2), num_classes=n),
        lambda tv, n: tv.resnet18(num_classes=n),
    ),
    "resnet50": (
        lambda n: book_nn.ResNet(Bottleneck, (3, 4, 6, 3), num_classes=n),
        lambda tv, n: tv.resnet50(num_classes=n),
    ),
    "densenet121": (lambda n: book_nn.DenseNet(n), lambda tv, n: tv.densenet121(num_classes=n)),
    "googlenet": (
        lambda n: book_nn.GoogLeNet(n, torchvision=True, dropout=0.0),
        lambda tv, n: tv.googlenet(
            num_classes=n, weights=None, aux_logits=False, init_weights=False, dropout=0.0
        ),
    ),
}
DENSE: dict[str, Callable[[], Network]] = {  # large: their outputs have to do
    "vgg11": lambda: book_nn.VGG("A"),
    "alexnet": lambda: book_nn.AlexNet(
        widths=(64, 192, 384, 256, 256), groups=1, normalise=False, padding=2, image_size=224
    ),
}
SMALL: dict[str, Callable[[], Network]] = {
    "resnet": lambda: book_nn.ResNet(
        BasicBlock, (1, 1), widths=(4, 8), in_channels=1, num_classes=10, small=True
    ),
    "densenet": lambda: book_nn.DenseNet(
        10, growth=4, counts=(2, 2), first=8, in_channels=1, small=True
    ),
    "googlenet": lambda: book_nn.GoogLeNet(10, width=0.1, in_channels=1, small=True),
    "nin": lambda: book_nn.NiN(10, widths=(4, 6, 8), in_channels=1, small=True),
    "vgg": lambda: book_nn.VGG(
        "A", 10, in_channels=1, image_size=28, width=1 / 16, hidden=(16,), dropout=0.0
    ),
    "alexnet": lambda: book_nn.AlexNet(
        10, 1, (4, 8, 8, 8, 4), hidden=32, small=True, image_size=28, dropout=0.0
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_outputs_and_gradients_are_torchvisions(name: str) -> None:
    ours, theirs = PAIRS[name][0](7), PAIRS[name][1](import_torchvision().models, 7)
    ours, theirs = ours.double(), theirs.double()
    state = {key.removeprefix("features."): v for key, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    X = torch.randn(2, 3, 64, 64).double()
    found = []
    for net in (ours.train(), theirs.train()):
        output, of_images, *rest = gradients(net, X)
        names = (key.removeprefix("features.") for key, _ in net.named_parameters())
        found.append({"": output, "images": of_images, **dict(zip(names, rest, strict=True))})
    assert found[0].keys() == found[1].keys()
    for key, gradient in found[0].items():
        assert_close(gradient, found[1][key], 1e-7)
    with torch.inference_mode():
        assert_close(ours.eval()(X), theirs.eval()(X), 1e-9)


@pytest.mark.parametrize("name", DENSE)
def test_outputs_of_large_networks_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        ours, theirs = DENSE[name](), getattr(import_torchvision().models, name)()
    weights = [torch.randn(w.shape) / max(1, w[0].numel()) ** 0.5 for w in ours.parameters()]
    for net in (ours, theirs):  # other names, in the same order
        net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)), assign=True)
    X = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert_close(ours.eval()(X), theirs.eval()(X), 1e-4)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: book_nn.AlexNet(), 60_965_224),
        (lambda: book_nn.VGG("E"), 143_667_240),
        (lambda: book_nn.GoogLeNet(), 6_998_552),
        (lambda: book_nn.GoogLeNet(10, in_channels=1), 5_977_530),
        (lambda: book_nn.NiN(10, in_channels=1), 1_992_166),
    ],
)
def test_parameters_are_as_counted_by_hand(make: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in make().parameters()) == parameters


def test_the_stages_of_googlenet_are_those_of_table_1() -> None:
    with torch.device("meta"):
        net = book_nn.GoogLeNet()
    shapes = {stage.name: stage.shape for stage in stages(net, 3, 224, 224)}
    assert shapes["conv1"] == (64, 112, 112)
    assert shapes["maxpool2"] == (192, 28, 28)
    channels = dict(zip(PLAN, (256, 480, 512, 512, 512, 528, 832, 832, 1024), strict=True))
    sizes = {"3": 28, "4": 14, "5": 7}
    for name, width in channels.items():
        size = sizes[name[0]]
        assert shapes[f"inception{name}"] == (width, size, size)


@pytest.mark.parametrize("name", SMALL)
def test_small_forms_learn_and_can_be_cut(name: str) -> None:
    torch.manual_seed(0)
    net = SMALL[name]()
    X, y = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert type(net[:2]) is nn.Sequential
    net.eval()
    assert torch.equal(net[2:](net[:2](X)), net(X))


def test_a_start_can_leave_linear_layers_alone() -> None:
    net = Network(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 5))
    before = [p.clone() for p in net.parameters()]
    net.start(linear=False)
    assert not torch.equal(net[0].weight, before[0]) and net[0].bias.eq(0).all()
    assert torch.equal(net[2].weight, before[2]) and torch.equal(net[2].bias, before[3])
    net.start()
    assert not torch.equal(net[2].weight, before[2]) and net[2].bias.eq(0).all()
