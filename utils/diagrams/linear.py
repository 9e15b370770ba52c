"""Linear models."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

LOGITS, TARGET = (0.3, 2.9, 4.0), (0, 1, 0)
PROBABILITIES, GRADIENT, LOSS = (0.02, 0.25, 0.74), (0.02, -0.75, 0.74), 1.41
PITCH = 52  # from cell to cell

# regression: a row of features, the weights, the bias, the target
FEATURES, WEIGHTS, BIAS, NUMBER = (2, -1), (0.5, 1), 3, 1
PREDICTION, SQUARE = 3, 4
TWICE, PULLS = 4, (8, -4, 4)  # the residual, twice; the gradient for the weights and the bias


def linear_regression() -> Figure:
    """Draw linear regression with two features: forwards to the loss, and its gradient back.

    Returns:
        The figure.

    Example:
        >>> linear_regression()
        >>> plt.show()
    """
    d = Diagram()
    x, side = 96, 340
    features = d.grid(x, 0, [[signed(value) for value in FEATURES]], width=PITCH)
    weights = ", ".join(signed(weight) for weight in WEIGHTS)
    linear = d.box(x, 58, f"w = ({weights}), b = {BIAS}")
    prediction = d.tensor(x, 122, f"{PREDICTION}")
    loss = d.box(x, 186, "squared error", learned=False)
    end = d.tensor(x, 240, f"loss {SQUARE}")
    d.chain(features, linear, prediction, loss, end)
    d.text(x - 62, 0, "x", size=SMALL, align="right")
    d.text(x - 24, 122, "ŷ", size=SMALL, align="right")
    y = d.tensor(side, 186, f"{NUMBER}")
    d.text(side, 214, "target y", size=SMALL)
    d.arrow(y, loss)
    residual = d.tensor(side, 122, f"{TWICE}")
    d.text(side, 150, "2 (ŷ − y)", size=SMALL)
    d.arrow(residual, prediction, color=QUIET, dashed=True)
    gradient = d.grid(side, 58, [[signed(value) for value in PULLS]], width=PITCH)
    d.text(side, 30, "gradient for w and b", size=SMALL)
    d.arrow(gradient, linear, color=QUIET, dashed=True)
    return d.figure()


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
