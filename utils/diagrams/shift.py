"""Distribution shift: which of two factors changes."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import INK, QUIET, SKIP, SMALL, Diagram

# a row: name, what is drawn first and what follows from it, what changes, and the page's example
SHIFTS = (
    ("covariate shift", ("x", "y"), "first", "evening: darker images"),
    ("label shift", ("y", "x"), "first", "winter: more coats"),
    ("concept shift", ("x", "y"), "arrow", "shirts are filed as tops"),
)
ROW, LEFT, RIGHT = 92, 54, 236


def three_shifts() -> Figure:
    """Draw the three shifts: in each, one factor of the joint distribution changes.

    Returns:
        The figure.

    Example:
        >>> three_shifts()
        >>> plt.show()
    """
    d = Diagram()
    for row, (name, (first, second), changes, example) in enumerate(SHIFTS):
        y = row * ROW
        d.text(0, y - 38, name, bold=True, align="left")
        d.text(292, y - 38, example, size=SMALL, color=QUIET, align="right")
        start = d.tensor(LEFT, y, f"$p({first})$", chosen=changes == "first")
        end = d.tensor(RIGHT, y, f"${second}$")
        changed = changes == "arrow"
        d.arrow(start, end, color=SKIP if changed else INK, dashed=changed)
        d.text(
            (LEFT + RIGHT) / 2 + 8,
            y - 15,
            f"$p({second} \\mid {first})$",
            color=SKIP if changed else INK,
        )
        if not changed:
            d.text(LEFT, y + 27, "changes", size=SMALL, color=SKIP)
        else:
            d.text((LEFT + RIGHT) / 2 + 8, y + 15, "changes", size=SMALL, color=SKIP)
    return d.figure()
