"""An Inception block, and the network that is built of nine."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import Diagram, Node


def inception_block() -> Figure:
    """Draw GoogLeNet's first Inception block: four branches and their concatenation.

    Returns:
        The figure.

    Example:
        >>> inception_block()
        >>> plt.show()
    """
    branches = [
        [("layer", "1×1 conv\n192 → 64")],
        [("layer", "1×1 conv\n192 → 96"), ("layer", "3×3 conv\n96 → 128")],
        [("layer", "1×1 conv\n192 → 16"), ("layer", "5×5 conv\n16 → 32")],
        [("function", "max pool\n3×3, stride 1"), ("layer", "1×1 conv\n192 → 32")],
    ]
    d = Diagram()
    width, step = 106, 116
    middle = 1.5 * step
    source = d.tensor(middle, 0, "192×28×28", width=width)
    total = d.box(middle, 214, "concatenate", learned=False, width=width + 3 * step)
    for i, branch in enumerate(branches):
        x = i * step
        nodes = d.column(x, 54, branch, width=width, gap=22)
        d.arrow((source.x, 28), nodes[0], (x, 28))
        d.arrow(nodes[-1], (x, total.top[1]))
    d.line(source.bottom, (source.x, 28), head=False)
    d.arrow(total, d.tensor(middle, 264, "256×28×28", width=width))
    return d.figure()


def googlenet() -> Figure:
    """Draw GoogLeNet from image to logits, with the two auxiliary heads.

    Returns:
        The figure.

    Example:
        >>> googlenet()
        >>> plt.show()
    """
    d = Diagram()
    width, gap = 156, 11
    stem = [
        ("tensor", "3×224×224"),
        ("layer", "7×7 conv, stride 2"),
        ("function", "max pool"),
        ("layer", "1×1 conv"),
        ("layer", "3×3 conv"),
        ("function", "max pool"),
        ("tensor", "192×28×28"),
        ("layer", "Inception 3a, 3b"),
        ("function", "max pool"),
        ("tensor", "480×14×14"),
    ]
    body = [
        ("layer", "Inception 4a"),
        ("layer", "Inception 4b, 4c, 4d"),
        ("layer", "Inception 4e"),
        ("function", "max pool"),
        ("tensor", "832×7×7"),
        ("layer", "Inception 5a, 5b"),
        ("function", "mean of map"),
        ("tensor", "1024"),
        ("layer", "Linear"),
        ("tensor", "1000 logits"),
    ]
    left = d.column(0, 0, stem, width=width, gap=gap)
    right = d.column(180, 0, body, width=width, gap=gap)
    turn = 90
    d.arrow(left[-1], right[0], (turn, left[-1].y), (turn, right[0].y))
    first = _head(d, 346, right[0].y, gap)
    second = _head(d, 346, right[4].y, gap)
    d.arrow(right[0], first)
    side = 264
    d.arrow(right[1], second, (side, right[1].y), (side, second.y))
    d.text(346, right[0].y - 38, "in training only")
    return d.figure()


def _head(d: Diagram, x: float, y: float, gap: float) -> Node:
    """An auxiliary head below a height; the node where it begins."""
    parts = [
        ("function", "average pool 5×5,\nstride 3"),
        ("layer", "1×1 conv, Linear"),
        ("tensor", "1000 logits"),
    ]
    return d.column(x, y - 23, parts, width=142, gap=gap)[0]
