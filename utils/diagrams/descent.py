"""Gradient descent."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

RATE = 0.4  # the learning rate of the drawing
AXES = ((4, 2, "(1, 1)"), (1, 1, "(1, −1)"))  # curvature, part of the error, eigenvector
CELL = 50


def descent_by_axes() -> Figure:
    """Draw a step of gradient descent on a quadratic, eigenvector by eigenvector.

    The Hessian has the curvature 4 along (1, 1) and 1 along (1, −1), the learning rate is 0.4.
    The error (3, 1) is taken apart, each part is multiplied by its own factor, and they are added.

    Returns:
        The figure.

    Example:
        >>> descent_by_axes()
        >>> plt.show()
    """
    d = Diagram()
    middle, columns = 240, (100, 380)
    parts = [part for _, part, _ in AXES]
    before = d.grid(middle, 0, [_error(parts)], width=CELL)
    fork = (middle, 38)
    d.arrow(before, fork, head=False)
    factors = [1 - RATE * curvature for curvature, _, _ in AXES]
    total = d.add(middle, 242)
    for x, factor, (curvature, part, vector) in zip(columns, factors, AXES):
        name = "steep axis" if curvature > 1 else "flat axis"
        d.text(x, 14, f"{name}, λ = {curvature}", size=SMALL, color=QUIET)
        taken = d.tensor(x, 72, f"{part} · {vector}")
        d.arrow(fork, taken, (x, fork[1]))
        factor_box = d.box(
            x, 130, f"× (1 − {RATE} · {curvature}) = {signed(factor)}", learned=False
        )
        after = d.tensor(x, 188, f"{signed(factor * part)} · {vector}")
        d.chain(taken, factor_box, after)
        d.arrow(after, total, (x, total.y))
    moved = [factor * part for factor, part in zip(factors, parts)]
    after = d.grid(middle, 292, [_error(moved)], width=CELL)
    d.arrow(total, after)
    d.text(before.left[0] - 10, 0, r"$\mathbf{e}_t$", align="right")
    d.text(after.left[0] - 10, 292, r"$\mathbf{e}_{t+1}$", align="right")
    return d.figure()


def _error(parts: Sequence[float]) -> list[str]:
    """The two entries of the sum of the parts: those along (1, 1) and (1, −1)."""
    steep, flat = parts
    return [signed(steep + flat), signed(steep - flat)]
