"""Attention as a soft look-up: scores, a softmax, and an average of values."""

from math import exp

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram, signed

QUERY = (1, 1, 1, 1)
KEYS = ((1, 1, 1, 1), (1, 1, 0, 0), (1, -1, 1, -1))
VALUES = (10, 20, 30)
COLUMNS = (140, 245, 350)
WIDE = 294  # a step that all three keys go through


def attention_lookup() -> Figure:
    """Draw one query that meets three keys with four features, with numbers.

    Returns:
        The figure.

    Example:
        >>> attention_lookup()
        >>> plt.show()
    """
    d = Diagram()
    scores = [sum(a * b for a, b in zip(QUERY, key)) / len(key) ** 0.5 for key in KEYS]
    total = sum(map(exp, scores))
    weights = [exp(score) / total for score in scores]
    middle = COLUMNS[1]
    score = d.box(middle, 54, r"$\mathbf{q}^\top \mathbf{k}_i \,/\, \sqrt{d}$", learned=False,
                  width=WIDE)  # fmt: skip
    softmax = d.box(middle, 156, "softmax", learned=False, width=WIDE)
    average = d.box(middle, 258, "weights × values, summed", learned=False, width=WIDE)
    for x, key, number, weight, value in zip(COLUMNS, KEYS, scores, weights, VALUES):
        features = d.tensor(x, 0, _listed(key), size=SMALL)
        d.chain(features, score, d.tensor(x, 105, signed(number), width=44), softmax)
        d.chain(softmax, d.tensor(x, 207, f"{weight:.2f}", width=44), average)
        d.arrow(d.tensor(x, 312, str(value), width=44), average)
    query = d.tensor(40, 54, _listed(QUERY), size=SMALL)
    d.arrow(query, score)
    d.text(40, 28, "query", size=SMALL, color=QUIET)
    output = d.tensor(438, 258, f"{sum(w * v for w, v in zip(weights, VALUES)):.1f}")
    d.arrow(average, output)
    d.text(438, 232, "output", size=SMALL, color=QUIET)
    for y, name in ((0, "keys"), (105, "scores"), (207, "weights"), (312, "values")):
        d.text(402, y, name, size=SMALL, color=QUIET, align="left")
    return d.figure()


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(signed(number) for number in numbers)
