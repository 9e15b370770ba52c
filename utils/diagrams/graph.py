"""A backward pass through a computational graph."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import SKIP, SMALL, Diagram, Node

A, B = 2, 3  # the inputs of L = (a b) (a + b)
COLUMNS = (40, 242, 424)  # inputs, operations, loss
HEIGHT = 132  # from the upper row to the lower
Graph = tuple[Node, Node, Node, Node, Node]


def backward_pass() -> Figure:
    """Draw L = (a b)(a + b) with numbers: values on their way forward, gradients on their way back.

    Returns:
        The figure.

    Example:
        >>> backward_pass()
        >>> plt.show()
    """
    product, total = A * B, A + B
    d = Diagram()
    d.text(COLUMNS[1], -58, "forward: values", bold=True)
    labels = (
        f"$a = {A}$", f"$b = {B}$", f"$p = a b$\n$= {product}$", f"$s = a + b$\n$= {total}$",
        f"$L = p s$\n$= {product * total}$",
    )  # fmt: skip
    for start, end in _edges(_graph(d, 0, labels)):
        d.line(start, end)

    top = HEIGHT + 126
    d.text(COLUMNS[1], top - 58, "backward: gradients", bold=True)
    to_a, to_b = total * B, total * A  # what the product passes on; the sum passes its own
    labels = (
        f"$\\bar{{a}} = {to_a + product}$", f"$\\bar{{b}} = {to_b + product}$",
        f"$\\bar{{p}} = {total}$", f"$\\bar{{s}} = {product}$", "$\\bar{L} = 1$",
    )  # fmt: skip
    for start, end in _edges(_graph(d, top, labels)):
        d.line(end, start, color=SKIP, dashed=True)
    near, far = 97, 346  # beside the inputs, beside the loss
    for x, y, sent in (
        (136, top - 22, f"{total} · {B}"),
        (near, top + 55, f"{product} · 1"),
        (near, top + HEIGHT - 55, f"{total} · {A}"),
        (136, top + HEIGHT + 23, f"{product} · 1"),
        (far, top + 4, f"1 · {total}"),
        (far, top + HEIGHT - 3, f"1 · {product}"),
    ):
        d.text(x, y, sent, size=SMALL)
    return d.figure()


def _graph(d: Diagram, top: float, labels: tuple[str, ...]) -> Graph:
    """Two inputs, their product and their sum, the product of both."""
    left, middle, right = COLUMNS
    a, b, p, s, loss = labels
    return (
        d.tensor(left, top, a, width=76, height=34),
        d.tensor(left, top + HEIGHT, b, width=76, height=34),
        d.box(middle, top, p, learned=False, width=96, height=50),
        d.box(middle, top + HEIGHT, s, learned=False, width=96, height=50),
        d.box(right, top + HEIGHT / 2, loss, learned=False, width=84, height=50),
    )


def _edges(graph: Graph) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Where each arrow starts and ends; those of one box a little apart."""
    a, b, p, s, loss = graph
    step = 9
    return [
        ((a.right[0], a.y - step), (p.left[0], p.y - step)),
        ((a.right[0], a.y + step), (s.left[0], s.y - step)),
        ((b.right[0], b.y - step), (p.left[0], p.y + step)),
        ((b.right[0], b.y + step), (s.left[0], s.y + step)),
        (p.right, (loss.left[0], loss.y - step)),
        (s.right, (loss.left[0], loss.y + step)),
    ]
