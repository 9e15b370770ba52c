"""LeNet and AlexNet to one scale."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import LAYER_EDGE, PLAIN_EDGE, QUIET, SMALL, Diagram, Node

SCALE = 0.56  # of a pixel
CHANNEL = 0.07  # the width of a channel
UNIT = 0.03  # the height of a unit
GAP = 22.0
APART = 12.0  # the two groups

# What each network's tensors measure, "pool" before those that pooling makes.
LENET = ["1×28×28", "6×28×28", "pool 6×14×14", "16×10×10", "pool 16×5×5", "120", "84", "10"]
ALEXNET = [
    "3×227×227",
    "96×55×55",
    "pool 96×27×27",
    "256×27×27",
    "pool 256×13×13",
    "384×13×13",
    "384×13×13",
    "256×13×13",
    "pool 256×6×6",
    "4096",
    "4096",
    "1000",
]
JOINED = {1, 5, 9, 10, 11}  # tensors of AlexNet that see all of the one before


def lenet_and_alexnet() -> Figure:
    """Draw the tensors of LeNet and of AlexNet (2012) to one scale, AlexNet's in two groups.

    Returns:
        The figure.

    Example:
        >>> lenet_and_alexnet()
        >>> plt.show()
    """
    d = Diagram()
    d.text(0, 0, "LeNet", size=SMALL, bold=True, align="left")
    _network(d, LENET, 58, below=78)
    d.text(0, 118, "AlexNet", size=SMALL, bold=True, align="left")
    _network(d, ALEXNET, 226, below=302, groups=2)
    return d.figure()


def _network(d: Diagram, tensors: list[str], middle: float, below: float, groups: int = 1) -> None:
    """Maps are channels wide and pixels high, vectors units high; groups share the channels."""
    x, before = 0.0, list[Node]()
    above = 2 * middle - below
    for k, tensor in enumerate(tensors):
        channels, *side = tensor.removeprefix("pool ").split("×")
        width = max(3.0, int(channels) * CHANNEL) if side else 6.0
        height = max(3.0, int(side[0]) * SCALE if side else int(channels) * UNIT)
        halves = groups if 0 < k < len(tensors) - 1 else 1
        width, part = (width / halves, height) if side else (width, height / halves)  # channels
        x += width / 2 + (0 if side or k == 0 else 8)
        nodes = [
            d.tensor(x, middle + offset, "", width=width, height=part)
            for offset in ([0.0] if halves == 1 else [-(part + APART) / 2, (part + APART) / 2])
        ]
        color = PLAIN_EDGE if tensor.startswith("pool") else LAYER_EDGE
        for i, old in enumerate(before):
            for j, new in enumerate(nodes):
                if i == j or k in JOINED or len(before) != len(nodes):
                    start, end = (old.right[0] + 2, old.y), (new.left[0] - 2, new.y)
                    d.line(start, end, color=color, head=True, width=1.2)
        d.text(x, above, channels, size=SMALL)
        if side:
            d.text(x, below, side[0], size=SMALL, color=QUIET)
        x += width / 2 + GAP
        before = nodes
