"""Adam."""

from math import sqrt

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, STATE, THICK, Diagram, Node, Point

BETA1, BETA2 = 0.5, 0.75  # the decay rates of the drawing
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
    m = v = 0.0
    states: list[Node | Point] = [(OUT, -44), (2 * MIDDLE - OUT, -44)]
    d.text(OUT - 8, -54, "m = 0", size=SMALL, color=STATE, align="left")
    d.text(2 * MIDDLE - OUT + 8, -54, "v = 0", size=SMALL, color=STATE, align="right")
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g**2
        states = _step(d, t, g, m, v, states)
    return d.figure()


def _step(
    d: Diagram, t: int, g: int, m: float, v: float, before: list[Node | Point]
) -> list[Node | Point]:
    """One step from top to bottom; gives its two averages, which the next one needs."""
    top = (t - 1) * HIGH
    gradient = d.tensor(MIDDLE, top, f"g = {_number(g)}")
    d.text(MIDDLE, top - 26, f"step {t}", size=SMALL, color=QUIET)
    ratio = d.box(MIDDLE, top + 112, r"$\hat{m} / \sqrt{\hat{v}}$", learned=False)
    step = d.tensor(MIDDLE, top + 156, _number(m / (1 - BETA1**t) / sqrt(v / (1 - BETA2**t))))
    averages: list[Node | Point] = []
    for x, old, label, beta, mean, sign in (
        (LEFT, before[0], "½ m + ½ g", BETA1, m, "m"),
        (RIGHT, before[1], "¾ v + ¼ g²", BETA2, v, "v"),
    ):
        average = d.box(x, top, label, learned=False)
        d.arrow(gradient, average)
        tensor = d.tensor(x, top + 46, f"{sign} = {_number(mean)}")
        d.arrow(average, tensor)
        corrected = mean / (1 - beta**t)
        box = d.box(x, top + 112, f"÷ {_fraction(beta, t)} = {_number(corrected)}", learned=False)
        d.arrow(tensor, box)
        d.arrow(box, ratio)
        outer = OUT if x < MIDDLE else 2 * MIDDLE - OUT
        end = average.left if x < MIDDLE else average.right
        if isinstance(old, Node):
            start = old.left if x < MIDDLE else old.right
            d.line(start, (outer, start[1]), (outer, end[1]), end, color=STATE, width=THICK)
        else:
            d.line(old, (outer, end[1]), end, color=STATE, width=THICK)
        averages.append(tensor)
    d.arrow(ratio, step)
    return averages


def _fraction(beta: float, t: int) -> str:
    """What the correction divides by, 1 − βᵗ."""
    part, whole = (1 - beta**t).as_integer_ratio()
    return {(1, 2): "½", (1, 4): "¼", (3, 4): "¾"}.get((part, whole), f"{part}/{whole}")


def _number(value: float) -> str:
    part, whole = value.as_integer_ratio() if abs(value) >= 1 or value == 0 else (0, 1)
    if whole == 1 and (part or not value):
        return f"{value:g}".replace("-", "−")
    thirds = round(3 * value)
    assert abs(thirds - 3 * value) < 1e-9, value
    return f"{thirds}/3".replace("-", "−")
