"""Attention as a soft look-up: scores, a softmax, and an average of values."""

from collections.abc import Sequence
from math import exp

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

QUERY = (1, 1, 1, 1)
KEYS = ((1, 1, 1, 1), (1, 1, 0, 0), (1, -1, 1, -1))
VALUES = (10, 20, 30)
COLUMNS = (140, 245, 350)
WIDE = 294  # a step that all three keys go through

POOLED = (30, (30, 26, 38), 4, (200, 120, 280))  # of kernel_pooling: query, keys, width, values


def attention_lookup() -> Figure:
    """Draw one query that meets three keys with four features, with numbers.

    Returns:
        The figure.

    Example:
        >>> attention_lookup()
        >>> plt.show()
    """
    scores = [sum(a * b for a, b in zip(QUERY, key)) / len(key) ** 0.5 for key in KEYS]
    rule = r"$\mathbf{q}^\top \mathbf{k}_i \,/\, \sqrt{d}$"
    return _looked_up(_listed(QUERY), [_listed(key) for key in KEYS], rule, scores, VALUES)


def kernel_pooling() -> Figure:
    """Draw one query that meets three keys, numbers all of them, through a Gaussian kernel.

    Returns:
        The figure.

    Example:
        >>> kernel_pooling()
        >>> plt.show()
    """
    query, keys, width, values = POOLED
    scores = [0 - ((query - key) / width) ** 2 / 2 for key in keys]
    rule = rf"$-(q - k_i)^2 \,/\, 2\sigma^2$   with   $\sigma = {width}$"
    return _looked_up(str(query), [str(key) for key in keys], rule, scores, values)


def _looked_up(
    query: str, keys: Sequence[str], rule: str, scores: Sequence[float], values: Sequence[float]
) -> Figure:
    """Keys, their scores by a rule, the softmax's weights, and the average of the values."""
    d = Diagram()
    total = sum(map(exp, scores))
    weights = [exp(score) / total for score in scores]
    middle = COLUMNS[1]
    score = d.box(middle, 54, rule, learned=False, width=WIDE)
    softmax = d.box(middle, 156, "softmax", learned=False, width=WIDE)
    average = d.box(middle, 258, "weights × values, summed", learned=False, width=WIDE)
    for x, key, number, weight, value in zip(COLUMNS, keys, scores, weights, values):
        features = d.tensor(x, 0, key, size=SMALL)
        d.chain(features, score, d.tensor(x, 105, signed(number), width=44), softmax)
        d.chain(softmax, d.tensor(x, 207, f"{weight:.2f}", width=44), average)
        d.arrow(d.tensor(x, 312, str(value), width=44), average)
    asked = d.tensor(40, 54, query, size=SMALL)
    d.arrow(asked, score)
    d.text(40, 28, "query", size=SMALL, color=QUIET)
    output = d.tensor(438, 258, f"{sum(w * v for w, v in zip(weights, values)):.1f}")
    d.arrow(average, output)
    d.text(438, 232, "output", size=SMALL, color=QUIET)
    for y, name in ((0, "keys"), (105, "scores"), (207, "weights"), (312, "values")):
        d.text(402, y, name, size=SMALL, color=QUIET, align="left")
    return d.figure()


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(signed(number) for number in numbers)
