"""Shapes, parameters and multiply–accumulates, where the answer is known."""

import pytest
import torch
from torch import nn

from utils.compat import import_torchvision
from utils.stages import Stage, stages


def test_a_stage_has_its_shape_parameters_and_work():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.BatchNorm2d(6), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5, bias=False),
    )
    grouped = Stage("0", (6, 8, 7), 2 * (2 * 3 * 9) + 6 + 12, 2 * (2 * 3 * 9) * 56)
    found = stages(net, 4, 8, 7)
    assert found == [
        grouped,
        Stage("1", (6, 1, 1), 0, 0),
        Stage("2", (6,), 0, 0),
        Stage("3", (5,), 30, 30),
    ]
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert found.macs == grouped.macs + 30


def test_the_network_stays_as_it_is():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    net[1].eval()  # as in fine-tuning
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    stages(net, 1, 9, 9)
    assert net.training and net[2].training and not net[1].training
    assert not net[0]._forward_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_child_that_is_used_twice_is_an_error():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            return self.conv(self.conv(X))

    net = Twice()
    with pytest.raises(ValueError, match="'conv' is used more than once"):
        stages(net, 3, 4, 4)
    assert not net.conv._forward_hooks  # the error leaves nothing behind


@pytest.mark.parametrize(
    ("name", "parameters", "billions"),
    [("alexnet", 61_100_840, 0.71), ("resnet18", 11_689_512, 1.81), ("vgg11", 132_863_336, 7.61)],
)
def test_torchvision_publishes_the_same_numbers(name: str, parameters: int, billions: float):
    with torch.device("meta"):
        net = getattr(import_torchvision().models, name)()
    found = stages(net, 3, 224, 224)
    assert found.parameters == parameters
    assert found.macs / 1e9 == pytest.approx(billions, abs=0.005)
