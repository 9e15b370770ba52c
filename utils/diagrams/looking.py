"""A decoder that looks back at what the encoder has read: attention inside a translator."""

from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, STATE, THICK, Diagram

WIDE: dict[str, Any] = dict(color=STATE, width=THICK)  # the line of a state
WORDS = ("a", "white", "house")
WEIGHTS = (0.1, 0.8, 0.1)


def looking_back() -> Figure:
    """Draw one step of a decoder with attention whose query is its state before the step.

    Returns:
        The figure.

    Example:
        >>> looking_back()
        >>> plt.show()
    """
    d = Diagram()
    out, head, cell, joint, average = 0, 46, 108, 168, 216  # heights, from the top
    weights, score, states, encoder, words = 262, 312, 366, 422, 474
    columns, right = (92, 182, 272), 396
    wide = columns[2] - columns[0] + 62
    middle = columns[1]
    size: dict[str, Any] = dict(width=68, height=26, size=SMALL)

    # what was read
    scores = d.box(middle, score, "scores, softmax", width=wide)
    mean = d.box(middle, average, "weights × states, summed", learned=False, width=wide)
    steps = []
    for i, (x, word, weight) in enumerate(zip(columns, WORDS, WEIGHTS), start=1):
        steps.append(d.box(x, encoder, "GRU", width=54))
        kept = d.tensor(x, states, f"$\\mathbf{{e}}_{i}$", width=44)
        d.chain(d.text(x, words, word), steps[-1], kept, scores)
        d.chain(scores, d.tensor(x, weights, f"{weight:.1f}", width=44), mean)
    d.chain(*steps, **WIDE)

    # the step of the decoder
    gru = d.box(right, cell, "GRU", width=80)
    both = d.box(right, joint, "concatenate", learned=False, width=112)
    d.arrow(both, gru)
    embed = d.box(right + 28, score, "embed", **size)
    d.arrow(d.text(right + 28, states, "maison"), embed)
    d.arrow(embed.top, (right + 28, both.bottom[1]))
    context = d.tensor(right - 28, average, "$\\mathbf{c}_t$", width=40)
    d.arrow(mean, context)
    fork = (mean.right[0] + 20, average)
    d.dot(*fork)
    d.arrow(context.top, (right - 28, both.bottom[1]))
    linear = d.box(right, head, "Linear", **size)
    d.chain(gru, linear, d.text(right, out, "blanche"))

    # its state, which also asks
    before = d.text(26, cell, "$\\mathbf{d}_{t-1}$")
    d.arrow(before, gru, **WIDE)
    d.arrow(gru, d.text(466, cell, "$\\mathbf{d}_t$"), **WIDE)
    d.arrow((26, cell + 14), scores, (26, score), **WIDE)
    d.arrow(fork, linear, (fork[0], head), over=True)

    d.text(32, average - 40, "query", size=SMALL, color=STATE, align="left")
    d.text(middle, words + 24, "encoder", size=SMALL, color=QUIET)
    d.text(right, states + 26, "written last", size=SMALL, color=QUIET)
    d.text(middle, cell - 18, "state", size=SMALL, color=STATE)
    return d.figure()
