"""LeNet, the convolution network that read zip codes and cheques."""

from jaxtyping import Float
from torch import Tensor, nn

from utils.nn.network import Network


class LeNet(Network):
    """LeNet-5 as textbooks give it (LeCun, Bottou, Bengio and Haffner, 1998).

    Convolution, pooling, convolution, pooling, and three dense layers; for grey images of 28 by 28
    pixels. The original's trainable sub-sampling, its incomplete connections between maps and its
    radial output units are left out. Weights start as He et al. (2015) draw them, biases at 0. The
    classes of the non-linearity and of the pooling may be others: with sigmoids and averages it is
    d2l's.

    >>> import torch
    >>> net = LeNet(activation=nn.Sigmoid, pooling=nn.AvgPool2d)
    >>> net(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_classes: int = 10,
        activation: type[nn.Module] = nn.ReLU,
        pooling: type[nn.MaxPool2d] | type[nn.AvgPool2d] = nn.MaxPool2d,
    ) -> None:
        super().__init__(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            activation(),
            pooling(2),
            nn.Conv2d(6, 16, kernel_size=5),
            activation(),
            pooling(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )
        self.start()

    def forward(self, X: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch num_classes"]:
        """Compute the logits of grey images."""
        return super().forward(X)
