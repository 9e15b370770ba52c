"""Numbers of finite precision, and the chain of layers that pushes them out of range."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram

FORMATS = (
    ("float32", 8, 23, "largest 3.4·10³⁸, smallest normal 1.2·10⁻³⁸", "after 1 comes 1 + 2⁻²³"),
    ("bfloat16", 8, 7, "largest 3.4·10³⁸, smallest normal 1.2·10⁻³⁸", "after 1 comes 1 + 2⁻⁷"),
    ("float16", 5, 10, "largest 65,504, smallest normal 6.1·10⁻⁵", "after 1 comes 1 + 2⁻¹⁰"),
)
BIT, ROW = 14, 104  # the width of a bit; from a format to the next
STEP, ABOVE, BELOW = 114, 34, 116  # from a layer to the next; rows of the passes
LAYERS = 3


def float_formats() -> Figure:
    """Draw the bits of float32, bfloat16 and float16, with their range and spacing.

    Returns:
        The figure.

    Example:
        >>> float_formats()
        >>> plt.show()
    """
    d = Diagram()
    for i, (name, exponent, fraction, span, spacing) in enumerate(FORMATS):
        top = ROW * i
        d.text(0, top, name, bold=True, align="left")
        left = 0.0
        for label, bits, part in (("±", 1, 0), ("exp.", exponent, 1), ("fraction", fraction, 2)):
            width = BIT * bits
            words = f"{label} {bits}" if part else label
            if part == 1:
                d.box(left + width / 2, top + 28, words, learned=False, width=width, height=28,
                      size=SMALL)  # fmt: skip
            else:
                d.tensor(left + width / 2, top + 28, words, width=width, height=28, size=SMALL)
            left += width
        d.text(0, top + 57, f"{span}; {spacing}", size=SMALL, align="left", color=QUIET)
    return d.figure()


def jacobian_chain() -> Figure:
    """Draw three layers, forward to the loss, and the gradient that goes back through them.

    On the way back every layer multiplies by the transpose of its Jacobian; in the example each
    halves the gradient.

    Returns:
        The figure.

    Example:
        >>> jacobian_chain()
        >>> plt.show()
    """
    d = Diagram()
    start = 18.0
    before = d.tensor(start, ABOVE, "$\\mathbf{h}_0$", width=38, height=34)
    places = [before]
    for layer in range(1, LAYERS + 1):
        x = start + STEP * layer
        box = d.box(x - STEP / 2, ABOVE, f"$\\phi(\\mathbf{{W}}_{layer}\\cdot)$", width=60,
                    height=34, size=SMALL)  # fmt: skip
        after = d.tensor(x, ABOVE, f"$\\mathbf{{h}}_{layer}$", width=38, height=34)
        d.chain(before, box, after)
        places.append(after)
        before = after
    loss = d.box(start + STEP * LAYERS + 70, ABOVE, "loss", learned=False, width=48, height=34)
    d.arrow(before, loss)
    last = None
    for place, scale in zip(reversed(places), ("1", "½", "¼", "⅛")):
        number = d.text(place.x, BELOW, scale)
        if last is None:
            d.line((loss.x, loss.bottom[1]), (loss.x, BELOW), number.right, color=SKIP, dashed=True)
        else:
            d.line(last.left, number.right, color=SKIP, dashed=True)
        last = number
    for layer in range(1, LAYERS + 1):
        x = start + STEP * (layer - 0.5)
        d.text(x, BELOW - 20, f"$\\mathbf{{J}}_{layer}^\\top$", color=SKIP)
    d.text(
        0, BELOW + 32, "solid: the signal; dashed: a gradient that each layer halves",
        size=SMALL, align="left", color=QUIET,
    )  # fmt: skip
    return d.figure()
