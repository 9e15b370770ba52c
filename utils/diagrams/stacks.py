"""The Transformer of translation: a stack of encoder blocks beside a stack of decoder blocks."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import SMALL, Diagram


def transformer() -> Figure:
    """Draw the whole Transformer: what the encoder reads goes to every block of the decoder.

    Skip connections and norms are left out: `transformer_block` has them.

    Returns:
        The figure.

    Example:
        >>> transformer()
        >>> plt.show()
    """
    d = Diagram()
    left, right, wide = 92, 340, 164
    cross = 228  # the height at which the memory is handed over

    d.text(left, 0, "encoder", bold=True)
    d.text(right, 0, "decoder", bold=True)
    source = d.tensor(left, 34, "source: m tokens", width=wide)
    target = d.tensor(right, 34, "target: n tokens", width=wide)
    both = []
    for x, tokens in ((left, source), (right, target)):
        embed = d.box(x, 84, "embed + positions", width=wide)
        d.arrow(tokens, embed)
        both.append(embed)

    d.frame(left - 90, 112, left + 90, 196)
    attend = d.box(left, 132, "self-attention", width=wide - 8, height=26)
    feed = d.box(left, 172, "position-wise net", width=wide - 8, height=26)
    d.chain(both[0], attend, feed)
    d.text(left + 95, 154, "× N", size=SMALL, align="left")
    memory = d.tensor(left, cross, "memory: m × d", width=wide)
    d.arrow(feed, memory)

    d.frame(right - 90, 112, right + 90, 292)
    own = d.box(right, 148, "causal self-attention", width=wide - 8, height=26)
    given = d.box(right, cross, "cross-attention", width=wide - 8, height=26)
    work = d.box(right, 272, "position-wise net", width=wide - 8, height=26)
    d.chain(both[1], own, given, work)
    d.text(right + 95, 202, "× N", size=SMALL, align="left")
    d.arrow(memory, given)

    linear = d.box(right, 326, "Linear", width=wide)
    logits = d.tensor(right, 378, "n × vocabulary logits", width=wide)
    d.chain(work, linear, logits)
    return d.figure()
