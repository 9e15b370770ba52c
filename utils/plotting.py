"""Figures in the house style: curves, heat maps, grids of images, animations for a static page."""

import hashlib
import html
import json
import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

STYLE = Path(__file__).with_name("book.mplstyle")
DENSE = 2000  # a scatter of more points than this is smaller as a picture than as drawing


def use_style() -> None:
    """Draw in the book's style from here on; in a notebook, lines as SVG and pictures as PNG."""
    plt.style.use(STYLE)
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:  # a plain interpreter: nothing shows figures inline
        return
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    plt.get_backend()  # lets the inline backend set its own formatters, which ours then replace
    import matplotlib_inline.backend_inline  # noqa: F401

    assert shell.display_formatter is not None  # a kernel has one
    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, lambda f: _bytes(f, "png") if _is_picture(f) else None)
    formatters["image/svg+xml"].for_type(
        Figure, lambda f: None if _is_picture(f) else _bytes(f, "svg").decode()
    )


def _is_picture(figure: Figure) -> bool:
    """Whether a figure is better stored as pixels: images, heat maps, dense scatter."""

    def dense(item: object) -> bool:
        if isinstance(item, QuadMesh):
            return True
        return isinstance(item, PathCollection) and len(np.asarray(item.get_offsets())) > DENSE

    return any(ax.images or any(map(dense, ax.collections)) for ax in figure.axes)


def _bytes(figure: Figure, kind: str) -> bytes:
    """The figure as a file, without the time it was made."""
    undated = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, metadata=undated)
    return buffer.getvalue()


def _array(values: object) -> np.ndarray:
    """Tensors on any device, lists and arrays alike."""
    if isinstance(values, torch.Tensor):
        return values.detach().float().cpu().numpy()
    return np.asarray(values)


def curves(
    x: ArrayLike | torch.Tensor,
    series: Mapping[str, Any],
    *,
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    marker: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one line a series; a series of repetitions becomes its mean, in a band from min to max.

    >>> seen = [1, 2, 3]
    >>> ax = curves(seen, {"one run": [3, 2, 1], "two": [[3, 3, 2], [4, 2, 2]]},
    ...             xlabel="epoch", ylabel="loss")
    >>> [line.get_ydata().tolist() for line in ax.lines]
    [[3.0, 2.0, 1.0], [3.5, 2.5, 2.0]]

    Args:
        x: the points on the horizontal axis, shape (points,).
        series: label → values of shape (points,) or (repetitions, points).
        xlabel: what the horizontal axis shows, with its unit.
        ylabel: what the vertical axis shows, with its unit.
        xscale: ``linear`` or ``log``.
        yscale: ``linear`` or ``log``.
        marker: a marker on each point, as Matplotlib names it.
        ax: the axes to draw on; new ones if None.

    Raises:
        ValueError: a series is not as long as ``x``.
    """
    ax = ax or plt.subplots()[1]
    points = _array(x)
    for label, values in series.items():
        rows = np.atleast_2d(_array(values))
        if rows.shape[-1] != len(points):
            raise ValueError(f"{label!r} has {rows.shape[-1]} values for {len(points)} points.")
        (line,) = ax.plot(points, rows.mean(0), label=label, marker=marker)
        if len(rows) > 1:
            ax.fill_between(
                points, rows.min(0), rows.max(0), color=line.get_color(), alpha=0.2, linewidth=0
            )
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if len(series) > 1:
        ax.legend()
    return ax


def heatmap(
    matrix: ArrayLike | torch.Tensor,
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    xticks: Sequence[str] | None = None,
    yticks: Sequence[str] | None = None,
    diverging: bool = False,
    annotate: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix as colours, row 0 on top.

    Args:
        matrix: shape (rows, columns).
        xlabel: what the columns are.
        ylabel: what the rows are.
        label: what the colour shows, with its unit.
        xticks: a name for each column.
        yticks: a name for each row.
        diverging: centre the colours at 0 (for values of both signs).
        annotate: a format such as ``".2f"`` writes each value into its cell.
        ax: the axes to draw on; new ones if None.
    """
    ax = ax or plt.subplots()[1]
    values = _array(matrix)
    top = np.abs(values).max()
    limits = {"vmin": -top, "vmax": top, "cmap": "RdBu_r"} if diverging else {}
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **limits)
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(False)
    if xticks is not None:
        ax.set_xticks(range(len(xticks)), xticks, rotation=45 if max(map(len, xticks)) > 3 else 0)
    if yticks is not None:
        ax.set_yticks(range(len(yticks)), yticks)
    if annotate is not None:
        for (row, column), value in np.ndenumerate(values):
            r, g, b, _ = image.cmap(image.norm(value))
            dark = 0.299 * r + 0.587 * g + 0.114 * b < 0.5
            ink = "white" if dark else "black"
            ax.text(column, row, format(value, annotate), ha="center", va="center", color=ink)
    return ax


def image_grid(
    images: ArrayLike | torch.Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    diverging: bool = False,
    size: float = 1.1,
) -> Figure:
    """Draw images side by side, one scale for all.

    Args:
        images: shape (n, height, width), (n, 1, height, width) or (n, 3, height, width).
        titles: a line above each image.
        columns: images in a row; chosen for a page's width if None.
        diverging: centre the colours at 0, for filters and differences.
        size: side of one image, in inches.

    Raises:
        ValueError: the array is not one of images, or the number of titles differs.
    """
    pixels = _array(images)
    if pixels.ndim == 4 and pixels.shape[1] in (1, 3):
        pixels = pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)
    if pixels.ndim not in (3, 4):
        raise ValueError(f"Expected (n, height, width) or (n, 1|3, height, width): {pixels.shape}")
    if titles is not None and len(titles) != len(pixels):
        raise ValueError(f"{len(titles)} titles for {len(pixels)} images.")
    if pixels.size == 0:
        raise ValueError(f"There is nothing to draw: the images have the shape {pixels.shape}.")
    if columns is not None and columns < 1:
        raise ValueError(f"columns={columns}: a row needs at least one image.")
    columns = columns or min(len(pixels), 10)
    rows = math.ceil(len(pixels) / columns)
    height = size * (1.25 if titles is not None else 1.02)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size * columns, height * rows), squeeze=False, layout="constrained"
    )
    top = np.abs(pixels).max()
    limits = dict(vmin=-top, vmax=top, cmap="RdBu_r") if diverging else dict(vmin=0, cmap="gray")
    limits.setdefault("vmax", pixels.max())
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i < len(pixels):
            ax.imshow(pixels[i], interpolation="nearest", **limits)
            if titles is not None:
                ax.set_title(titles[i], fontsize=9)
    return figure


PLAYER = """\
<style>
.animation {{ display: inline-block; max-width: 100%; text-align: center; }}
.animation img {{ height: auto; max-width: 100%; }}
.anim-buttons {{ align-items: center; display: flex; flex-wrap: wrap; gap: .4em; }}
.anim-buttons {{ justify-content: center; }}
.anim-buttons button {{ min-width: 2.4em; padding: .2em .4em; }}
.anim-buttons input {{ flex: 1 1 10em; max-width: 24em; }}
.anim-buttons output {{ min-width: {width}ch; text-align: left; }}
</style>
<div class="animation" id="_anim_box{id}">
<img id="_anim_img{id}" alt="{alt}" src="{poster}">
<div class="anim-controls anim-buttons">
<button type="button" aria-label="previous frame">◁</button>
<button type="button" aria-label="play">▶</button>
<button type="button" aria-label="next frame">▷</button>
<input type="range" class="anim-slider" aria-label="{slider}"
  min="0" max="{last}" step="1" value="{first}">
<output>{text}</output>
</div>
</div>
<script>
(function () {{
  const frames = {frames};
  const labels = {labels};
  const box = document.getElementById("_anim_box{id}");
  const image = box.querySelector("img"), slider = box.querySelector("input");
  const [back, play, forward] = box.querySelectorAll("button");
  let timer = null;
  function show(k) {{
    k = Math.max(0, Math.min(frames.length - 1, k));
    slider.value = k;
    image.src = frames[k];
    box.querySelector("output").textContent = labels[k];
    slider.setAttribute("aria-valuetext", labels[k]);
  }}
  function stop() {{
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "play");
  }}
  function step(by) {{ stop(); show(Number(slider.value) + by); }}
  slider.addEventListener("input", () => step(0));
  back.addEventListener("click", () => step(-1));
  forward.addEventListener("click", () => step(1));
  play.addEventListener("click", () => {{
    if (timer) return stop();
    if (Number(slider.value) === frames.length - 1) show(0);
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "pause");
    timer = setInterval(() => {{
      show(Number(slider.value) + 1);
      if (Number(slider.value) === frames.length - 1) stop();
    }}, {interval});
  }});
  show(Number(slider.value));
}})();
</script>
"""


def animate(
    figure: Figure,
    draw: Callable[[Any], object],
    frames: Iterable[Any],
    *,
    alt: str,
    label: Callable[[Any], str] | None = None,
    slider: str = "frame",
    first: int = 0,
    fps: int = 4,
    dpi: int = 100,
) -> Any:
    """Make an animation with a slider that works on a static page, and asks no other host.

    The frames are drawn now and stored as PNG; a few lines of script in the output turn them.
    Nothing moves until the reader asks for it, and without scripts the first frame is shown. What
    comes back is HTML that shows itself as the last line of a cell. Some twenty frames of lines
    weigh about a quarter of a megabyte once the notebook is normalised.

    Args:
        figure: the figure that ``draw`` draws on; it is closed afterwards.
        draw: called with each frame's value; draws it.
        frames: what to draw, one value a frame.
        alt: says what the animation shows, for those who cannot see it.
        label: turns a frame's value into the text beside the slider; by default, its number.
        slider: what the slider changes, for those who cannot see it.
        first: the number of the frame that is shown before anyone plays.
        fps: frames in a second.
        dpi: pixels in an inch of the figure.

    Raises:
        ValueError: there are no frames, or ``first`` is none of them.
    """
    from IPython.display import HTML

    pictures, labels = [], []
    for number, frame in enumerate(frames, start=1):
        draw(frame)
        buffer = BytesIO()
        # all frames must have one size: not cut to what is drawn
        with plt.rc_context({"savefig.bbox": None}):
            figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        pictures.append(f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}")
        labels.append(str(number) if label is None else label(frame))
    plt.close(figure)
    if not 0 <= first < len(pictures):
        raise ValueError(f"first={first}, but there are {len(pictures)} frames.")
    page = PLAYER.format(
        id=hashlib.md5(alt.encode(), usedforsecurity=False).hexdigest(),
        alt=html.escape(alt, quote=True),
        slider=html.escape(slider, quote=True),
        poster=pictures[first],
        first=first,
        last=len(pictures) - 1,
        text=html.escape(labels[first]),
        width=max(map(len, labels)),
        frames=json.dumps(pictures),
        labels=json.dumps(labels).replace("</", "<\\/"),
        interval=round(1000 / fps),
    )
    return HTML(page)
