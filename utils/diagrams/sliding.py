"""A convolution that slides over two channels, with stride and padding."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from utils.diagrams.alt import ALT
from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed
from utils.plotting import animate

# A picture of two channels, and a kernel for each.
PICTURE = np.array(
    [
        [[1, 0, 2, 1, 0], [0, 1, 1, 2, 1], [2, 0, 1, 0, 1], [1, 2, 0, 1, 0], [0, 1, 2, 0, 1]],
        [[0, 2, 1, 0, 1], [1, 0, 0, 1, 2], [0, 1, 2, 1, 0], [2, 1, 0, 0, 1], [1, 0, 1, 2, 0]],
    ]
)
KERNEL = np.array([[[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[0, 1, 0], [1, -3, 1], [0, 1, 0]]])
STRIDE, PADDING = 2, 1
PLACES = 9


def convolution_step(step: int, figure: Figure | None = None) -> Figure:
    """Draw one place of the kernel in `sliding_convolution`, for a page that stands still.

    Args:
        step: the number of the place, counted from 0, row by row.
        figure: draw on this one instead of a new one.

    Returns:
        The figure.

    Example:
        >>> convolution_step(4)
        >>> plt.show()
    """
    size = KERNEL.shape[-1]
    padded = np.pad(PICTURE, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    border = np.pad(np.zeros_like(PICTURE[0]), PADDING, constant_values=1).tolist()
    side = (padded.shape[-1] - size) // STRIDE + 1
    sums = np.array(
        [
            [(padded[c, i : i + size, j : j + size] * KERNEL[c]).sum() for c in range(2)]
            for i in range(0, STRIDE * side, STRIDE)
            for j in range(0, STRIDE * side, STRIDE)
        ]
    )
    row, column = divmod(step, side)

    d = Diagram(figure)
    cell, middle = 22, 180
    plus = d.add(330, middle)
    call = "Conv2d(2, 1, kernel_size=3, stride=2, padding=1, bias=False)"
    d.text(0, -30, call, size=SMALL, align="left")
    for channel, y in enumerate((90, 270)):
        d.text(77, y - 90, f"channel {channel}, padded", size=SMALL, color=QUIET)
        window = (STRIDE * row, STRIDE * column, size, size)
        d.grid(77, y, _written(padded[channel]), cell=cell, faint=border, window=window)
        d.times(176, y)
        kernel = d.grid(235, y, _written(KERNEL[channel]), cell=25, learned=True)
        d.arrow(kernel, plus, (plus.x, y))
        d.text(299, y - 14, f"Σ = {signed(int(sums[step, channel]))}", size=SMALL)
    d.text(235, 90 - 52, "kernel", size=SMALL, color=QUIET)
    done = [signed(total) if i <= step else "" for i, total in enumerate(sums.sum(1).tolist())]
    rows = [done[i : i + side] for i in range(0, len(done), side)]
    output = d.grid(422, middle, rows, cell=34, window=(row, column, 1, 1))
    d.arrow(plus, output)
    d.text(422, middle - 66, "output", size=SMALL, color=QUIET)
    return d.figure()


def sliding_convolution() -> Any:
    """Animate a convolution over two channels with stride 2 and padding 1, place by place.

    Returns:
        An ``IPython.display.HTML`` with the player, as `utils.plotting.animate` makes it.

    Example:
        >>> "slider" in sliding_convolution().data
        True
    """
    figure = convolution_step(0)
    return animate(
        figure,
        lambda step: convolution_step(step, figure),
        range(PLACES),
        alt=ALT["sliding_convolution"],
        label=lambda step: f"place {step + 1} of {PLACES}",
        slider="place of the kernel",
        fps=1,
        dpi=96,
    )


def _written(numbers: np.ndarray) -> list[list[str]]:
    return [[signed(number) for number in row] for row in numbers.tolist()]
