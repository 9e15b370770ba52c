"""VGG, deep networks of blocks of small convolutions."""

from collections.abc import Sequence

from torch import nn

from utils.nn.network import Network

# How many convolutions a block has and how many channels they give (Simonyan and Zisserman, 2015,
# table 1; its configuration C has 1 × 1 convolutions besides)
CONFIGURATIONS = {
    "A": ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    "B": ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512)),
    "D": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "E": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}


class VGG(Network):
    """VGG (Simonyan and Zisserman, 2015): blocks of 3 × 3 convolutions, then dense layers.

    A block keeps height and width until its max pooling halves them. Configurations A, B, D and E
    are known as VGG-11, VGG-13, VGG-16 and VGG-19. Weights start as He et al. (2015) draw them,
    biases at 0.

    Args:
        blocks: the name of a configuration, or the convolutions and channels of each block.
        num_classes: how many logits.
        in_channels: 3 for coloured images.
        image_size: height and width. A block that gets a single pixel does not pool.
        width: what all channels are multiplied by.
        hidden: the sizes of the dense layers before the last.
        dropout: the probability after each of them.
        batch_norm: whether each convolution is followed by batch normalisation.

    >>> import torch
    >>> import torch
    >>> small = VGG("A", 10, in_channels=1, image_size=28, width=1 / 8, hidden=(64,))
    >>> small(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    >>> with torch.device("meta"):
    ...     print(f"{sum(p.numel() for p in VGG('D').parameters()):,}")
    138,357,544
    """

    def __init__(
        self,
        blocks: str | Sequence[tuple[int, int]] = "D",
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int = 224,
        width: float = 1.0,
        hidden: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        channels, size = in_channels, image_size
        pairs = CONFIGURATIONS[blocks] if isinstance(blocks, str) else blocks
        for i, (num_convs, out_channels) in enumerate(pairs):
            layers: list[nn.Module] = []
            for _ in range(num_convs):
                inputs, channels = channels, max(1, round(width * out_channels))
                layers.append(nn.Conv2d(inputs, channels, kernel_size=3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU())
            if size > 1:
                layers.append(nn.MaxPool2d(2))
                size //= 2
            self.add_module(f"block{i + 1}", nn.Sequential(*layers))
        self.flatten = nn.Flatten()
        inputs = channels * size**2
        for i, outputs in enumerate(hidden):
            dense = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout))
            self.add_module(f"dense{i + 1}", dense)
            inputs = outputs
        self.logits = nn.Linear(inputs, num_classes)
        self.start()
