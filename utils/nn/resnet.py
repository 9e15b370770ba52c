"""Residual networks: blocks that add what they compute to their input."""

from collections import OrderedDict
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from utils.nn.network import Network


def _conv(in_channels: int, width: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    padding = kernel_size // 2
    return nn.Conv2d(in_channels, width, kernel_size, stride, padding, bias=False)


class _Residual(nn.Module):
    """What both blocks share: the sum, and a projection where the shape changes."""

    expansion: ClassVar[int]

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        same = in_channels == out_channels and stride == 1
        conv = _conv(in_channels, out_channels, 1, stride)
        self.downsample = (
            nn.Identity() if same else nn.Sequential(conv, nn.BatchNorm2d(out_channels))
        )

    def residual(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Compute what is added to the input."""
        raise NotImplementedError

    def forward(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Add the residual to the input, or to its projection."""
        return F.relu(self.residual(X) + self.downsample(X))


class BasicBlock(_Residual):
    """Two 3 × 3 convolutions and a skip connection (He, Zhang, Ren and Sun, 2016)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__(in_channels, width, stride)
        self.conv1 = _conv(in_channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)

    def residual(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Compute what is added to the input."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(X)))))


class Bottleneck(_Residual):
    """A 3 × 3 convolution between two 1 × 1, which narrow and widen, and a skip connection."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__(in_channels, width, stride)
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def residual(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Compute what is added to the input."""
        X = F.relu(self.bn1(self.conv1(X)))
        X = F.relu(self.bn2(self.conv2(X)))
        return self.bn3(self.conv3(X))


class ResNet(Network):
    """A stem, stages of residual blocks, the mean of each map, one linear layer (He et al., 2016).

    Takes torchvision's weights by name: ``ResNet(BasicBlock, (2, 2, 2, 2))`` is its ResNet-18,
    ``ResNet(Bottleneck, (3, 4, 6, 3))`` its ResNet-50. A small image, such as one of 28 by 28
    pixels, needs ``small=True``: a stem that does not shrink it.

    >>> import torch
    >>> net = ResNet(BasicBlock, (1, 1), widths=(8, 16), in_channels=1, num_classes=10, small=True)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        counts: tuple[int, ...],
        *,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        in_channels: int = 3,
        num_classes: int = 1000,
        small: bool = False,
    ) -> None:
        channels = widths[0]
        stem = OrderedDict[str, nn.Module](
            conv1=_conv(in_channels, channels, 3 if small else 7, 1 if small else 2),
            bn1=nn.BatchNorm2d(channels),
            relu=nn.ReLU(),
        )
        if not small:
            stem["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
        stages = OrderedDict[str, nn.Module]()
        for i, (count, width) in enumerate(zip(counts, widths, strict=True), start=1):
            first = block(channels, width, stride=1 if i == 1 else 2)
            channels = width * block.expansion
            later = [block(channels, width) for _ in range(count - 1)]
            stages[f"layer{i}"] = nn.Sequential(first, *later)
        head = OrderedDict(
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(channels, num_classes),
        )
        super().__init__(OrderedDict(stem | stages | head))
