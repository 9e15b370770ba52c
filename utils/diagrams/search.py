"""What a search writes, prefix by prefix."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import INK, LINE, QUIET, SMALL, THICK, Diagram

FIRST = {"a": 0.6, "b": 0.4}  # the probabilities of the first token
SECOND = {"a": {"<eos>": 0.28, "a": 0.24, "b": 0.24, "c": 0.24}, "b": {"<eos>": 0.9, "c": 0.1}}
PITCH, APART = 34, 16  # between the second tokens, and between their two families


def beam_tree() -> Figure:
    """Draw the two steps of a beam of 2 in which greedy search misses the best sequence.

    Each box is a prefix and its probability; those that survive their step stand out.

    Returns:
        The figure.

    Example:
        >>> beam_tree()
        >>> plt.show()
    """
    d = Diagram()
    totals = {(one, two): p * q for one, p in FIRST.items() for two, q in SECOND[one].items()}
    kept = sorted(totals, key=lambda prefix: -totals[prefix])[:2]
    places, y = {}, 0.0
    for one in FIRST:
        for two in SECOND[one]:
            places[one, two] = y
            y += PITCH
        y += APART
    middles = {
        one: sum(places[one, two] for two in SECOND[one]) / len(SECOND[one]) for one in FIRST
    }
    start = d.text(22, sum(middles.values()) / 2, "<bos>")
    d.text(130, -36, "two of two kept", size=SMALL)
    d.text(367, -36, "two of six kept", size=SMALL)
    for one, p in FIRST.items():
        parent = d.tensor(130, middles[one], f"{one}: {p}", width=72, height=26, chosen=True)
        d.line(start.right, parent.left, width=THICK)
        for two, q in SECOND[one].items():
            total = f"{one} {two}: {p} · {q} = {totals[one, two]:.2f}"
            alive = (one, two) in kept
            child = d.tensor(367, places[one, two], total, width=206, height=26, chosen=alive)
            color, width = (INK, THICK) if alive else (QUIET, LINE)
            d.line(parent.right, child.left, color=color, width=width)
    return d.figure()
