"""Two language models that see the same window: an n-gram, and an MLP on embeddings."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

WINDOW = "tru"  # the context; with the character after it, an n-gram of order 4
FOLLOWS = (("s", 41), ("t", 35), ("e", 28), ("c", 24))  # how often, in the training text
ROWS = (30, 98, 158, 218, 278, 338, 398)  # heights, from the top


def language_models() -> Figure:
    """Draw how an n-gram of order 4 and an MLP with embeddings predict the next character.

    Returns:
        The figure.

    Example:
        >>> language_models()
        >>> plt.show()
    """
    d = Diagram()
    left, right, pitch = 86, 336, 92
    d.text(left, 0, "n-gram of order 4", bold=True)
    d.text(right, 0, "MLP on a window of 3", bold=True)

    # the n-gram looks the whole context up
    context = d.grid(left, ROWS[0], [list(WINDOW)])
    counts = d.grid(left, 158, [[c for c, _ in FOLLOWS], [n for _, n in FOLLOWS]], cell=32)
    smoothing = d.box(left, ROWS[5], "smoothing", learned=False)
    below = d.tensor(left, ROWS[6], "V probabilities")
    d.arrow(context, counts)
    d.text(left + 10, 86, "look up", size=SMALL, color=QUIET, align="left")
    d.text(left + 10, 214, "counts of what\nfollowed", size=SMALL, color=QUIET, align="left")
    d.chain(counts, smoothing, below)

    # the network looks each character up, and computes with what it finds
    joined = d.tensor(right, ROWS[2], "3m numbers, concatenated", width=2 * pitch + 84)
    for i, character in enumerate(WINDOW):
        x = right + (i - 1) * pitch
        one = d.grid(x, ROWS[0], [[character]])
        embedding = d.box(x, ROWS[1], "$\\mathbf{C}$", width=64)
        d.chain(one, embedding, joined)
    d.text(right - pitch / 2, ROWS[1], "=", color=QUIET)
    d.text(right + pitch / 2, ROWS[1], "=", color=QUIET)
    hidden = d.box(right, ROWS[3], "$\\mathbf{W}$, $\\mathbf{b}$, tanh", width=150)
    output = d.box(right, ROWS[4], "$\\mathbf{U}$, $\\mathbf{c}$", width=150)
    softmax = d.box(right, ROWS[5], "softmax", learned=False, width=150)
    last = d.tensor(right, ROWS[6], "V probabilities", width=150)
    d.chain(joined, hidden, output, softmax, last)
    for y, words in ((249, "h hidden units"), (309, "V logits")):
        d.text(right + 10, y - 1, words, size=SMALL, color=QUIET, align="left")
    return d.figure()
