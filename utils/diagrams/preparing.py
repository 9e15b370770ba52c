"""Preparing data: what is fitted on which rows."""

from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram


def split_fit_transform() -> Figure:
    """Draw the split, the fit on the training part, both transforms, and where leaks enter.

    Returns:
        The figure.

    Example:
        >>> split_fit_transform()
        >>> plt.show()
    """
    d = Diagram()
    left, right, middle = 110, 330, 220
    rows = d.tensor(middle, 0, "all rows")
    split = d.box(middle, 54, "split", learned=False)
    train = d.tensor(left, 118, "training part")
    test = d.tensor(right, 118, "test part")
    fit = d.box(left, 182, "fit the preparation")
    near = d.box(left, 252, "transform", learned=False)
    far = d.box(right, 252, "transform", learned=False)
    model = d.box(left, 316, "fit the model")
    predict = d.box(right, 316, "predict", learned=False)
    score = d.tensor(right, 372, "score")
    d.chain(rows, split)
    d.arrow((split.x - 20, split.y), train, (left, split.y))
    d.arrow((split.x + 20, split.y), test, (right, split.y))
    d.chain(train, fit, near, model)
    d.chain(test, far, predict, score)
    d.line((left, 217), (right - 30, 217), (right - 30, far.top[1]))
    d.arrow(model, predict)
    d.text(middle, 205, "mean, scale, axes", size=SMALL, color=QUIET)
    leak: dict[str, Any] = dict(color=SKIP, dashed=True)
    d.arrow(rows, fit, (0, 0), (0, fit.y), **leak)
    d.text(8, 68, "1", color=SKIP, bold=True, align="left")
    d.arrow(test, train, **leak)
    d.text(middle, 104, "2", color=SKIP, bold=True)
    d.arrow(score, model, (left, score.y), **leak)
    d.text(middle, 358, "3", color=SKIP, bold=True)
    return d.figure()
