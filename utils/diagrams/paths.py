"""Computational graphs."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import INK, LINE, QUIET, SMALL, THICK, Diagram

X1, X2 = 2, 3  # the inputs of the example


def two_paths() -> Figure:
    """Draw the graph of L = h₁ h₂ with h₁ = x₁ x₂ and h₂ = x₁ + x₂, at x = (2, 3).

    Each node shows its value, each edge its local derivative; both paths from x₁ stand out.

    Returns:
        The figure.

    Example:
        >>> two_paths()
        >>> plt.show()
    """
    d = Diagram()
    product, total = X1 * X2, X1 + X2
    top, bottom, middle = 30, 170, 100
    x1 = d.tensor(40, top, f"$x_1 = {X1}$", width=80, height=34)
    x2 = d.tensor(40, bottom, f"$x_2 = {X2}$", width=80, height=34)
    h1 = d.box(220, top, f"$h_1 = x_1 x_2 = {product}$", learned=False, width=132, height=34)
    h2 = d.box(220, bottom, f"$h_2 = x_1 + x_2 = {total}$", learned=False, width=144, height=34)
    loss = d.box(
        402, middle, f"$L = h_1 h_2 = {product * total}$", learned=False, width=132, height=34
    )
    for start, end, on_path in (
        (x1.right, h1.left, True),
        (x1.right, h2.left, True),
        (x2.right, h1.left, False),
        (x2.right, h2.left, False),
        (h1.bottom, loss.left, True),
        (h2.top, loss.left, True),
    ):
        d.line(start, end, color=INK if on_path else QUIET, width=THICK if on_path else LINE)
    for x, y, slope, on_path in (
        (114, top - 14, X2, True),
        (84, 66, 1, True),
        (84, 134, X1, False),
        (114, bottom + 14, 1, False),
        (292, 60, total, True),
        (292, 140, product, True),
    ):
        d.text(x, y, str(slope), color=INK if on_path else QUIET, bold=on_path)
    d.text(250, bottom + 44, "on an arrow: how fast its head changes with its tail", size=SMALL)
    return d.figure()
