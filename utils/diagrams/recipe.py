"""A recipe for training: which check exposes which mistake."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram

STEPS = (
    ("look at a batch", "labels beside\nother images"),
    ("loss before the first step", "inputs too large"),
    ("overfit one batch", "a wrong update"),
    ("update ÷ weight, by layer", "a layer that\ndoes not learn"),
    ("range test", "a rate too small\nor too large"),
    ("curves, then a search", "a schedule, other\nhyper-parameters"),
)
STEP, CHECK, FOUND = 62, 120, 340  # from row to row, and the two columns


def training_recipe() -> Figure:
    """Draw the six steps of the recipe, and what each of them exposes.

    Returns:
        The figure.

    Example:
        >>> training_recipe()
        >>> plt.show()
    """
    d = Diagram()
    d.text(CHECK, -38, "check", size=SMALL, color=QUIET)
    d.text(FOUND, -38, "what it exposes", size=SMALL, color=QUIET)
    checks = []
    for i, (check, found) in enumerate(STEPS):
        y = STEP * i
        checks.append(d.box(CHECK, y, f"{i + 1}. {check}", learned=False, width=216))
        d.arrow(checks[-1], d.tensor(FOUND, y, found, width=150), color=SKIP)
    d.chain(*checks)
    return d.figure()
