"""Multi-head attention, and the Transformer's block with the norm in either place."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

SUM = ("sum", "")


def multi_head_attention() -> Figure:
    """Draw multi-head attention with a causal mask, and the shapes of n positions and h heads.

    Returns:
        The figure.

    Example:
        >>> multi_head_attention()
        >>> plt.show()
    """
    d = Diagram()
    q, k, v, shapes = 58, 166, 314, 396  # places, from the left
    left, middle = (q + k) / 2, (q + k + 2 * v) / 4
    for back in (12, 6, 0):  # the heads, one behind the other
        d.frame(back, 92 + back, 366 + back, 426 + back)
    d.text((k + v) / 2, 130, "in each of\nh heads", size=SMALL, color=QUIET)

    parts = {}
    for x, name, letter in ((q, "queries", "q"), (k, "keys", "k"), (v, "values", "v")):
        given = d.tensor(x, 0, name, width=84)
        projection = d.box(x, 54, f"$\\mathbf{{W}}_{letter}$", width=84)
        parts[letter] = d.tensor(x, 142, f"$\\mathbf{{{letter.upper()}}}$", width=48)
        d.chain(given, projection, parts[letter])

    label = "$\\mathbf{Q}\\mathbf{K}^\\top /\\, \\sqrt{d/h}$"
    scores = d.box(left, 196, label, learned=False, width=160)
    mask = d.box(left, 244, "mask", learned=False, width=160)
    softmax = d.box(left, 292, "softmax", learned=False, width=160)
    average = d.box(middle, 344, "weights × values", learned=False, width=2 * (v - middle) + 40)
    head = d.tensor(middle, 396, "$\\mathbf{H}$", width=48)
    d.arrow(parts["q"], scores)
    d.arrow(parts["k"], scores)
    d.chain(scores, mask, softmax, average, head)
    d.arrow(parts["v"], average)
    future = [[column > row for column in range(4)] for row in range(4)]
    hidden = d.grid(246, 244, [[""] * 4] * 4, cell=15, struck=future)
    d.arrow(hidden, mask)

    concat = d.box(middle, 470, "concatenate", learned=False, width=120)
    project = d.box(middle, 518, "$\\mathbf{W}_o$", width=84)
    output = d.tensor(middle, 570, "output", width=84)
    d.chain(head, concat, project, output)
    for y, shape in (
        (0, "n × d"), (142, "n × d/h"), (196, "n × n"), (292, "n × n"),
        (396, "n × d/h"), (470, "n × d"), (570, "n × d"),
    ):  # fmt: skip
        d.text(shapes, y, shape, size=SMALL, align="left")
    return d.figure()


def transformer_block(*, decoder: bool = False) -> Figure:
    """Draw a Transformer block with the norm after each sum (post-norm), and before each layer.

    Layers have their names in `torch.nn.TransformerEncoderLayer`.

    Args:
        decoder: whether the block also attends to an encoder's outputs, as that of
            `torch.nn.TransformerDecoderLayer` does.

    Returns:
        The figure.

    Example:
        >>> transformer_block()
        >>> plt.show()
    """
    d = Diagram()
    feed = [("layer", "linear1: d → 4d"), ("function", "ReLU"), ("layer", "linear2: 4d → d")]
    layers = [[("layer", "self_attn")], [("layer", "multihead_attn")], feed]
    if not decoder:
        del layers[1]
    readers = []
    for x, side, title, formula, pre in (
        (0, -1, "post-norm", "x ← norm(x + f(x))", False),
        (250, 1, "pre-norm", "x ← x + f(norm(x))", True),
    ):
        d.text(x, 0, title, bold=True)
        d.text(x, 20, formula, size=SMALL)
        last = d.tensor(x, 56, "n × d", width=136)
        for number, parts in enumerate(layers, start=1):
            norm = ("layer", f"norm{number}")
            parts = [norm, *parts, SUM] if pre else [*parts, SUM, norm]
            fork = (x, last.bottom[1] + 10)
            nodes = d.column(x, fork[1] + 17, parts, width=136, gap=14)
            d.arrow(last, nodes[0])
            d.skip(fork, nodes[parts.index(SUM)], x=x + side * 84)
            readers += [node for node, part in zip(nodes, parts) if part == layers[1][0]]
            last = nodes[-1]
        d.arrow(last, d.tensor(x, last.bottom[1] + 32, "n × d", width=136))
    if decoder:
        memory = d.tensor(125, sum(node.y for node in readers) / 2, "memory\nm × d", height=72)
        for reader in readers:
            d.arrow(memory, reader)
    return d.figure()
