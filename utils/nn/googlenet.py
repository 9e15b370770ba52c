"""GoogLeNet: filters of several sizes side by side, and 1 × 1 convolutions that pay for them."""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from utils.nn.network import Network

# Output channels of each Inception block: 1 × 1; 1 × 1 and 3 × 3; 1 × 1 and 5 × 5; after pooling.
# Szegedy et al. (2015), table 1; "3" and "4" end with a pooling.
PLAN: dict[str, tuple[int, tuple[int, int], tuple[int, int], int]] = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}


class _Unit(nn.Sequential):
    """A convolution that keeps the size, batch normalisation if asked for, and a ReLU."""

    def __init__(
        self, in_channels: int, width: int, kernel_size: int, norm: bool, stride: int = 1
    ) -> None:
        padding = kernel_size // 2
        layers = OrderedDict[str, nn.Module](
            conv=nn.Conv2d(in_channels, width, kernel_size, stride, padding, bias=not norm)
        )
        if norm:
            layers["bn"] = nn.BatchNorm2d(width, eps=0.001)
        super().__init__(OrderedDict(layers, relu=nn.ReLU()))


class Inception(nn.Module):
    """Four branches side by side, their maps concatenated (Szegedy et al., 2015).

    A 1 × 1 convolution; 1 × 1 then 3 × 3; 1 × 1 then 5 × 5; pooling then 1 × 1; a ReLU after each
    convolution. ``kernel_size`` is that of the third branch.

    >>> Inception(192, 64, (96, 128), (16, 32), 32)(torch.zeros(1, 192, 28, 28)).shape
    torch.Size([1, 256, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        three: tuple[int, int],
        five: tuple[int, int],
        pooled: int,
        *,
        norm: bool = False,
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.branch1 = _Unit(in_channels, one, 1, norm)
        self.branch2 = nn.Sequential(_Unit(in_channels, three[0], 1, norm), _Unit(*three, 3, norm))
        self.branch3 = nn.Sequential(
            _Unit(in_channels, five[0], 1, norm), _Unit(*five, kernel_size, norm)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), _Unit(in_channels, pooled, 1, norm)
        )

    def forward(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """Concatenate the maps of the branches."""
        return torch.cat([branch(X) for branch in self.children()], dim=1)


class GoogLeNet(Network):
    """A stem, nine Inception blocks, the mean of each map, one linear layer (Szegedy et al., 2015).

    Without the auxiliary heads, which exist in training only, and without local response
    normalisation. With ``torchvision=True`` it takes torchvision's weights by name: there is batch
    normalisation, the third branch has 3 × 3 in place of 5 × 5, and the last pooling 2 × 2 in place
    of 3 × 3. A small image, such as one of 28 by 28 pixels, needs ``small=True``: one 3 × 3
    convolution as the stem. ``width`` multiplies all numbers of channels. Weights start as He et
    al. (2015) draw them.

    >>> net = GoogLeNet(10, width=0.125, blocks=("3a", "3b", "4a"), in_channels=1, small=True)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        blocks: tuple[str, ...] = tuple(PLAN),
        norm: bool = False,
        torchvision: bool = False,
        in_channels: int = 3,
        small: bool = False,
        dropout: float = 0.4,
    ) -> None:
        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        def pool(size: int = 3) -> nn.MaxPool2d:
            return nn.MaxPool2d(size, stride=2, ceil_mode=True)

        norm, kernel_size = norm or torchvision, 3 if torchvision else 5

        first, channels = scaled(64), scaled(192)
        layers = OrderedDict[str, nn.Module]()
        if small:
            layers["conv1"] = _Unit(in_channels, channels, 3, norm)
        else:
            layers["conv1"] = _Unit(in_channels, first, 7, norm, stride=2)
            layers["maxpool1"] = pool()
            layers["conv2"] = _Unit(first, first, 1, norm)
            layers["conv3"] = _Unit(first, channels, 3, norm)
        layers["maxpool2"] = pool()
        stage = "3"
        for name in blocks:
            if name[0] != stage:
                last = torchvision and stage == "4"
                layers[f"maxpool{stage}"], stage = pool(2 if last else 3), name[0]
            one, three, five, pooled = PLAN[name]
            sizes = (
                scaled(one),
                (scaled(three[0]), scaled(three[1])),
                (scaled(five[0]), scaled(five[1])),
                scaled(pooled),
            )
            layers[f"inception{name}"] = Inception(
                channels, *sizes, norm=norm, kernel_size=kernel_size
            )
            channels = sizes[0] + sizes[1][1] + sizes[2][1] + sizes[3]
        layers["avgpool"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        layers["dropout"], layers["fc"] = nn.Dropout(dropout), nn.Linear(channels, num_classes)
        super().__init__(layers)
        self.start(linear=False)
