"""Linear classifiers."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

LOGITS, TARGET = (0.3, 2.9, 4.0), (0, 1, 0)
PROBABILITIES, GRADIENT, LOSS = (0.02, 0.25, 0.74), (0.02, -0.75, 0.74), 1.41
PITCH = 52  # from cell to cell


def softmax_classifier() -> Figure:
    """Draw softmax regression with three classes: forwards to the loss, and its gradient back.

    Returns:
        The figure.

    Example:
        >>> softmax_classifier()
        >>> plt.show()
    """
    d = Diagram()
    x, side = 96, 352
    image = d.tensor(x, 0, "image x: 784 pixels")
    linear = d.box(x, 54, "Linear: W, b")
    logits = d.grid(x, 114, [LOGITS], width=PITCH)
    softmax = d.box(x, 176, "softmax", learned=False)
    p = d.grid(x, 236, [PROBABILITIES], width=PITCH)
    loss = d.box(x, 298, "cross-entropy", learned=False)
    end = d.tensor(x, 352, f"loss {LOSS}")
    d.chain(image, linear, logits, softmax, p, loss, end)
    y = d.grid(side, 298, [TARGET], width=PITCH)
    d.text(side, 328, "one-hot label y", size=SMALL)
    d.arrow(y, loss)
    d.text(x + 86, 92, "logits o", size=SMALL, align="left")
    d.text(x + 86, 236, "probabilities p", size=SMALL, align="left")
    gradient = d.grid(side, 114, [[signed(g) for g in GRADIENT]], width=PITCH)
    d.text(side, 144, "gradient p − y", size=SMALL)
    d.arrow(gradient, logits, color=QUIET, dashed=True)
    return d.figure()
