"""Augmentation: what is changed at random in training, and what never is."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram


def augmented_training() -> Figure:
    """Draw an image that is changed anew in each epoch, its label that stays, and a test image.

    Returns:
        The figure.

    Example:
        >>> augmented_training()
        >>> plt.show()
    """
    d = Diagram()
    label, left, right = 40, 170, 370
    y = d.tensor(label, 0, "$y$")
    x = d.tensor(left, 0, "$\\mathbf{x}$")
    change = d.box(left, 66, "change $T$", learned=False)
    changed = d.tensor(left, 132, "$T\\mathbf{x}$")
    network = d.box(left, 198, "network")
    loss = d.tensor(left, 264, "loss")
    d.chain(x, change, changed, network, loss)
    d.arrow(y, loss, (label, loss.y))
    d.text(label + 6, 132, "stays", size=SMALL, color=SKIP, align="left")
    d.text(left + 58, 66, "drawn anew\neach time", size=SMALL, color=QUIET, align="left")
    test = d.tensor(right, 0, "test image")
    same = d.box(right, 198, "network")
    answer = d.tensor(right, 264, "prediction")
    d.chain(test, same, answer)
    d.text(right + 10, 132, "no change", size=SMALL, color=QUIET, align="left")
    d.text(left, -36, "training", bold=True)
    d.text(right, -36, "testing", bold=True)
    return d.figure()
