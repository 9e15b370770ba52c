"""Weight decay."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import SMALL, Diagram, signed

WEIGHT, GRADIENT, SIZE = 4, 6, 4  # of the drawing; the size is that of recent gradients
LAM, RATE = 0.5, 0.1
ROWS = (0, 56, 112, 168, 224, 276)
PENALTY, DECAY, OUT = 124, 290, 100  # two columns, and how far out the weight stands


def decay_routes() -> Figure:
    """Draw one step of an adaptive optimiser, with a penalty in the loss and with weight decay.

    The weight is 4, its gradient 6, recent gradients have the size 4, λ is 0.5, the rate 0.1.

    Returns:
        The figure.

    Example:
        >>> decay_routes()
        >>> plt.show()
    """
    d = Diagram()
    penalised = GRADIENT + LAM * WEIGHT
    shrunk = WEIGHT * (1 - RATE * LAM)
    for x, title in ((PENALTY, "penalty in the loss"), (DECAY, "decay of the weight")):
        d.text(x, ROWS[0] - 34, title, bold=True)
    columns = (PENALTY, penalised, WEIGHT), (DECAY, GRADIENT, shrunk)
    for x, gradient, before in columns:
        change = RATE * gradient / SIZE
        data = d.tensor(x, ROWS[0], f"gradient {GRADIENT}")
        divided = d.box(x, ROWS[2], f"÷ {SIZE}", learned=False)
        scaled = d.box(x, ROWS[3], f"× (−{RATE})", learned=False)
        total, after = d.add(x, ROWS[4]), d.tensor(x, ROWS[5], f"{before - change:.2f}")
        d.chain(divided, scaled, total, after)
        d.text(x + 12, (ROWS[3] + ROWS[4]) / 2 + 4, signed(-change), size=SMALL, align="left")
        if x == PENALTY:
            added = d.box(x, ROWS[1], f"+ {LAM} · {WEIGHT}", learned=False)
            d.chain(data, added, divided)
            d.text(x + 12, (ROWS[1] + ROWS[2]) / 2, f"{penalised:g}", size=SMALL, align="left")
            weight = d.tensor(x - OUT, ROWS[1], f"weight {WEIGHT}")
            d.arrow(weight, added)
            d.arrow(weight, total, (x - OUT, total.y))
        else:
            d.arrow(data, divided)
            weight = d.tensor(x + OUT, ROWS[1], f"weight {WEIGHT}")
            factor = d.box(x + OUT, ROWS[2], f"× (1 − {RATE} · {LAM})", learned=False)
            result = d.tensor(x + OUT, ROWS[3], f"{shrunk:g}")
            d.chain(weight, factor, result)
            d.arrow(result, total, (x + OUT, total.y))
    return d.figure()
