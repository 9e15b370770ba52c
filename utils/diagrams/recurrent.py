"""A plain chain and its gradients, the LSTM's cell and its chain, and the encoder–decoder."""

from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, STATE, THICK, Diagram

WIDE: dict[str, Any] = dict(color=STATE, width=THICK)  # the line of a state


def _bold(letter: str, index: str) -> str:
    return f"$\\mathbf{{{letter}}}_{{{index}}}$"


def truncated_chain() -> Figure:
    """Draw a recurrent network unrolled over two windows, and how far the gradients go back.

    The state (purple) goes on from window to window; gradients (broken) stop where it is detached.

    Returns:
        The figure.

    Example:
        >>> truncated_chain()
        >>> plt.show()
    """
    d = Diagram()
    loss, output, cell, entry, half = 0, 44, 108, 172, 19  # heights, from the top; half a cell
    places = (80, 146, 212, 316, 382, 448)
    d.frame(52, -18, 240, 196)
    d.frame(288, -18, 476, 196)
    steps = []
    for t, x in enumerate(places, start=1):
        steps.append(d.box(x, cell, "RNN", width=2 * half, height=46, size=SMALL))
        d.arrow(d.text(x, entry, _bold("x", str(t))), steps[-1])
        head = d.box(x, output, "Linear", width=50, height=26, size=SMALL)
        d.arrow(steps[-1], head)
        d.arrow(head, d.text(x, loss, f"$L_{{{t}}}$"))
    first = d.text(18, cell - 9, _bold("h", "0"))
    for before, after in pairwise((first, *steps)):
        d.line((before.right[0], cell - 9), (after.left[0], cell - 9), **WIDE)
        if before is not first and before is not steps[2]:  # where the state is detached
            d.line(
                (after.left[0], cell + 10), (before.right[0], cell + 10), color=SKIP, dashed=True
            )
    d.text(264, cell - 30, _bold("h", "3"))
    d.text(264, cell + 24, "detach", size=SMALL)
    d.text(146, 210, "window 1", size=SMALL, color=QUIET)
    d.text(382, 210, "window 2", size=SMALL, color=QUIET)
    return d.figure()


def lstm_cell() -> Figure:
    """Draw one step of an LSTM, its gates in the order in which `torch.nn.LSTM` stacks them.

    The cell state runs along the top; i, f, g and o each see the input and the hidden state.

    Returns:
        The figure.

    Example:
        >>> lstm_cell()
        >>> plt.show()
    """
    d = Diagram()
    cell, inner, gates, hidden, entry = 44, 108, 206, 266, 326  # heights, from the top
    i, f, g, o, out = 108, 184, 260, 330, 402  # places, from the left
    d.frame(60, 12, 432, 292)

    forget, plus = d.times(f, cell), d.add(g, cell)
    write, show = d.times(g, inner), d.times(out, 156)
    squash = d.box(out, 100, "tanh", learned=False)
    boxes = {}
    for x, name, label in ((i, "i", "σ"), (f, "f", "σ"), (g, "g", "tanh"), (o, "o", "σ")):
        boxes[name] = d.box(x, gates, label, width=54)
        if name != "o":  # where the line ends in an arrow of its own
            d.dot(x, hidden)
            d.arrow((x, hidden), boxes[name])
        d.text(x + 10, gates - 28, name, align="left", bold=True)

    # the cell state, along the top
    before = d.text(28, cell, _bold("c", "t-1"))
    after = d.text(464, cell, _bold("c", "t"))
    d.arrow(before, forget, **WIDE)
    d.arrow(forget, plus, **WIDE)
    d.arrow(plus, after, **WIDE)
    d.dot(out, cell, color=STATE, radius=3.6)
    d.arrow((out, cell), squash)
    d.arrow(squash, show)

    # the gates
    d.arrow(boxes["f"], forget)
    d.arrow(boxes["i"], write, (i, inner), over=True)
    d.arrow(boxes["g"], write)
    d.arrow(write, plus)
    d.arrow(boxes["o"], show, (o, 156))

    # the hidden state, along the bottom
    past = d.text(28, hidden, _bold("h", "t-1"))
    d.line(past.right, (84, hidden), color=STATE, width=THICK, head=False)
    d.arrow((84, hidden), boxes["o"], (o, hidden))
    new = d.text(464, hidden, _bold("h", "t"))
    d.arrow(show, new, (out, hidden), **WIDE)
    given = d.text(84, entry, _bold("x", "t"))
    d.line(given.top, (84, hidden), head=False)
    d.dot(84, hidden)
    return d.figure()


def lstm_unrolled() -> Figure:
    """Draw an LSTM as a loop, and the same loop unrolled over the steps of a sequence.

    Returns:
        The figure.

    Example:
        >>> lstm_unrolled()
        >>> plt.show()
    """
    d = Diagram()
    top, middle, bottom = 0, 84, 168
    folded = d.box(43, middle, "LSTM", width=58, height=64)
    d.loop(folded, above=16, out=12)
    d.arrow(d.text(43, bottom, _bold("x", "t")), folded)
    d.arrow(folded, d.text(43, top, _bold("h", "t")), over=True)
    d.text(104, middle, "=", size=22)

    steps = []
    for x, name in ((202, "1"), (306, "2"), (436, "T")):
        steps.append(d.box(x, middle, "LSTM", width=58, height=64))
        d.arrow(d.text(x, bottom, _bold("x", name)), steps[-1])
        d.arrow(steps[-1], d.text(x, top, _bold("h", name)))
    dots = d.text(371, middle, "· · ·", bold=True)
    for letter, side in (("c", -1), ("h", 1)):
        y = middle + 16 * side
        d.arrow(d.text(140, y, _bold(letter, "0")), (steps[0].left[0], y), **WIDE)
        d.arrow((steps[0].right[0], y), (steps[1].left[0], y), **WIDE)
        d.line((steps[1].right[0], y), (dots.left[0] - 2, y), head=False, **WIDE)
        d.arrow((dots.right[0] + 2, y), (steps[2].left[0], y), **WIDE)
        d.text(254, y + 16 * side, _bold(letter, "1"))
    return d.figure()


def encoder_decoder() -> Figure:
    """Draw a translation: the encoder reads, hands over its last state, and the decoder writes.

    Inputs are below, outputs above. In training the decoder's inputs are the true words, shifted by
    one step; in use they are the words it has just written.

    Returns:
        The figure.

    Example:
        >>> encoder_decoder()
        >>> plt.show()
    """
    d = Diagram()
    pitch, handover = 75, 22
    words, embed, cell, head, out = 236, 186, 130, 66, 8
    source, target = ("two", "hundred", "<eos>"), ("<bos>", "deux", "cents")
    written = ("deux", "cents", "<eos>")

    cells = []
    for i, word in enumerate((*source, *target)):
        x = pitch * i + (handover if i > 2 else 0)
        embedding = d.box(x, embed, "embed", width=64)
        cells.append(d.box(x, cell, "GRU", width=52, height=40))
        d.chain(d.text(x, words, word), embedding, cells[-1])
        if i > 2:
            linear = d.box(x, head, "Linear", width=64)
            d.chain(cells[-1], linear, d.text(x, out, written[i - 3]))
    d.chain(*cells, **WIDE)
    d.text((cells[2].x + cells[3].x) / 2, cell - 18, "state", size=SMALL, color=STATE)
    d.text(cells[1].x, words + 32, "encoder", bold=True)
    d.text(cells[4].x, words + 32, "decoder", bold=True)
    return d.figure()
