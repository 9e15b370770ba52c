"""AlexNet, the convolutional network that won ImageNet's contest of 2012."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from utils.nn.network import Network


class AlexNet(Network):
    """AlexNet (Krizhevsky, Sutskever and Hinton, 2012), its later layouts, and smaller forms of it.

    Five convolutions and three dense layers. As it stands it is the paper's: two groups in the
    second, fourth and fifth convolution, local response normalisation, overlapping max pooling,
    dropout after both hidden layers, for images of 227 by 227 pixels. With
    ``widths=(64, 192, 384, 256, 256), groups=1, normalise=False, padding=2, image_size=224`` it is
    torchvision's, except where that drops; with ``groups=1, normalise=False, padding=1,
    image_size=224`` textbooks'. ``small=True`` replaces the first convolution by one of 5 by 5
    with stride 2 and pads the pooling, for images of about 28 by 28 pixels. Weights start as He et
    al. (2015) draw them, biases at 0.

    >>> import torch
    >>> net = AlexNet(10, 1, (12, 32, 48, 48, 32), hidden=256, small=True, image_size=28)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        widths: Sequence[int] = (96, 256, 384, 384, 256),
        *,
        hidden: int = 4096,
        groups: int = 2,
        normalise: bool = True,
        overlap: bool = True,
        dropout: float = 0.5,
        activation: type[nn.Module] = nn.ReLU,
        padding: int = 0,
        small: bool = False,
        image_size: int = 227,
    ) -> None:
        first = (5, 2, 2) if small else (11, 4, padding)
        geometry = [first, (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
        pool = (3, 2, int(small)) if overlap else (2, 2, 0)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        before, side = in_channels, image_size
        for k, (out, (size, stride, pad)) in enumerate(zip(widths, geometry, strict=True), 1):
            split = groups if k in (2, 4, 5) else 1
            conv = nn.Conv2d(before, out, size, stride, pad, groups=split)
            stages[f"conv{k}"] = nn.Sequential(conv, activation())
            before, side = out, (side + 2 * pad - size) // stride + 1
            if normalise and k <= 2:  # the paper's α is 1e-4; PyTorch divides by the size, 5
                stages[f"norm{k}"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
            if k in (1, 2, 5):
                ceil = small and not overlap
                stages[f"pool{k}"] = nn.MaxPool2d(*pool, ceil_mode=ceil)
                side = (side + 2 * pool[2] - pool[0] + ceil) // 2 + 1
        stages["flatten"] = nn.Flatten()
        inputs = before * side**2
        for k in (6, 7):
            stages[f"fc{k}"] = nn.Sequential(
                nn.Linear(inputs, hidden), activation(), nn.Dropout(dropout)
            )
            inputs = hidden
        stages["fc8"] = nn.Linear(hidden, num_classes)
        super().__init__(stages)
        self.start()
