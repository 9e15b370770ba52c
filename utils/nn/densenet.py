"""Densely connected networks: every layer reads the maps of all layers of its block."""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from utils.nn.network import Network


class DenseLayer(nn.Module):
    """Normalise, ReLU, 1 × 1 to ``bottleneck · growth`` maps; normalise, ReLU, 3 × 3 to ``growth``.

    Its output is its input with the new maps behind it (Huang, Liu, van der Maaten and Weinberger,
    2017). With ``bottleneck=0`` the first half is left out.
    """

    def __init__(self, in_channels: int, growth: int, bottleneck: int = 4) -> None:
        super().__init__()
        width, layers = in_channels, OrderedDict[str, nn.Module]()
        if bottleneck:
            width = bottleneck * growth
            layers["norm1"] = nn.BatchNorm2d(in_channels)
            layers["relu1"] = nn.ReLU()
            layers["conv1"] = nn.Conv2d(in_channels, width, 1, bias=False)
        layers["norm2"] = nn.BatchNorm2d(width)
        layers["relu2"] = nn.ReLU()
        layers["conv2"] = nn.Conv2d(width, growth, 3, padding=1, bias=False)
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """Concatenate the input and the new maps."""
        new = X
        for layer in self.children():
            new = layer(new)
        return torch.cat([X, new], dim=1)


class DenseBlock(nn.Sequential):
    """Layers each of which reads all maps before it; ``in_channels + count · growth`` come out."""

    def __init__(self, in_channels: int, count: int, growth: int, bottleneck: int = 4) -> None:
        widths = range(in_channels, in_channels + count * growth, growth)
        layers = [DenseLayer(width, growth, bottleneck) for width in widths]
        super().__init__(OrderedDict((f"denselayer{i + 1}", d) for i, d in enumerate(layers)))


class Transition(nn.Sequential):
    """Normalise, ReLU, a 1 × 1 convolution to fewer maps, and the mean of 2 × 2 pixels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                norm=nn.BatchNorm2d(in_channels),
                relu=nn.ReLU(),
                conv=nn.Conv2d(in_channels, out_channels, 1, bias=False),
                pool=nn.AvgPool2d(2),
            )
        )


class DenseNet(Network):
    """Dense blocks with transitions that halve maps and size (Huang et al., 2017).

    The default is DenseNet-121; it takes torchvision's weights, whose names have ``features.``
    before all but the last layer's. A small image, such as one of 28 by 28 pixels, needs
    ``small=True``: a stem that does not shrink it.

    >>> net = DenseNet(10, growth=8, counts=(3, 3), first=16, in_channels=1, small=True)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        growth: int = 32,
        counts: tuple[int, ...] = (6, 12, 24, 16),
        first: int = 64,
        bottleneck: int = 4,
        compression: float = 0.5,
        in_channels: int = 3,
        small: bool = False,
    ) -> None:
        k, stride = (3, 1) if small else (7, 2)
        layers = OrderedDict[str, nn.Module](
            conv0=nn.Conv2d(in_channels, first, k, stride, padding=k // 2, bias=False),
            norm0=nn.BatchNorm2d(first),
            relu0=nn.ReLU(),
        )
        if not small:
            layers["pool0"] = nn.MaxPool2d(3, stride=2, padding=1)
        channels = first
        for i, count in enumerate(counts, start=1):
            layers[f"denseblock{i}"] = DenseBlock(channels, count, growth, bottleneck)
            channels += count * growth
            if i < len(counts):
                fewer = int(channels * compression)
                layers[f"transition{i}"] = Transition(channels, fewer)
                channels = fewer
        layers["norm5"], layers["relu5"] = nn.BatchNorm2d(channels), nn.ReLU()
        layers["pool5"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        layers["classifier"] = nn.Linear(channels, num_classes)
        super().__init__(layers)
        self.start(linear=False)
