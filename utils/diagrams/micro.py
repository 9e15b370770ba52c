"""A convolution with a micro network, and the network that is built of them."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import SMALL, Diagram

CELL = 22  # the side of a pixel


def mlpconv() -> Figure:
    """Draw how a window becomes one position: by a convolution, and by one with a micro network.

    Returns:
        The figure.

    Example:
        >>> mlpconv()
        >>> plt.show()
    """
    d = Diagram()
    left, right = 55, 440
    parts = {
        "convolution": [(247, "3×3 conv\nReLU")],
        "mlpconv": [(160, "3×3 conv\nReLU"), (247, "1×1 conv\nReLU"), (334, "1×1 conv\nReLU")],
    }
    for y, (title, boxes) in zip((0, 156), parts.items()):
        d.text(left - 55, y - 72, title, size=SMALL, bold=True, align="left")
        whole = d.grid(left, y, [[""] * 5] * 5, cell=CELL, window=(1, 1, 3, 3))
        layers = [d.box(x, y, label, width=78) for x, label in boxes]
        d.chain(whole, *layers, d.grid(right, y, [[""]], cell=CELL, window=(0, 0, 1, 1)))
    return d.figure()


def network_in_network() -> Figure:
    """Draw AlexNet and a network in network of its sizes beside each other.

    Returns:
        The figure.

    Example:
        >>> network_in_network()
        >>> plt.show()
    """
    d = Diagram()
    image, pool = ("tensor", "1×224×224"), ("function", "max pool 3×3, stride 2")
    alexnet = [
        image,
        ("layer", "11×11 conv, stride 4"),
        pool,
        ("layer", "5×5 conv"),
        pool,
        ("layer", "3 × (3×3 conv)"),
        pool,
        ("tensor", "256×5×5"),
        ("function", "Flatten"),
        ("layer", "3 × Linear"),
        ("tensor", "10 logits"),
    ]
    more = "\n2 × (1×1 conv)"
    nin = [
        image,
        ("layer", "11×11 conv, stride 4" + more),
        pool,
        ("layer", "5×5 conv" + more),
        pool,
        ("layer", "3×3 conv" + more),
        pool,
        ("tensor", "384×5×5"),
        ("layer", "3×3 conv" + more),
        ("tensor", "10×5×5"),
        ("function", "mean of each map"),
        ("tensor", "10 logits"),
    ]
    for x, title, parts in ((0, "AlexNet", alexnet), (224, "Network in network", nin)):
        d.text(x, 0, title, size=SMALL, bold=True)
        d.column(x, 20, parts, width=174, gap=12)
    return d.figure()
