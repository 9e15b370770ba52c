"""The picture that others show beside a link to a page: title, subject, verdicts."""

from __future__ import annotations

import hashlib
import textwrap
from collections import Counter
from pathlib import Path

from book_verdicts import VERDICTS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

SIZE = 1200, 630  # pixels, as previews are cut
INK, MUTED, PAPER, ACCENT = "#1f2423", "#56605d", "#fdfcf9", "#12655a"


def in_words(verdicts: Counter[str]) -> str:
    """What the preview says of a page's verdicts.

    >>> in_words(Counter(depends=2, supported=1))
    'On trial: 1 supported, 2 depend'
    """
    names = {"depends": "depends" if verdicts["depends"] == 1 else "depend"}
    counts = [f"{verdicts[key]} {names.get(key, key)}" for key in VERDICTS if verdicts[key]]
    return "On trial: " + ", ".join(counts) if counts else ""


def draw(folder: Path, book: str, title: str, about: str, verdicts: Counter[str]) -> str:
    """Draw a preview in a folder unless it is there; its name is made from what it says."""
    said = repr((book, title, about, sorted(verdicts.items())))
    name = f"preview-{hashlib.sha256(said.encode()).hexdigest()[:16]}.png"
    if (folder / name).exists():
        return name
    width, height = SIZE
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=PAPER)
    figure.add_artist(Rectangle((0, 0), 0.02, 1, facecolor=ACCENT))  # a bar along the left edge
    style = {"family": "DejaVu Serif", "va": "top", "parse_math": False}
    figure.text(0.06, 0.91, book, size=20, color=ACCENT, **style)
    lines = textwrap.wrap(title, 31)[:3]
    figure.text(0.06, 0.81, "\n".join(lines), size=38, color=INK, linespacing=1.2, **style)
    below = textwrap.shorten(about, 58 * 3, placeholder=" …")
    top = 0.81 - 0.125 * len(lines) - 0.05
    text = "\n".join(textwrap.wrap(below, 62))
    figure.text(0.06, top, text, size=20, color=MUTED, linespacing=1.45, **style)
    figure.text(0.06, 0.12, in_words(verdicts), size=20, color=INK, **style)
    folder.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(folder / name)
    return name
