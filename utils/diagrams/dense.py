"""Dropout."""

from itertools import product

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

OUTPUTS, MASK = (1, 3, 2, 4), (1, 0, 1, 0)  # of four hidden units; two of them are kept
PITCH = 44  # from unit to unit, and so from cell to cell below


def dropout_passes() -> Figure:
    """Draw a hidden layer with dropout, p = ½: in training with a mask, in evaluation without.

    Below each network stand the outputs of its four hidden units, before and after dropout.

    Returns:
        The figure.

    Example:
        >>> dropout_passes()
        >>> plt.show()
    """
    d = Diagram()
    tops, masks, ends = 226, 290, 354
    for y, label in ((tops, "$\\mathbf{h}$"), (ends, "$\\mathbf{h}'$")):
        d.text(34, y, label)
    d.text(34, masks, "mask\n/ (1 − p)", size=SMALL)
    for middle, title, kept in ((166, "training, p = ½", MASK), (374, "evaluation", (1, 1, 1, 1))):
        d.text(middle, 0, title, bold=True)
        _network(d, middle, kept)
        before = d.grid(middle, tops, [OUTPUTS], width=PITCH)
        if kept == MASK:
            dropped = [1 - m for m in MASK]
            mask = d.grid(middle, masks, [[2 * m for m in MASK]], width=PITCH, struck=[dropped])
            after = d.grid(middle, ends, [[2 * h * m for h, m in zip(OUTPUTS, MASK)]], width=PITCH)
            d.times(middle, (before.y + mask.y) / 2)
            d.arrow(mask, after)
        else:
            after = d.grid(middle, ends, [OUTPUTS], width=PITCH)
            d.arrow(before, after)
            d.text(middle + 12, masks, "unchanged", size=SMALL, align="left", color=QUIET)
    return d.figure()


def _network(d: Diagram, middle: float, kept: tuple[int, ...]) -> None:
    """Three inputs, four hidden units, two outputs; what is dropped sends nothing on."""

    def row(y: float, count: int) -> list[tuple[float, float]]:
        return [(middle + PITCH * (i - (count - 1) / 2), y) for i in range(count)]

    inputs, hidden, outputs = row(36, 3), row(104, 4), row(172, 2)
    for start, end in (*product(inputs, hidden), *product(hidden, outputs)):
        dead = any(unit in (start, end) and not k for unit, k in zip(hidden, kept))
        if not dead:
            d.line(start, end, color=QUIET, width=1.2, head=False)
    for place in inputs + outputs:
        d.unit(*place)
    for place, k in zip(hidden, kept):
        d.unit(*place, dropped=not k)
