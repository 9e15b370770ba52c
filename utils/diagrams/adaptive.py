"""Adam."""

from fractions import Fraction
from math import isqrt

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, STATE, THICK, Diagram, Point

BETA1, BETA2 = Fraction(1, 2), Fraction(3, 4)  # the decay rates of the drawing
GRADIENTS = (4, -4)
LEFT, MIDDLE, RIGHT = 100, 240, 380
OUT = 20  # how far out the states run
HIGH = 208  # a step


def adam_steps() -> Figure:
    """Draw two steps of Adam with numbers: two averages, each corrected, and their ratio.

    The decay rates are 1/2 and 3/4, the gradients 4 and −4, so that every number is simple.

    Returns:
        The figure.

    Example:
        >>> adam_steps()
        >>> plt.show()
    """
    d = Diagram()
    m = v = Fraction(0)
    states: list[Point] = [(OUT, -44), (2 * MIDDLE - OUT, -44)]
    d.text(OUT - 8, -54, "m = 0", size=SMALL, color=STATE, align="left")
    d.text(2 * MIDDLE - OUT + 8, -54, "v = 0", size=SMALL, color=STATE, align="right")
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g**2
        states = _step(d, t, g, m, v, states)
    return d.figure()


def _step(d: Diagram, t: int, g: int, m: Fraction, v: Fraction, before: list[Point]) -> list[Point]:
    """One step from top to bottom; gives where its two averages are handed on."""
    top = (t - 1) * HIGH
    gradient = d.tensor(MIDDLE, top, f"g = {_written(g)}")
    d.text(MIDDLE, top - 26, f"step {t}", size=SMALL, color=QUIET)
    ratio = d.box(MIDDLE, top + 112, r"$\hat{m} / \sqrt{\hat{v}}$", learned=False)
    root = isqrt(int(v / (1 - BETA2**t)))  # 4 in both steps
    step = d.tensor(MIDDLE, top + 156, _written(m / (1 - BETA1**t) / root))
    states: list[Point] = []
    for x, old, label, beta, mean, name in (
        (LEFT, before[0], "½ m + ½ g", BETA1, m, "m"),
        (RIGHT, before[1], "¾ v + ¼ g²", BETA2, v, "v"),
    ):
        average = d.box(x, top, label, learned=False)
        tensor = d.tensor(x, top + 46, f"{name} = {_written(mean)}")
        share = 1 - beta**t
        corrected = f"÷ {_written(share)} = {_written(mean / share)}"
        d.chain(gradient, average, tensor, d.box(x, top + 112, corrected, learned=False), ratio)
        outer, end = (OUT, average.left) if x < MIDDLE else (2 * MIDDLE - OUT, average.right)
        # the first state begins where it would turn
        stops = dict.fromkeys([old, (outer, old[1]), (outer, end[1]), end])
        d.line(*stops, color=STATE, width=THICK)
        states.append(tensor.left if x < MIDDLE else tensor.right)
    d.arrow(ratio, step)
    return states


def _written(number: Fraction | int) -> str:
    common = {"1/2": "½", "1/4": "¼", "3/4": "¾"}
    return common.get(str(number), str(number)).replace("-", "−")
