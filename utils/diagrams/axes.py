"""Which numbers share a mean and a variance, normalisation by normalisation."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

EXAMPLES, CHANNELS = 4, 6
# rows and columns of the upper left group that share their statistics
SHARED = {
    "batch": (EXAMPLES, 1),
    "layer": (1, CHANNELS),
    "instance": (1, 1),
    "group": (1, CHANNELS // 2),
}
CELL, ACROSS, DOWN = 22, 164, 152  # a cell, and from one tensor to the next


def normalisation_axes() -> Figure:
    """Draw what shares a mean and a variance in batch, layer, instance and group norm.

    A cell is one channel of one example, with all its positions.

    Returns:
        The figure.

    Example:
        >>> normalisation_axes()
        >>> plt.show()
    """
    d = Diagram()
    empty = [[""] * CHANNELS for _ in range(EXAMPLES)]
    for i, (name, (rows, columns)) in enumerate(SHARED.items()):
        x, y = ACROSS * (i % 2), DOWN * (i // 2)
        d.text(x, y - 2 * CELL - 13, f"{name} norm", bold=True)
        d.grid(x, y, empty, cell=CELL, window=(0, 0, rows, columns))
        d.text(x, y + 2 * CELL + 12, "channels", size=SMALL, color=QUIET)
    for y in (0, DOWN):
        d.text(-3 * CELL - 6, y, "examples", size=SMALL, color=QUIET, align="right")
    return d.figure()
