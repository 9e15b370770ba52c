"""LeNet and residual blocks."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import SMALL, WIDTH, Diagram, Node

BATCH_NORM, RELU, SUM = ("layer", "BatchNorm"), ("function", "ReLU"), ("sum", "")


def _conv(size: int, before: int, after: int) -> tuple[str, str]:
    return "layer", f"{size}×{size} conv\n{before} → {after}"


def _kinds() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """The title and the parts of each block, from input to output."""
    narrow = ("tensor", "64×56×56")
    first, second = _conv(3, 64, 64), _conv(3, 64, 64)
    plain = [first, BATCH_NORM, RELU, second, BATCH_NORM]
    before = [BATCH_NORM, RELU, first, BATCH_NORM, RELU, second]
    wide = ("tensor", "256×56×56")
    bottleneck = [_conv(1, 256, 64), BATCH_NORM, RELU, second, BATCH_NORM, RELU]
    bottleneck += [_conv(1, 64, 256), BATCH_NORM]
    return {
        "plain": ("plain", [narrow, *plain, RELU, narrow]),
        "basic": ("residual\npost-activation", [narrow, *plain, SUM, RELU, narrow]),
        "pre-activation": ("residual\npre-activation", [narrow, *before, SUM, narrow]),
        "bottleneck": ("residual\nbottleneck", [wide, *bottleneck, SUM, RELU, wide]),
    }


def residual_blocks(*kinds: str) -> Figure:
    """Draw two layers without and with a skip connection, and what became of the block.

    Args:
        kinds: which of ``plain``, ``basic`` (as published in 2015: the ReLU after the sum),
            ``pre-activation`` and ``bottleneck``; all if none is named.

    Returns:
        The figure.

    Raises:
        ValueError: there is no block of that name.

    Example:
        >>> residual_blocks("plain", "basic")
        >>> plt.show()
    """
    known = _kinds()
    d = Diagram()
    for i, kind in enumerate(kinds or known):
        if kind not in known:
            raise ValueError(f"{kind!r} is none of {', '.join(known)}.")
        title, parts = known[kind]
        x = 120 * i
        d.text(x, 0, title, size=SMALL, bold=True)
        nodes = d.column(x, 28, parts[:1], width=92)
        nodes += d.column(x, nodes[0].bottom[1] + 26, parts[1:], width=92, gap=13)
        d.chain(*nodes[:2])
        if SUM in parts:
            fork = (x, nodes[0].bottom[1] + 10)
            d.skip(fork, nodes[parts.index(SUM)], x=x + 57)
    return d.figure()


def resnet18() -> Figure:
    """Draw ResNet-18 stage by stage, and the block in which a stage changes the shape.

    Returns:
        The figure.

    Example:
        >>> resnet18()
        >>> plt.show()
    """
    d = Diagram()
    d.text(0, 0, "ResNet-18", size=SMALL, bold=True)
    stem = [("tensor", "3×224×224"), ("layer", "7×7 conv\nstride 2\nBatchNorm, ReLU")]
    stem += [("tensor", "64×112×112"), ("function", "max pool 3×3\nstride 2")]
    shapes = ["64×56×56", "128×28×28", "256×14×14", "512×7×7"]
    stages = [("layer", "2 blocks" + "\nstride 2" * (k > 0)) for k in range(4)]
    body = [part for stage, shape in zip(stages, shapes) for part in (stage, ("tensor", shape))]
    head = [("function", "mean of map"), ("tensor", "512"), ("layer", "Linear")]
    parts = [*stem, ("tensor", shapes[0]), *body, *head, ("tensor", "1000 logits")]
    d.column(0, 24, parts, width=134, gap=11)

    x = 208
    d.text(x, 0, "the first block\nof the second stage", size=SMALL, bold=True)
    ends = ("tensor", shapes[0]), ("tensor", shapes[1])
    first = ("layer", "3×3 conv\nstride 2\n64 → 128")
    block = [first, BATCH_NORM, RELU, _conv(3, 128, 128), BATCH_NORM, SUM, RELU, ends[1]]
    nodes = d.column(x, 40, [ends[0]], width=134)
    nodes += d.column(x, nodes[0].bottom[1] + 30, block, width=134, gap=13)
    d.chain(*nodes[:2])
    side, fork = x + 126, (x, nodes[0].bottom[1] + 12)
    project = d.box(side, nodes[2].y, "1×1 conv,\nstride 2\n64 → 128")
    norm = d.box(side, nodes[4].y, "BatchNorm")
    d.line(fork, (side, fork[1]), project.top)
    d.arrow(project, norm)
    total = nodes[block.index(SUM) + 1]
    d.arrow(norm, total, (side, total.y))
    return d.figure()


def lenet() -> Figure:
    """Draw LeNet from a picture of 28 by 28 pixels to ten logits, its feature maps to scale.

    Returns:
        The figure.

    Example:
        >>> lenet()
        >>> plt.show()
    """
    padded, conv = ("layer", "Conv2d 5×5\npadding 2"), ("layer", "Conv2d\n5×5")
    pool, flatten = ("function", "MaxPool2d\n2×2"), ("function", "Flatten")
    linear = ("layer", "Linear")
    rows = [
        (92, [("maps", "1×28×28"), padded, RELU, ("maps", "6×28×28"), pool]),
        (74, [("maps", "6×14×14"), conv, RELU, ("maps", "16×10×10"), pool]),
        (60, [("maps", "16×5×5"), flatten, ("tensor", "400"), linear, RELU, ("tensor", "120")]),
        (28, [linear, RELU, ("tensor", "84"), linear, ("tensor", "10 logits")]),
    ]
    d = Diagram()
    top, last = 0.0, None
    for height, parts in rows:
        y = top + height / 2
        nodes = _row(d, y, y + height / 2 + 13, parts)
        if last is not None:  # the end of one row is the beginning of the next
            turn = top - 16
            d.arrow(last, nodes[0], (last.x, turn), (nodes[0].x, turn))
        last = nodes[-1]
        top = y + height / 2 + (48 if parts[0][0] == "maps" else 0)
    return d.figure()


def _row(d: Diagram, y: float, below: float, parts: list[tuple[str, str]]) -> list[Node]:
    """Feature maps, vectors and layers from left to right, as wide as a page."""
    pixel, step = 2.8, 3
    sizes = []
    for kind, label in parts:
        if kind == "maps":
            count, side = (int(number) for number in label.split("×")[:2])
            sizes.append(side * pixel + step * (count - 1))
        else:
            lines = label.split("\n")
            longest = max(map(len, lines))
            sizes.append(max(52, 16 + 8 * longest) if kind == "tensor" else 26 + 7.2 * longest)
    gap = min(36, (WIDTH - 12 - sum(sizes)) / (len(parts) - 1))
    nodes: list[Node] = []
    x = 0.0
    for (kind, label), size in zip(parts, sizes):
        if kind == "maps":
            count, side = (int(number) for number in label.split("×")[:2])
            nodes.append(d.sheets(x + size / 2, y, side * pixel, count, step=step))
            d.text(x + size / 2, below, label, size=SMALL)
        elif kind == "tensor":
            nodes.append(d.tensor(x + size / 2, y, label, width=size))
        else:
            nodes.append(d.box(x + size / 2, y, label, learned=kind == "layer", width=size))
        x += size + gap
    d.chain(*nodes)
    return nodes
