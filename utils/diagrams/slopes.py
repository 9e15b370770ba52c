"""One unit with two activation functions."""

import math

from matplotlib.figure import Figure

from utils.diagrams.canvas import SKIP, SMALL, Diagram, signed

INPUT, WEIGHTS, GRADIENT = (1, 3), (-1, 1), 4  # what enters, and what comes back to the output
HEIGHT = 84  # from a row's first input to its second
ROW = 176  # from one function to the next
INPUTS, UNIT, FUNCTION, OUT = 46, 190, 294, 412
RADIUS = 19


def unit_slopes() -> Figure:
    """Draw a unit forward and backward, with a sigmoid and with a ReLU.

    Returns:
        The figure.

    Example:
        >>> unit_slopes()
        >>> plt.show()
    """
    z = sum(x * w for x, w in zip(INPUT, WEIGHTS))
    sigmoid = 1 / (1 + math.exp(-z))
    d = Diagram()
    for row, (name, value, slope) in enumerate(
        (("sigmoid", sigmoid, sigmoid * (1 - sigmoid)), ("ReLU", max(z, 0), float(z > 0)))
    ):
        top = row * ROW
        middle = top + HEIGHT / 2
        back = slope * GRADIENT
        unit = d.unit(UNIT, middle, radius=RADIUS)
        d.text(UNIT, middle, signed(z))
        d.text(UNIT, middle - 34, "z", size=SMALL)
        function = d.box(FUNCTION, middle, name, learned=False)
        out = d.tensor(OUT, middle, f"{value:.2g}", width=52)
        d.chain(unit, function, out)
        d.text(OUT, middle - 34, "activation", size=SMALL)
        for x, w, place in zip(INPUT, WEIGHTS, (top, top + HEIGHT)):
            d.unit(INPUTS, place, radius=RADIUS)
            d.text(INPUTS, place, signed(x))
            up = 1 if place > middle else -1
            reach = RADIUS / math.hypot(UNIT - INPUTS, HEIGHT / 2)
            dx, dy = reach * (UNIT - INPUTS), -up * reach * HEIGHT / 2
            d.line((INPUTS + dx, place + dy), (UNIT - dx, middle - dy))
            d.text(INPUTS + 78, place + up, f"weight {signed(w)}", size=SMALL)
            d.text(INPUTS + 78, place + up * 18, f"gradient {x * back:.3g}", size=SMALL, color=SKIP)
        below = middle + 36
        d.line((OUT, below), (FUNCTION, below), (UNIT, below), color=SKIP, dashed=True)
        d.text(OUT + 8, below, signed(GRADIENT), size=SMALL, color=SKIP, align="left")
        d.text(FUNCTION + 8, below + 18, f"× slope {slope:.3g}", size=SMALL, color=SKIP)
        d.text(UNIT + 8, below + 18, f"{back:.2g}", size=SMALL, color=SKIP)
    return d.figure()
