"""Three ways to remember: a window, a state that is computed, a state that is never seen."""

from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, STATE, THICK, Diagram

STEPS = ("t-3", "t-2", "t-1", "t")
PLACES = (118, 220, 322, 424)  # of the steps, from the left
MARGIN = 34  # of the words on the left, their middle


def _symbol(letter: str, step: str, bold: bool = False) -> str:
    return f"$\\mathbf{{{letter}}}_{{{step}}}$" if bold else f"${letter}_{{{step}}}$"


def sequence_models() -> Figure:
    """Draw a Markov model of order 2, a latent autoregressive model and a hidden Markov model.

    Returns:
        The figure.

    Example:
        >>> sequence_models()
        >>> plt.show()
    """
    d = Diagram()
    style: dict[str, Any] = dict(width=58, height=28)

    # a window of the last two
    top = 0
    d.text(MARGIN, top + 54, "Markov,\norder 2", size=SMALL, bold=True)
    seen = [d.tensor(x, top + 76, _symbol("x", s), **style) for x, s in zip(PLACES, STEPS)]
    d.frame(PLACES[1] - 38, top + 54, PLACES[2] + 38, top + 98)
    f = d.box((PLACES[1] + PLACES[2]) / 2, top + 16, "f", width=40)
    d.arrow((f.x, top + 54), f)
    d.arrow(f, seen[3], (PLACES[3], top + 16))

    # a state that is computed from what was seen
    top = 140
    d.text(MARGIN, top + 66, "latent\nauto-\nregressive", size=SMALL, bold=True)
    cells = []
    for x, before, step in zip(PLACES[1:], STEPS, STEPS[1:]):
        cells.append(d.box(x, top + 66, "g", width=40))
        d.arrow(d.tensor(x, top + 122, _symbol("x", before), **style), cells[-1])
        d.arrow(cells[-1], d.tensor(x, top + 10, _symbol("x", step), **style))
        d.text(x + 23, top + 40, _symbol("h", step, bold=True), color=STATE)
    start = (PLACES[0] + 10, top + 66)
    d.arrow(start, cells[0], color=STATE, width=THICK)
    d.chain(*cells, color=STATE, width=THICK)
    d.text(PLACES[0] - 10, top + 66, "· · ·", color=QUIET)

    # a state that is drawn, and hidden
    top = 322
    d.text(MARGIN, top + 36, "hidden\nMarkov", size=SMALL, bold=True)
    states = []
    for x, step in zip(PLACES, STEPS):
        states.append(d.tensor(x, top + 8, _symbol("h", step), chosen=True, **style))
        d.arrow(states[-1], d.tensor(x, top + 68, _symbol("x", step), **style))
    d.chain(*states, color=STATE, width=THICK)
    return d.figure()
