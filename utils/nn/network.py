"""What the classifiers of images share: layers in a row, and how their weights start."""

from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn


class Network(nn.Sequential):
    """Layers in a row that make logits of images; a slice of it is a plain ``Sequential``."""

    def __getitem__(self, index: int | slice) -> nn.Module:
        """A layer, or several as a plain ``Sequential``."""
        return nn.Sequential(OrderedDict(self._modules))[index]

    def forward(self, X: Float[Tensor, "n i h w"]) -> Float[Tensor, "n num_classes"]:
        """Compute the logits of images."""
        return super().forward(X)

    def start(self, linear: bool = True) -> None:
        """Draw weights anew as He et al. (2015) do, with biases at 0.

        With ``linear=False`` linear layers keep what PyTorch has given them.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) or (linear and isinstance(layer, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
