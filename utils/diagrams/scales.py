"""The scale of signals and gradients, layer by layer."""

from fractions import Fraction

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram

SCALES = (
    (Fraction(1, 3), "nv = 1/3: PyTorch's default"),
    (Fraction(1), "nv = 1: LeCun, and Xavier in square layers"),
    (Fraction(2), "nv = 2: He"),
)
LAYERS = 2
NUMBER, WEIGHT, RELU, GAP = 42, 26, 44, 14  # widths, from left to right, and what lies between
ROW, BACK, BLOCK = 32, 80, 130  # from a heading to its rows, and to the next heading


def signal_scale() -> Figure:
    """Draw mean squares through two layers of weights and ReLUs, forward and backward.

    One block a variance of the weights: above, what arrives; below, the gradients.

    Returns:
        The figure.

    Example:
        >>> signal_scale()
        >>> plt.show()
    """
    d = Diagram()
    for i, (factor, title) in enumerate(SCALES):
        top = BLOCK * i
        d.text(0, top, title, bold=True, align="left")
        before, places = d.tensor(NUMBER / 2, top + ROW, "1", width=NUMBER, height=28), []
        places.append(before.x)
        square = Fraction(1)
        for _ in range(LAYERS):
            for label, width, times in (("W", WEIGHT, factor), ("ReLU", RELU, Fraction(1, 2))):
                square *= times
                middle = before.right[0] + GAP + width / 2
                learned = label == "W"
                box = d.box(
                    middle, top + ROW, label, learned=learned, width=width, height=28, size=SMALL
                )
                right = box.right[0] + GAP + NUMBER / 2
                after = d.tensor(right, top + ROW, str(square), width=NUMBER, height=28, size=SMALL)
                d.chain(before, box, after)
                before = after
            places.append(before.x)
        gradient, last = Fraction(1), None
        for x in reversed(places):
            number = d.text(x, top + BACK, str(gradient), size=SMALL)
            if last:
                d.line(last.left, number.right, color=SKIP, dashed=True)
            gradient, last = gradient * factor / 2, number
    d.text(
        0, BLOCK * len(SCALES) - 16, "solid: mean squares of the signal; dashed: of the gradient",
        size=SMALL, align="left", color=QUIET,
    )  # fmt: skip
    return d.figure()
