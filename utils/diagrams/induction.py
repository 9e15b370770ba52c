"""Two attention layers that look a value up: an induction head."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import LINE, QUIET, SMALL, THICK, Diagram

TOKENS = ("k3", "v5", "k1", "v2", "k3")
FOUND = 1  # whose predecessor is the last token
LEFT, PITCH, HIGH = 108, 82, 108


def induction_head() -> Figure:
    """Draw how two blocks find the value that followed a key earlier in the sequence.

    Returns:
        The figure.

    Example:
        >>> induction_head()
        >>> plt.show()
    """
    d = Diagram()
    places = [LEFT + PITCH * i for i in range(len(TOKENS))]
    last = len(TOKENS) - 1
    tokens = [d.tensor(x, 2 * HIGH, token, width=40) for x, token in zip(places, TOKENS)]
    rows = [d.tensor(places[0], HIGH, TOKENS[0], width=64, height=44)]
    for i in range(1, len(TOKENS)):
        label = f"{TOKENS[i]}\nafter {TOKENS[i - 1]}"
        rows.append(d.tensor(places[i], HIGH, label, width=64, height=44, chosen=i == FOUND))
    answer = d.tensor(places[last], 0, TOKENS[FOUND], width=40, chosen=True)
    for before, row in zip(tokens, rows[1:]):
        thick = THICK if row is rows[FOUND] else LINE
        d.line(before.top, (row.x - 16, row.bottom[1]), width=thick)
    d.line(rows[FOUND].top, answer.left, width=THICK)
    d.line(rows[last].top, answer.bottom)
    d.text(0, 1.5 * HIGH, "block 1:\none back", size=SMALL, color=QUIET, align="left")
    d.text(0, 0.5 * HIGH, "block 2:\nafter my key", size=SMALL, color=QUIET, align="left")
    return d.figure()
