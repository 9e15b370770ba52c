"""One prediction before several losses."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

LOGITS, TARGET = (2, 1, -1), (0, 1, 0)
LOSSES = {  # the loss, and its gradient for the logits
    "squared error": (2.5, (2, 0, -1)),
    "cross-entropy": (1.35, (0.71, -0.74, 0.04)),
    "hinge": (2, (1, -1, 0)),
}
PITCH, ROW = 48, 96  # from cell to cell, from loss to loss


def three_losses() -> Figure:
    """Draw the logits of one example before three losses: each loss, and its gradient.

    Returns:
        The figure.

    Example:
        >>> three_losses()
        >>> plt.show()
    """
    d = Diagram()
    cells = [[signed(z), signed(y)] for z, y in zip(LOGITS, TARGET)]
    given = d.grid(34, ROW, cells, width=34)
    d.text(17, ROW - 58, "z", size=SMALL)
    d.text(51, ROW - 58, "y", size=SMALL)
    for row, (name, (loss, pulls)) in enumerate(LOSSES.items()):
        y = row * ROW
        box = d.box(154, y, name, learned=False, width=114)
        value = d.tensor(252, y, signed(loss), width=44)
        gradient = d.grid(374, y, [[signed(pull) for pull in pulls]], width=PITCH)
        turns = [] if row == 1 else [(82, ROW), (82, y)]
        d.arrow(given, box, *turns)
        d.arrow(box, value)
        d.arrow(value, gradient, color=QUIET, dashed=True)
    d.text(252, -34, "loss", size=SMALL)
    d.text(374, -34, "gradient for z", size=SMALL)
    return d.figure()
