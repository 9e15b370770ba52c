"""Network in network: 1 × 1 convolutions, and no dense layer."""

from torch import nn

from utils.nn.network import Network


class NiNBlock(nn.Sequential):
    """A convolution and two 1 × 1 convolutions, each with a ReLU (Lin, Chen and Yan, 2014)."""

    def __init__(
        self, in_channels: int, width: int, kernel_size: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size, stride, padding),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=1),
            nn.ReLU(),
        )


class NiN(Network):
    """Three blocks with pooling between them, one block with a map a class, the mean of each map.

    The sizes are AlexNet's, as textbooks give them, for images of 224 by 224. A small image, such
    as one of 28 by 28 pixels, needs ``small=True``: 5 × 5 in place of 11 × 11 with stride 4, and
    two poolings in place of three. Weights start as He et al. (2015) draw them, biases at 0.

    >>> import torch
    >>> net = NiN(10, widths=(12, 32, 48), in_channels=1, small=True)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        widths: tuple[int, int, int] = (96, 256, 384),
        in_channels: int = 3,
        small: bool = False,
        dropout: float = 0.5,
    ) -> None:
        first, second, third = widths
        stem = dict(kernel_size=5, padding=2) if small else dict(kernel_size=11, stride=4)
        super().__init__(
            NiNBlock(in_channels, first, **stem),
            nn.MaxPool2d(3, stride=2),
            NiNBlock(first, second, kernel_size=5, padding=2),
            nn.MaxPool2d(3, stride=2),
            NiNBlock(second, third, kernel_size=3, padding=1),
            nn.Identity() if small else nn.MaxPool2d(3, stride=2),
            nn.Dropout(dropout),
            NiNBlock(third, num_classes, kernel_size=3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.start()
