"""What a stride and three poolings keep of a small map, and of the same map moved by one."""

import numpy as np
from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

MAP = np.array([[1, 5, 3, 0], [2, 4, 0, 1], [0, 6, 7, 2], [1, 1, 3, 4]])
RULES = {
    "stride 2": lambda cells: cells[..., 0],
    "max": lambda cells: cells.max(-1),
    "average": lambda cells: cells.mean(-1),
}
ROWS = {"a map": 0, "moved by 1": 1}  # how far its columns are turned round
LEFT, COLUMNS, GLOBAL = 48, (156, 241, 326), 412


def pooling_windows() -> Figure:
    """Draw a 4×4 map and what strides, max, average and global average pooling make of it.

    Below, the same map with its columns moved round by one.

    Returns:
        The figure.

    Example:
        >>> pooling_windows()
        >>> plt.show()
    """
    d = Diagram()
    for row, (label, by) in enumerate(ROWS.items()):
        y, numbers = 160 * row, np.roll(MAP, by, axis=1)
        d.text(LEFT, y - 70, label, size=SMALL, color=QUIET)
        d.grid(LEFT, y, _written(numbers), cell=24, window=(0, 0, 2, 2))
        # (4, 4) → (2, 2, 4): the numbers of each cell last
        cells = numbers.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(2, 2, 4)
        for x, (name, keep) in zip(COLUMNS, RULES.items()):
            d.text(x, y - 70, name, size=SMALL, color=QUIET)
            d.grid(x, y, _written(keep(cells)), cell=30, width=37, window=(0, 0, 1, 1))
        d.text(GLOBAL, y - 70, "global average", size=SMALL, color=QUIET)
        d.grid(GLOBAL, y, _written(numbers.mean(keepdims=True)), cell=30, width=37)
    return d.figure()


def _written(numbers: np.ndarray) -> list[list[str]]:
    return [[signed(number) for number in row] for row in numbers.tolist()]
