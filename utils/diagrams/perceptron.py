"""Perceptrons: one unit and its rule; several units in layers."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SKIP, SMALL, Diagram, signed

INPUT, TARGET = (1, 2), 1
WEIGHTS, BIASES = ((1, 2), (1, -1)), (-1, -1)  # of the hidden units: rows are inputs
OUT_WEIGHTS, OUT_BIAS = (2, 3), -1
SEEN, START, LABEL = (2, 1, 1), (1, -4, 1), 1  # of perceptron_rule: two inputs and the constant
COLUMNS, HEIGHT = (44, 236, 416), 104  # inputs, hidden units, output; from row to row
RADIUS = 19
ABOVE, BELOW, CROSSING = 0.5, 0.52, 0.27  # where on its line a number stands


def mlp_passes() -> Figure:
    """Draw a network of two ReLU units with numbers: activations forward, gradients backward.

    Returns:
        The figure.

    Example:
        >>> mlp_passes()
        >>> plt.show()
    """
    z = [sum(x * w[j] for x, w in zip(INPUT, WEIGHTS)) + BIASES[j] for j in (0, 1)]
    h = [max(number, 0) for number in z]
    out = sum(a * w for a, w in zip(h, OUT_WEIGHTS)) + OUT_BIAS
    error = out - TARGET
    to_h = [error * w for w in OUT_WEIGHTS]
    to_z = [g if number > 0 else 0 for g, number in zip(to_h, z)]
    to_x = [sum(g * w for g, w in zip(to_z, row)) for row in WEIGHTS]

    d = Diagram()
    d.text(COLUMNS[1], -70, "forward: activations", bold=True)
    d.text(COLUMNS[0], -40, "inputs", size=SMALL)
    _network(d, 0, (INPUT, h, out), (WEIGHTS, OUT_WEIGHTS), backward=False)
    for y, number, bias in zip((-34, HEIGHT + 34), z, BIASES):
        d.text(COLUMNS[1], y, f"z = {signed(number)}, bias {signed(bias)}", size=SMALL)
    d.text(COLUMNS[2], HEIGHT / 2 - 34, f"bias {signed(OUT_BIAS)}", size=SMALL)
    loss = error**2 / 2
    d.text(COLUMNS[2], HEIGHT / 2 + 44, f"target {TARGET},\nloss {loss:g}", size=SMALL)

    top = HEIGHT + 160
    d.text(COLUMNS[1], top - 70, "backward: gradients", bold=True)
    gradients = [[x * g for g in to_z] for x in INPUT], [a * error for a in h]
    _network(d, top, (to_x, to_z, error), gradients, backward=True)
    for y, g, number in zip((top - 34, top + HEIGHT + 34), to_h, z):
        state = "on" if number > 0 else "off"
        d.text(COLUMNS[1], y, f"at h: {g}; the unit is {state}", size=SMALL)
    d.text(COLUMNS[2], top + HEIGHT / 2 + 34, f"{out} − {TARGET}", size=SMALL)
    return d.figure()


def perceptron_rule() -> Figure:
    """Draw one perceptron that is wrong about an example, and the same one after the update.

    Returns:
        The figure.

    Example:
        >>> perceptron_rule()
        >>> plt.show()
    """
    after = tuple(w + LABEL * x for w, x in zip(START, SEEN))
    d = Diagram()
    for top, title, weights in ((0, "before", START), (250, "after the update", after)):
        z = sum(w * x for w, x in zip(weights, SEEN))
        out = 1 if z > 0 else -1
        d.text(210, top - 42, f"{title}: {'right' if out == LABEL else 'wrong'}", bold=True)
        total = d.unit(200, top + 64, radius=RADIUS)
        d.text(200, top + 64, signed(z))
        d.text(200, top + 98, "z", size=SMALL)
        step = d.box(290, top + 64, "step", learned=False)
        answer = d.tensor(386, top + 64, signed(out), width=44)
        d.text(386, top + 36, "output", size=SMALL)
        d.text(386, top + 92, f"label {signed(LABEL)}", size=SMALL)
        d.chain(total, step, answer)
        for y, x, w in zip((0, 64, 128), SEEN, weights):
            d.unit(60, top + y, radius=RADIUS)
            d.text(60, top + y, signed(x))
            _edge(d, (60, top + y), (200, top + 64), w, ABOVE, backward=False)
        d.text(28, top, "$x_1$", align="right")
        d.text(28, top + 64, "$x_2$", align="right")
        d.text(28, top + 128, "constant", size=SMALL, align="right")
    change = ", ".join(signed(LABEL * x) for x in SEEN)
    d.text(210, 180, f"label × inputs = ({change}) is added to the weights", size=SMALL)
    return d.figure()


def _network(d: Diagram, top: float, circles: tuple, lines: tuple, *, backward: bool) -> None:
    """Two inputs, two hidden units and an output, with numbers in circles and on lines."""
    rows = (top, top + HEIGHT)
    inputs = [(COLUMNS[0], y) for y in rows]
    hidden = [(COLUMNS[1], y) for y in rows]
    output = (COLUMNS[2], top + HEIGHT / 2)
    for i, start in enumerate(inputs):
        for j, end in enumerate(hidden):
            level = ABOVE if i == 0 else BELOW
            _edge(d, start, end, lines[0][i][j], level if i == j else CROSSING, backward)
    for start, number in zip(hidden, lines[1]):
        _edge(d, start, output, number, BELOW, backward)
    for place, number in zip((*inputs, *hidden, output), (*circles[0], *circles[1], circles[2])):
        d.unit(*place, radius=RADIUS)
        d.text(*place, signed(number))


def _edge(d: Diagram, start: tuple, end: tuple, number: int, at: float, backward: bool) -> None:
    """A line from circle to circle, with a number beside it; gradients run the other way."""
    (ax, ay), (bx, by) = start, end
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    reach = (RADIUS + 2) / length
    near = ax + reach * (bx - ax), ay + reach * (by - ay)
    far = bx - reach * (bx - ax), by - reach * (by - ay)
    if backward:
        d.line(far, near, color=SKIP if number else QUIET, dashed=True)
    else:
        d.line(near, far)
    # beside the line: on the outer side, where lines do not cross
    x, y = ax + at * (bx - ax), ay + at * (by - ay)
    if by > ay:
        x, y = x + 9, y - 11
    elif by < ay and at < 0.5:
        x, y = x - 9, y - 11
    else:
        y += -11 if at == ABOVE else 12
    d.text(x, y, signed(number), size=SMALL)
