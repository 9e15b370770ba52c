"""What a network costs, stage by stage: shapes, parameters, multiply–accumulates."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Stage:
    """One child of a network: what it returns for one image, and what that costs."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


class Stages(list[Stage]):
    """The stages of a network in the order in which an image passes them; printed as a table."""

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(stage.parameters for stage in self)

    @property
    def macs(self) -> int:
        """All multiply–accumulates for one image."""
        return sum(stage.macs for stage in self)

    def __str__(self) -> str:
        rows = [(s.name, " × ".join(map(str, s.shape)), s.parameters, s.macs) for s in self]
        rows.append(("all", "", self.parameters, self.macs))
        width = max(len(name) for name, *_ in rows) + 2
        lines = [f"{'':{width}}{'output':>16}{'parameters':>14}{'MACs':>16}"]
        return "\n".join(
            lines + [f"{name:{width}}{shape:>16}{p:14,}{m:16,}" for name, shape, p, m in rows]
        )


def stages(net: nn.Module, *shape: int) -> Stages:
    """Follow one image of this shape through the children of a network.

    Multiply–accumulates are those of convolutions and linear layers, as papers count them, without
    biases, activations, pooling and normalisation. Nothing is computed and no memory is needed:
    the image is on the device *meta*, which has shapes only. The network stays as it is.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    >>> print(stages(net, 3, 32, 32))
                   output    parameters            MACs
    0         8 × 14 × 14           608         117,600
    1                1568             0               0
    2                  10        15,690          15,680
    all                          16,298         133,280

    Raises:
        ValueError: a child is used more than once, so that its costs are no longer one line.
    """
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    shapes = {name: tensor.to("meta") for name, tensor in state.items()}
    found, counter, done = Stages(), FlopCounterMode(display=False), 0

    def note(name: str, child: nn.Module) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            nonlocal done
            if any(stage.name == name for stage in found):
                raise ValueError(f"{name!r} is used more than once in one pass.")
            parameters = sum(p.numel() for p in child.parameters())
            flops = counter.get_total_flops()
            found.append(Stage(name, tuple(output.shape[1:]), parameters, (flops - done) // 2))
            done = flops

        return child.register_forward_hook(hook)

    hooks = [note(name, child) for name, child in net.named_children()]
    modes = [(module, module.training) for module in net.modules()]  # parts may be frozen
    net.eval()
    try:
        with torch.no_grad(), counter:
            functional_call(net, shapes, (torch.empty(1, *shape, device="meta"),))
    finally:
        for module, mode in modes:
            module.training = mode
        for hook in hooks:
            hook.remove()
    return found
