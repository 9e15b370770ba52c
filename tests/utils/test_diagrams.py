"""Diagrams: what they say is true, nothing overlaps, and a phone and the dark page show them."""

import inspect
import io
import re
import warnings
from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tools import normalise
from tools.book import ROOT
from utils import diagrams, plotting
from utils.compat import import_torchvision
from utils.data import austen_split
from utils.diagrams import (
    Diagram,
    adaptive,
    alexnet,
    axes,
    canvas,
    graph,
    induction,
    language,
    linear,
    losses,
    perceptron,
    search,
    sliding,
)
from utils.nn import AlexNet, GoogLeNet, LeNet
from utils.nn.googlenet import PLAN
from utils.stages import stages

POOLS = {"pool1", "pool2", "pool5", "2", "5"}  # stages of AlexNet and of LeNet
PHONE = 342  # CSS pixels that a phone leaves for a figure
DRAWN = {
    **{name: getattr(diagrams, name) for name in diagrams.ALT},
    "convolution_step": lambda: diagrams.convolution_step(4),
    "decoder_block": lambda: diagrams.transformer_block(decoder=True),
    "two_blocks": lambda: diagrams.residual_blocks("plain", "basic"),
}
del DRAWN["sliding_convolution"]  # no figure: its places are, see convolution_step


@pytest.fixture(autouse=True)
def style():
    with plt.style.context(plotting.STYLE):
        yield
    plt.close("all")


@pytest.fixture(params=DRAWN)
def figure(request):
    return drawn(request.param)


@cache
def drawn(name: str):
    return DRAWN[name]()


def svg_of(figure) -> bytes:
    return plotting._bytes(figure, "svg")


def texts_of(figure) -> list[tuple[str, np.ndarray]]:
    """Each text with its left, top, right and lower side, where the diagram was drawn."""
    figure.set_dpi(288)  # where letters are as wide as in the drawing
    figure.draw_without_rendering()
    (ax,) = figure.axes
    found = []
    for text in ax.texts:
        corners = ax.transData.inverted().transform(text.get_window_extent().get_points())
        found.append((text.get_text(), np.concatenate([corners.min(0), corners.max(0)])))
    return found


def column_of(figure, x: float) -> list[str]:
    """The texts in the middle of a column, from top to bottom."""
    texts = [(t.get_position(), t.get_text()) for t in figure.axes[0].texts]
    return [text for (at, _), text in sorted(texts, key=lambda t: t[0][1]) if abs(at - x) < 1]


# ------------------------------------------------------------------------------ all diagrams
def test_no_texts_overlap(figure):
    for (a, one), (b, other) in combinations(texts_of(figure), 2):
        apart = (one[:2] >= other[2:] - 0.5) | (other[:2] >= one[2:] - 0.5)
        assert apart.any(), f"{a!r} lies over {b!r}"


def test_no_text_leaves_the_figure(figure):
    (ax,) = figure.axes
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for text, box in texts_of(figure):
        assert box[0] >= left and box[2] <= right, text
        assert box[1] >= top and box[3] <= bottom, text


def test_no_line_runs_through_a_text(figure):
    texts = texts_of(figure)
    for patch in figure.axes[0].patches:
        if not canvas.LINES <= patch.get_zorder() < canvas.SHAPES or patch.get_fill():
            continue
        (points,) = patch.get_path().to_polygons(closed_only=False)
        share = np.linspace(0, 1, 200)[:, None, None]
        points = ((1 - share) * points[:-1] + share * points[1:]).reshape(-1, 2)
        for text, box in texts:
            inside = ((points > box[:2] + 1) & (points < box[2:] - 1)).all(-1)
            assert not inside.any(), f"a line runs through {text!r}"


def test_texts_stay_in_their_boxes(figure):
    boxes = [
        patch.get_path().get_extents(patch.get_patch_transform()).get_points()
        for patch in figure.axes[0].patches
        if canvas.SHAPES <= patch.get_zorder() < canvas.MARKS
    ]
    for text, box in texts_of(figure):
        middle = (box[:2] + box[2:]) / 2
        for start, end in boxes:
            if (middle > start).all() and (middle < end).all():
                assert box[0] > start[0] + 1 and box[2] < end[0] - 1, f"{text!r} is too wide"


def test_the_smallest_text_can_be_read_on_a_phone(figure):
    width = float(re.search(rb'<svg[^>]* width="([\d.]+)pt"', svg_of(figure))[1]) * 96 / 72
    shown = min(1, PHONE / width)
    sizes = {t.get_text(): t.get_fontsize() * 96 / 72 * shown for t in figure.axes[0].texts}
    assert min(sizes.values()) >= 9, min(sizes, key=sizes.get)


def test_it_is_a_drawing_without_fonts_and_always_the_same(request):
    for name, draw in DRAWN.items():
        svg = svg_of(draw())
        root = ElementTree.fromstring(svg)
        assert not list(root.iter("{http://www.w3.org/2000/svg}text")), name
        assert svg == svg_of(drawn(name)), name
        assert len(svg) < 200_000, name


def test_saving_leaves_the_layout_alone():
    figure = diagrams.bert_input()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert svg_of(figure) == svg_of(figure)


def test_a_diagram_does_not_depend_on_the_style():
    with plt.style.context("default"):
        plain = diagrams.lstm_cell()
    assert plain.get_size_inches() == pytest.approx(diagrams.lstm_cell().get_size_inches())


def test_each_diagram_says_what_it_shows():
    functions = {name for name in diagrams.__all__ if inspect.isfunction(getattr(diagrams, name))}
    assert set(diagrams.ALT) == functions
    for name, alt in diagrams.ALT.items():
        assert 80 < len(alt) < 600 and alt.endswith("."), name
        assert '"' not in alt, name


# ------------------------------------------------------------------------------------ colours
def luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def by_day(color: str) -> np.ndarray:
    return np.array(mpl.colors.to_rgb(color))


def at_night(color: str) -> np.ndarray:
    """What the style sheet makes of a drawing's colour on the dark page."""
    luma = np.array([0.213, 0.715, 0.072])
    turned = 2 * luma @ (1 - by_day(color)) - (1 - by_day(color))  # the hue by half a circle
    light = np.clip(1.12 * np.clip(turned, 0, 1), 0, 1)
    return 1 - (1 - light) * (1 - by_day("#15191b"))


def test_the_night_is_that_of_the_style_sheet():
    css = Path(ROOT / "_static" / "book.css").read_text(encoding="utf-8")
    assert "filter: invert(1) hue-rotate(180deg) brightness(1.12);" in css
    assert "--pst-color-background: #15191b;" in css


@pytest.mark.parametrize("seen", [by_day, at_night])
def test_colours_stand_out_by_day_and_at_night(seen):
    faces = [canvas.LAYER, canvas.PLAIN, canvas.TENSOR, canvas.CHOSEN, canvas.PALE, canvas.PAPER]
    for face in faces:
        assert contrast(seen(canvas.INK), seen(face)) > 7, face
    for face in (canvas.PALE, canvas.PAPER, canvas.CHOSEN):  # where quiet text stands
        assert contrast(seen(canvas.QUIET), seen(face)) > 4.5, face
    edges = canvas.LAYER_EDGE, canvas.PLAIN_EDGE, canvas.TENSOR_EDGE, canvas.SKIP, canvas.STATE
    for edge in edges:
        assert contrast(seen(edge), seen(canvas.PAPER)) > 3, edge


# -------------------------------------------------------------------------------- what they say
def test_residual_blocks_have_their_parts_in_order():
    conv, wide = ["3×3 conv", "64 → 64"], ["256×56×56"]
    norm, relu, x = "BatchNorm", "ReLU", ["64×56×56"]
    figure = diagrams.residual_blocks()
    plain = [*conv, norm, relu, *conv, norm, relu]
    before = [norm, relu, *conv, norm, relu, *conv]
    narrow = ["1×1 conv", "256 → 64", norm, relu, *conv, norm, relu, "1×1 conv", "64 → 256", norm]
    assert column_of(figure, 0) == ["plain", *x, *plain, *x]
    assert column_of(figure, 120) == ["residual", "post-activation", *x, *plain, *x]
    assert column_of(figure, 240) == ["residual", "pre-activation", *x, *before, *x]
    assert column_of(figure, 360) == ["residual", "bottleneck", *wide, *narrow, relu, *wide]


def test_resnet18_is_drawn_with_the_shapes_that_it_has():
    shapes = []
    with torch.device("meta"):
        model = import_torchvision().models.resnet18()
        stages = [model.get_submodule(f"layer{k}") for k in range(1, 5)]
        for layer in (model.conv1, model.maxpool, *stages):
            layer.register_forward_hook(lambda *args: shapes.append(args[2].shape[1:]))
        model(torch.empty(1, 3, 224, 224))
    column = column_of(diagrams.resnet18(), 0)
    maps = [text for text in column if text.count("×") == 2]
    assert maps == ["3×224×224", *("×".join(map(str, shape)) for shape in shapes)]
    assert model.fc.weight.shape == (1000, 512)
    assert column[-3:] == ["512", "Linear", "1000 logits"]


def test_an_unknown_residual_block_is_named():
    with pytest.raises(ValueError, match="'wide' is none of plain, basic, pre-activation"):
        diagrams.residual_blocks("wide")


def test_the_gradients_of_the_graph_are_those_of_torch():
    a, b = (torch.tensor(float(x), requires_grad=True) for x in (graph.A, graph.B))
    p, s = a * b, a + b
    ((p * s) + 0).backward(inputs=[a, b, p, s])
    texts = [t.get_text() for t in diagrams.backward_pass().axes[0].texts]
    for name, x in zip("abps", (a, b, p, s)):
        assert f"$\\bar{{{name}}} = {x.grad.item():.0f}$" in texts
    assert f"$= {(p * s).item():.0f}$" in texts


def test_dropout_keeps_what_the_mask_keeps():
    row = [t.get_text() for t in diagrams.dropout_passes().axes[0].texts if t.get_text().isdigit()]
    outputs, mask, dropped = row[:4], row[4:6], row[6:10]
    assert (outputs, mask, dropped) == (["1", "3", "2", "4"], ["2", "2"], ["2", "0", "4", "0"])
    assert row[10:] == outputs * 2


def test_the_scales_are_those_of_the_formulas():
    texts = [t.get_text() for t in diagrams.signal_scale().axes[0].texts]
    heads = [i for i, text in enumerate(texts) if text.startswith("nv = ")]
    for head, end in zip(heads, [*heads[1:], len(texts) - 1]):
        nv = Fraction(texts[head].removeprefix("nv = ").split(":")[0])
        assert nv == {"PyT": Fraction(1, 3), "LeC": 1, "He": 2}[texts[head].split(": ")[1][:3]]
        numbers = [Fraction(t) for t in texts[head + 1 : end] if t not in ("W", "ReLU")]
        assert numbers[:5] == [1, nv, nv / 2, nv**2 / 2, nv**2 / 4]
        assert numbers[5:] == [1, nv / 2, nv**2 / 4]


def test_the_normalisations_share_what_they_show():
    X = torch.randn(axes.EXAMPLES, axes.CHANNELS, 2, 2, dtype=torch.float64, requires_grad=True)
    layers = {
        "batch": nn.BatchNorm2d(axes.CHANNELS),
        "layer": nn.LayerNorm(X.shape[1:]),
        "instance": nn.InstanceNorm2d(axes.CHANNELS),
        "group": nn.GroupNorm(2, axes.CHANNELS),
    }
    assert list(layers) == list(axes.SHARED)
    for name, layer in layers.items():
        (gradient,) = torch.autograd.grad(layer.double()(X)[0, 0, 0, 0], X)
        shared = (gradient != 0).flatten(2).any(2)
        rows, columns = axes.SHARED[name]
        assert shared[:rows, :columns].all() and shared.sum() == rows * columns


def test_linear_regression_is_right():
    x, y = (torch.tensor(v, dtype=torch.float) for v in (linear.FEATURES, linear.NUMBER))
    w = torch.tensor(linear.WEIGHTS, requires_grad=True)
    b = torch.tensor(float(linear.BIAS), requires_grad=True)
    prediction = x @ w + b
    loss = (prediction - y) ** 2
    loss.backward()
    assert (prediction.item(), loss.item()) == (linear.PREDICTION, linear.SQUARE)
    assert 2 * (prediction - y).item() == linear.TWICE
    assert (*w.grad.tolist(), b.grad.item()) == linear.PULLS
    texts = [t.get_text() for t in diagrams.linear_regression().axes[0].texts]
    assert {str(x).replace("-", "−") for x in (*linear.FEATURES, *linear.PULLS)} <= set(texts)


def test_the_softmax_classifier_is_right():
    o, y = (torch.tensor([row], dtype=torch.float) for row in (linear.LOGITS, linear.TARGET))
    p, loss = o.softmax(-1), F.cross_entropy(o, y).item()
    assert [round(x, 2) for x in p[0].tolist()] == list(linear.PROBABILITIES)
    # the label is one-hot: what is shown of the gradient is what is shown of p, minus y
    assert torch.allclose(p - y, torch.tensor([linear.GRADIENT]), atol=0.0051)
    assert round(loss, 2) == linear.LOSS
    texts = [t.get_text() for t in diagrams.softmax_classifier().axes[0].texts]
    for numbers in (linear.LOGITS, linear.TARGET, linear.PROBABILITIES, linear.GRADIENT):
        assert {str(x).replace("-", "−") for x in numbers} <= set(texts)


def test_the_three_losses_are_right():
    y = torch.tensor(losses.TARGET, dtype=torch.float64)
    wrong = y == 0
    forms = {
        "squared error": lambda z: (z - y).square().sum() / 2,
        "cross-entropy": lambda z: z.logsumexp(0) - z @ y,
        "hinge": lambda z: (1 - z @ y + z[wrong]).clamp(min=0).sum(),
    }
    assert list(forms) == list(losses.LOSSES)
    texts = Counter(t.get_text() for t in diagrams.three_losses().axes[0].texts)
    for name, (value, pulls) in losses.LOSSES.items():
        z = torch.tensor(losses.LOGITS, dtype=torch.float64, requires_grad=True)
        loss = forms[name](z)
        loss.backward()
        assert round(loss.item(), 2) == value
        assert [round(g, 2) for g in z.grad.tolist()] == list(pulls)
        assert {canvas.signed(x) for x in (value, *pulls)} <= set(texts)


def test_the_passes_through_a_perceptron_are_right():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    for layer, W, b in (
        (model[0], torch.tensor(perceptron.WEIGHTS).T, perceptron.BIASES),
        (model[2], [perceptron.OUT_WEIGHTS], [perceptron.OUT_BIAS]),
    ):
        layer.weight.data = torch.as_tensor(W).float()
        layer.bias.data = torch.tensor(b).float()
    X = torch.tensor([perceptron.INPUT]).float().requires_grad_()
    out = model(X)
    loss = (out - perceptron.TARGET).square().sum() / 2
    loss.backward()
    first, hidden, last = model[0](X)[0], model[:2](X)[0], model[2]
    to_h = last.weight[0] * (out[0] - perceptron.TARGET)

    def words(*numbers: torch.Tensor) -> list[str]:
        found = torch.cat([n.detach().flatten() for n in numbers])
        return [f"{x:g}".replace("-", "−") for x in found.tolist()]

    shown = [t.get_text() for t in diagrams.mlp_passes().axes[0].texts]
    half = shown.index("backward: gradients")
    # numbers on lines, then in circles
    forward = words(model[0].weight.T, last.weight, X, hidden, out)
    assert [t for t in shown[:half] if t.lstrip("−").isdigit()] == forward
    backward = words(model[0].weight.grad.T, last.weight.grad, X.grad, model[0].bias.grad, out - 1)
    assert [t for t in shown[half:] if t.lstrip("−").isdigit()] == backward
    assert [t.split(",")[0] for t in shown if t.startswith("z =")] == [
        f"z = {z}" for z in words(first)
    ]
    assert [t.split(";")[0] for t in shown if t.startswith("at h")] == [
        f"at h: {g}" for g in words(to_h)
    ]
    assert f"loss {loss.item():g}" in shown


def test_a_step_of_descent_is_right():
    H, e = np.array([[2.5, 1.5], [1.5, 2.5]]), np.array([3.0, 1.0])
    shown = [t.get_text().replace("−", "-") for t in diagrams.descent_by_axes().axes[0].texts]
    before, after = shown[:2], shown[-4:-2]
    assert [float(x) for x in before] == [3, 1]
    assert [float(x) for x in after] == pytest.approx((e - 0.4 * H @ e).tolist())
    assert np.linalg.eigvalsh(H) == pytest.approx([1, 4])
    assert [x for x in shown if x.startswith("×")] == [
        "× (1 - 0.4 · 4) = -0.6",
        "× (1 - 0.4 · 1) = 0.6",
    ]


def test_two_steps_of_adam_are_right():
    shown = [t.get_text().replace("−", "-") for t in diagrams.adam_steps().axes[0].texts]
    weight = torch.zeros((), requires_grad=True)
    adam = torch.optim.Adam(
        [weight], lr=1.0, betas=(float(adaptive.BETA1), float(adaptive.BETA2)), eps=0.0
    )
    before, steps = 0.0, []
    for gradient in adaptive.GRADIENTS:
        assert f"g = {gradient}" in shown
        weight.grad = torch.tensor(float(gradient))
        adam.step()
        steps.append(before - weight.item())
        before, state = weight.item(), adam.state[weight]
        assert f"m = {state['exp_avg'].item():g}" in shown
        assert f"v = {state['exp_avg_sq'].item():g}" in shown
    assert steps == pytest.approx([1, -1 / 3])
    assert {"1", "-1/3", "÷ ½ = 4", "÷ ¼ = 16", "÷ ¾ = -4/3", "÷ 7/16 = 16"} <= set(shown)


def test_lenet_has_the_shapes_of_lenet():
    shapes, X = {"1×28×28"}, torch.zeros(1, 1, 28, 28)
    for layer in LeNet():
        X = layer(X)
        shapes.add("×".join(map(str, X.shape[1:])))
    texts = {t.get_text().removesuffix(" logits") for t in diagrams.lenet().axes[0].texts}
    assert shapes <= texts


@pytest.mark.parametrize(
    ("drawn", "net", "image"),
    [(alexnet.LENET, LeNet, (1, 28, 28)), (alexnet.ALEXNET, AlexNet, (3, 227, 227))],
)
def test_both_networks_have_their_shapes(drawn, net, image):
    with torch.device("meta"):
        table = stages(net(), *image)
    shapes = [image, *(s.shape for s in table if s.parameters or s.name in POOLS)]
    assert [text.removeprefix("pool ") for text in drawn] == [
        "×".join(map(str, shape)) for shape in shapes
    ]


def test_googlenet_has_the_shapes_of_googlenet():
    with torch.device("meta"):
        shapes = ["×".join(map(str, s.shape)) for s in stages(GoogLeNet(), 3, 224, 224)]
    texts = [t.get_text() for t in diagrams.googlenet().axes[0].texts]
    drawn = [text for text in texts if re.fullmatch(r"\d+(×\d+)*", text)]
    assert drawn == ["3×224×224", *(shape for shape in drawn[1:] if shape in shapes)]
    assert set(re.findall(r"\d[a-e]", " ".join(texts))) == set(PLAN)


def test_the_inception_block_has_the_channels_of_3a():
    one, three, five, pooled = PLAN["3a"]
    texts = " ".join(t.get_text() for t in diagrams.inception_block().axes[0].texts)
    counts = [int(n) for n in re.findall(r"→ (\d+)", texts)]
    assert counts == [one, *three, *five, pooled]
    assert f"{one + three[1] + five[1] + pooled}×28×28" in texts


def test_the_convolution_is_right():
    texts = diagrams.convolution_step(8).axes[0].texts
    output = [t.get_text() for t in texts if t.get_position()[0] > 360]
    numbers = [int(text.replace("−", "-")) for text in output if text != "output"]
    X, W = (torch.tensor(a[None], dtype=torch.float) for a in (sliding.PICTURE, sliding.KERNEL))
    assert numbers == F.conv2d(X, W, stride=2, padding=1).flatten().tolist()


def test_the_convolution_is_small_and_shows_every_place():
    page = normalise.clean_html(diagrams.sliding_convolution().data, "cell")
    assert len(page) < 250_000
    assert len(set(re.findall(r"data:image/png;base64,[\w+/=]+", page))) == 9
    assert "place 9 of 9" in page


def test_gates_stand_in_the_order_of_torch():
    """A cell with the biases of one gate large shows which rows are that gate's."""
    letters = [t for t in diagrams.lstm_cell().axes[0].texts if t.get_text() in "ifgo"]
    order = [t.get_text() for t in sorted(letters, key=lambda t: t.get_position()[0])]
    cell = nn.LSTMCell(1, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih[:] = torch.tensor([[0.0], [30], [0], [30]])[:, 0]
        hidden, memory = cell(torch.zeros(1, 1), (torch.zeros(1, 1), torch.ones(1, 1)))
    assert order == ["i", "f", "g", "o"]
    assert memory.item() == pytest.approx(1)  # f is open, g adds nothing ...
    assert hidden.item() == pytest.approx(np.tanh(1))  # ... and o is open


def test_gates_of_the_gru_stand_in_the_order_of_torch():
    letters = [t for t in diagrams.gru_cell().axes[0].texts if t.get_text() in "rzn"]
    order = [t.get_text() for t in sorted(letters, key=lambda t: t.get_position()[0])]
    cell = nn.GRUCell(1, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih[:] = torch.tensor([[0.0], [-30], [30]])[:, 0]
        written = cell(torch.zeros(1, 1), torch.full((1, 1), 0.5))
        cell.bias_ih[1] = 30
        kept = cell(torch.zeros(1, 1), torch.full((1, 1), 0.5))
    assert order == ["r", "z", "n"]
    assert written.item() == pytest.approx(1)  # z is closed, and the candidate is 1
    assert kept.item() == pytest.approx(0.5)


@pytest.mark.parametrize("decoder", [False, True])
def test_transformer_blocks_have_the_names_and_the_order_of_torch(decoder):
    figure = diagrams.transformer_block(decoder=decoder)
    feed = ["linear1: d → 4d", "ReLU", "linear2: 4d → d"]
    layers = [["self_attn"], *([["multihead_attn"]] if decoder else []), feed]
    post = [t for i, f in enumerate(layers, start=1) for t in [*f, f"norm{i}"]]
    pre = [t for i, f in enumerate(layers, start=1) for t in [f"norm{i}", *f]]
    assert column_of(figure, 0)[2:] == ["n × d", *post, "n × d"]
    assert column_of(figure, 250)[2:] == ["n × d", *pre, "n × d"]
    kind = nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer
    names = {name for name, _ in kind(8, 2).named_children()}
    assert {text.split(":")[0] for text in post} - {"ReLU"} <= names


def test_the_transformer_hands_its_memory_to_the_cross_attention():
    figure = diagrams.transformer()
    asks = ["embed + positions", "causal self-attention", "cross-attention", "position-wise net"]
    assert column_of(figure, 340)[2:6] == asks
    heights = {t.get_text(): t.get_position()[1] for t in figure.axes[0].texts}
    assert heights["memory: m × d"] == heights["cross-attention"]


# --------------------------------------------------------------------------------- the shapes
def test_arrows_are_straight_or_refused():
    d = Diagram()
    a, b, c = d.box(0, 0, "a"), d.box(0, 80, "b"), d.box(120, 80, "c")
    d.chain(a, b, c)
    assert a.bottom == (0, 14) and b.top == (0, 66)
    with pytest.raises(ValueError, match="No straight line joins"):
        d.arrow(a, c)
    d.arrow(a, c, (120, 0))


def test_a_skip_connection_needs_a_side():
    d = Diagram()
    with pytest.raises(ValueError, match="x=... or at y=..."):
        d.skip((0, 0), d.add(0, 50))
    d.skip((0, 0), d.add(60, 0), y=-40)
    assert d.figure().get_figheight() > 0.4


def test_a_figure_is_cut_to_what_is_drawn():
    d = Diagram()
    node = d.loop(d.box(0, 0, "cell", width=60, height=40), above=20, out=10) or d.tensor(
        0, 60, "x"
    )
    width, height = d.figure(margin=0).get_size_inches() * 96
    assert node.height == 28
    assert width == pytest.approx(60 + 20 + 2 * 2.2, abs=0.1)
    assert height == pytest.approx(20 + 20 + 2.2 + 60 + 14 + 1, abs=0.1)


def test_grids_strike_out_and_look_at_cells():
    d = Diagram()
    d.grid(0, 0, [["a", "b"], ["c", "d"]], struck=[[0, 1], [0, 0]], window=(1, 0, 1, 2))
    assert [t.get_text() for t in d.figure().axes[0].texts] == ["a", "c", "d"]
    faces = [mpl.colors.to_hex(p.get_facecolor()) for p in d.figure().axes[0].patches]
    assert faces.count(canvas.CHOSEN) == 2 and faces.count(canvas.PALE) == 1


def test_a_picture_of_a_page_weighs_little():
    buffer = io.BytesIO()
    diagrams.residual_blocks().savefig(buffer, format="svg")
    assert len(buffer.getvalue()) < 120_000


def test_the_counts_of_the_n_gram_are_those_of_the_text():
    text, window = austen_split().train, language.WINDOW
    after = Counter(text[i + 3] for i in range(len(text) - 3) if text.startswith(window, i))
    assert tuple(after.most_common(4)) == language.FOLLOWS
    texts = [t.get_text() for t in diagrams.language_models().axes[0].texts]
    assert all(str(count) in texts for _, count in language.FOLLOWS)
    assert texts.count("$\\mathbf{C}$") == len(window)


def test_the_beam_is_right_and_greedy_search_is_not():
    totals = {(one, two): p * q for one, p in search.FIRST.items()
              for two, q in search.SECOND[one].items()}  # fmt: skip
    for row in (search.FIRST, *search.SECOND.values()):
        assert sum(row.values()) == pytest.approx(1)
    likeliest = max(search.FIRST, key=search.FIRST.__getitem__)
    best = max(totals, key=totals.__getitem__)
    assert best == ("b", "<eos>") and best[0] != likeliest
    texts = [t.get_text() for t in diagrams.beam_tree().axes[0].texts]
    assert "b <eos>: 0.4 · 0.9 = 0.36" in texts and "a <eos>: 0.6 · 0.28 = 0.17" in texts
    faces = [mpl.colors.to_hex(p.get_facecolor()) for p in diagrams.beam_tree().axes[0].patches]
    assert faces.count(canvas.CHOSEN) == 4 and faces.count(canvas.TENSOR) == 4


def test_an_induction_head_finds_what_followed_the_last_token():
    tokens, found = induction.TOKENS, induction.FOUND
    assert tokens[found - 1] == tokens[-1] and tokens.index(tokens[-1]) == found - 1
    texts = [t.get_text() for t in diagrams.induction_head().axes[0].texts]
    assert texts.count(tokens[found]) == 3, "as a token, as its row, and as the output"
    assert [t for t in texts if "after k" in t or "after v" in t] == [
        f"after {t}" for t in tokens[:-1]
    ]
