"""A plain network unrolled and its gradients, the cells of GRU and LSTM, an encoder–decoder."""

from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, STATE, THICK, Diagram, Node

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


def gru_cell() -> Figure:
    """Draw one step of a GRU, its gates in the order in which `torch.nn.GRU` stacks them.

    The state runs along the top, as in `lstm_cell`; r and z each see the input and the state, and
    the candidate n sees the state only through the reset gate.

    Returns:
        The figure.

    Example:
        >>> gru_cell()
        >>> plt.show()
    """
    d = Diagram()
    state, mix, inner, gates, hidden, given, entry = 44, 100, 152, 216, 272, 304, 350
    r, z, u, n = 128, 206, 290, 386  # places, from the left
    d.frame(60, 12, 436, 326)

    keep, plus = d.times(z, state), d.add(n, state)
    look, write = d.times(u, inner), d.times(n, mix)
    other = d.box(u, mix, "1 −", learned=False, width=44)
    boxes = {"r": d.box(r, gates, "σ", width=54), "z": d.box(z, gates, "σ", width=54)}
    linear = d.box(u, gates, "Linear", width=60)
    candidate = d.box(n, inner, "tanh", width=60)
    d.text(r + 10, gates - 28, "r", align="left", bold=True)
    d.text(z + 10, gates - 28, "z", align="left", bold=True)
    d.text(n + 10, inner - 28, "n", align="left", bold=True)

    # the state, along the top, and down to the gates
    before = d.text(28, state, _bold("h", "t-1"))
    d.arrow(before, keep, **WIDE)
    d.arrow(keep, plus, **WIDE)
    d.arrow(plus, d.text(468, state, _bold("h", "t")), **WIDE)
    d.dot(84, state, color=STATE, radius=3.6)
    d.arrow((84, state), linear, (84, hidden), (u, hidden), color=STATE, width=THICK)

    # the input, along the bottom
    x = d.text(106, entry, _bold("x", "t"))
    d.line(x.top, (106, given), (n, given), candidate.bottom)
    for name, place in (("r", r), ("z", z)):
        d.dot(place - 12, hidden, color=STATE, radius=3.6)
        d.line((place - 12, hidden), (place - 12, boxes[name].bottom[1]), color=STATE, width=THICK)
        d.dot(place + 12, given)
        d.line((place + 12, given - 3), (place + 12, boxes[name].bottom[1]), over=True)

    # what the gates do
    d.line(boxes["z"].top, keep.bottom)
    d.arrow((z, mix), other)
    d.dot(z, mix)
    d.arrow(boxes["r"], look, (r, inner), over=True)
    d.arrow(linear, look)
    d.arrow(look, candidate)
    d.arrow(candidate, write)
    d.arrow(other, write)
    d.arrow(write, plus)
    return d.figure()


def rnn_unrolled() -> Figure:
    """Draw a recurrent language model as a loop, and the same loop unrolled over a sequence.

    Returns:
        The figure.

    Example:
        >>> rnn_unrolled()
        >>> plt.show()
    """
    d = Diagram()
    logits, head, cell, entry = 0, 46, 114, 190  # heights, from the top

    def step(x: float, index: str) -> Node:
        rnn = d.box(x, cell, "tanh", width=50, height=38)
        linear = d.box(x, head, "Linear", width=54, height=26, size=SMALL)
        d.chain(
            d.text(x, entry, _bold("x", index)), rnn, linear, d.text(x, logits, _bold("o", index))
        )
        d.text(x + 8, cell + 48, "$\\mathbf{W}_x$", align="left", size=SMALL, color=QUIET)
        return rnn

    folded = step(34, "t")
    d.loop(folded, above=15, out=15)
    d.arrow(folded, (34, head + 13), over=True)  # cuts the loop
    d.text(80, cell - 6, _bold("W", "h"), align="left", size=SMALL, color=STATE)
    d.text(126, cell, "=", size=22)

    steps = [step(x, index) for x, index in ((208, "1"), (302, "2"), (430, "T"))]
    dots = d.text(366, cell, "· · ·", bold=True)
    d.chain(d.text(154, cell, _bold("h", "0")), *steps[:2], **WIDE)
    d.line(steps[1].right, (dots.left[0] - 2, cell), head=False, **WIDE)
    d.arrow((dots.right[0] + 2, cell), steps[2], **WIDE)
    for x, index in ((255, "1"), (339, "2")):
        d.text(x, cell - 14, _bold("h", index), size=SMALL)
        d.text(x, cell + 14, _bold("W", "h"), size=SMALL, color=STATE)
    return d.figure()


def deep_and_bidirectional() -> Figure:
    """Draw a stack of two recurrent layers, and beside it a layer that reads in both directions.

    Returns:
        The figure.

    Example:
        >>> deep_and_bidirectional()
        >>> plt.show()
    """
    d = Diagram()
    pitch, output, upper, lower, entry = 69, 0, 64, 132, 200  # heights, from the top

    d.text(pitch, -36, "a stack of two layers", bold=True)
    size: dict[str, Any] = dict(height=36, size=SMALL)
    rows = [
        [d.box(pitch * t, y, f"layer {layer}", width=56, **size) for t in range(3)]
        for y, layer in ((upper, 2), (lower, 1))
    ]
    for t, column in enumerate(zip(*rows), start=1):
        d.text(column[0].x, output - 4, f"$\\mathbf{{h}}^{{(2)}}_{{{t}}}$")
        d.chain(d.text(column[0].x, entry, _bold("x", str(t))), *column[::-1])
        d.arrow(column[0], (column[0].x, output + 15))  # clear of the index below
    for row in rows:
        d.chain(*row, **WIDE)

    places = [240 + 78 * t for t in range(3)]
    d.text(places[1], -36, "a bidirectional layer", bold=True)
    there = [d.box(x - 15, lower, "→", width=34, **size) for x in places]
    back = [d.box(x + 15, upper, "←", width=34, **size) for x in places]
    d.chain(*there, **WIDE)
    d.chain(*back[::-1], **WIDE)
    for t, (x, f, b) in enumerate(zip(places, there, back), start=1):
        joined = d.tensor(x, output, _bold("h", str(t)), width=56)
        d.arrow(f, (f.x, joined.bottom[1]), over=True)
        d.arrow(b, (b.x, joined.bottom[1]))
        fork = (x, entry - 24)
        d.line(fork, (b.x, fork[1]), b.bottom, over=True)
        d.arrow(fork, f, (f.x, fork[1]))
        d.line(d.text(x, entry, _bold("x", str(t))).top, fork, head=False)
        d.dot(*fork)
    return d.figure()


def encoder_decoder() -> Figure:
    """Draw a translation: the encoder reads and hands over its last state, the decoder writes.

    The decoder is drawn twice. In training its inputs are the true words, one step late; in use
    they are the words that it has just written.

    Returns:
        The figure.

    Example:
        >>> encoder_decoder()
        >>> plt.show()
    """
    d = Diagram()
    pitch, handover, middle, lower = 74, 26, 224, 250
    out, head, cell, embed, words = 0, 42, 98, 150, 190  # heights in the upper decoder
    size: dict[str, Any] = dict(width=62, height=26, size=SMALL)

    def unit(x: float, above: float, word: str) -> Node:
        gru = d.box(x, above + cell, "GRU", width=50, height=38)
        entry = d.box(x, above + embed, "embed", **size)
        d.chain(d.text(x, above + words, word), entry, gru)
        return gru

    encoder = [
        unit(pitch * i, middle - cell, word) for i, word in enumerate(("two", "hundred", "<eos>"))
    ]
    d.chain(*encoder, **WIDE)
    d.text(pitch, middle - 44, "encoder", bold=True)
    written = ("deux", "cents", "<eos>")
    fork = (encoder[-1].right[0] + 24, middle)
    d.line(encoder[-1].right, fork, head=False, **WIDE)
    d.text(fork[0] + 22, middle, "state", size=SMALL, color=STATE)
    for above, title in ((0, "decoder in training"), (lower, "decoder in use")):
        places = [pitch * i + handover for i in (3, 4, 5)]
        cells = [unit(x, above, w) for x, w in zip(places, ("<bos>", *written))]
        d.line(fork, (fork[0], above + cell), cells[0].left, **WIDE)
        d.chain(*cells, **WIDE)
        for i, x in enumerate(places):
            linear = d.box(x, above + head, "Linear", **size)
            word = d.text(x, above + out, written[i])
            d.chain(cells[i], linear, word)
            if above and i < 2:  # back in, at the next step
                gap, low = x + pitch / 2, above + words
                ends = (word.right[0] + 2, above + out), (places[i + 1] - 25, low)
                corners = (gap, above + out), (gap, low)
                d.line(ends[0], *corners, ends[1], color=QUIET)
        d.text(places[1], above - 26, title, bold=True)
    d.dot(*fork, color=STATE)
    return d.figure()
