"""A vision transformer: an image cut into patches, read as a sequence."""

from typing import Any

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

SIDE = 4  # patches along each side of the image
CELL = 22  # the side of a patch


def vision_transformer() -> Figure:
    """Draw how an image of 16 patches becomes 17 rows, and a row becomes the logits.

    Returns:
        The figure.

    Example:
        >>> vision_transformer()
        >>> plt.show()
    """
    d = Diagram()
    image, cut, linear, row, total, encoder, out = 0, 98, 152, 206, 262, 318, 374
    head, logits = 426, 478
    columns = (40, 140, 208, 276, 408)
    middle, width = (columns[0] + columns[-1]) / 2, columns[-1] - columns[0] + 56
    size: dict[str, Any] = dict(width=50, size=SMALL)

    numbers = [[SIDE * r + c + 1 for c in range(SIDE)] for r in range(SIDE)]
    picture = d.grid(middle, image, numbers, cell=CELL, width=CELL + 6)
    d.text(middle + 72, image, "image of 28×28", size=SMALL, color=QUIET, align="left")
    labels = ("1", "2", "3", "16")
    cells = [d.tensor(x, cut, label, width=34) for x, label in zip(columns[1:], labels)]
    d.text(342, cut, "…")
    d.text(28, cut, "49 pixels\neach", size=SMALL, color=QUIET)
    d.arrow(picture.bottom, (picture.x, cut - 26), head=False)
    d.line((columns[1], cut - 26), (columns[-1], cut - 26), head=False)
    for cell in cells:
        d.arrow((cell.x, cut - 26), cell.top)
    embed = d.box((columns[1] + columns[-1]) / 2, linear, "Linear, the same for each",
                  width=columns[-1] - columns[1] + 56)  # fmt: skip
    stack = d.box(middle, encoder, "Transformer encoder", width=width)
    token = d.box(columns[0], row, "class", **size)
    for i, x in enumerate(columns):
        if i:
            entry = d.tensor(x, row, f"$\\mathbf{{x}}_{{{labels[i - 1]}}}\\mathbf{{E}}$", width=56)
            d.chain(cells[i - 1], embed, entry)
        else:
            entry = token
        both = d.add(x, total, small=True)
        place = "0" if i == 0 else labels[i - 1]
        d.chain(entry, both, stack)
        d.arrow(d.text(x + 32, total, f"$\\mathbf{{p}}_{{{place}}}$"), both)
    result = d.tensor(columns[0], out, "$\\mathbf{z}_0$", width=44)
    d.chain(stack, result)
    answer = d.text(columns[0], logits, "10 logits")
    d.chain(result, d.box(columns[0], head, "Linear", width=70), answer)
    for x in columns[1:]:
        d.chain(stack, d.tensor(x, out, "", width=34, height=18))
    d.text(274, out + 26, "not used", size=SMALL, color=QUIET)
    return d.figure()
