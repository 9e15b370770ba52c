"""The look of the book's diagrams: a few shapes and lines, each with one meaning on every page.

Lengths are CSS pixels at the size in which a diagram is shown beside text, and y grows downwards.
A diagram at most 480 wide stays readable on a phone, where it is shown at 342.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.patches import Circle, FancyBboxPatch, Patch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

WIDTH = 480  # of a full diagram
TEXT, SMALL, MATH = (
    14,
    13,
    16,
)  # sizes of type; the last for subscripts, which are 0.7 times as large
LINE, THICK = 1.6, 2.6  # widths of lines; the second for skip connections
HALF = 11  # radius of a sum and a product

# Okabe & Ito (2008); thin lines in darker shades of their hues. On the dark page all are inverted.
INK, QUIET, PALE, PAPER = "#202020", "#5f5f5f", "#ececec", "#ffffff"
LAYER, LAYER_EDGE = "#d5e8f6", "#0072b2"  # blue: has weights
PLAIN, PLAIN_EDGE = "#fdf0cf", "#a56a00"  # orange: an operation without weights
TENSOR, TENSOR_EDGE = "#d3efe4", "#00805d"  # green: numbers
SKIP = "#d55e00"  # vermilion: a skip connection
STATE = "#a5437b"  # purple: a state handed to the next step
CHOSEN = "#f7d9c4"  # what is looked at now

BACK, LINES, SHAPES, MARKS, TOP = 1, 2, 3, 4, 5  # what lies above what

Point = tuple[float, float]


@dataclass(frozen=True)
class Node:
    """Something drawn, by its middle and its size."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    @property
    def left(self) -> Point:
        """The middle of the left side."""
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        """The middle of the right side."""
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> Point:
        """The middle of the upper side."""
        return self.x, self.y - self.height / 2

    @property
    def bottom(self) -> Point:
        """The middle of the lower side."""
        return self.x, self.y + self.height / 2


@cache
def signed(number: float) -> str:
    """A number of at most three digits, with a minus sign and not a hyphen.

    >>> signed(-1.2), signed(3.0)
    ('−1.2', '3')
    """
    return f"{number:.3g}".replace("-", "−")


def _length(line: str, size: float, weight: str) -> float:
    """The length of a line of text, whatever draws it in the end."""
    font = FontProperties(size=size, weight=weight)
    return TextToPath().get_text_width_height_descent(line, font, ismath="$" in line)[0]


def _towards(node: Node, other: Node) -> Point:
    """Where a straight line from a node to another leaves it."""
    if 2 * abs(node.x - other.x) <= max(node.width, other.width) and node.y != other.y:
        x = min(node, other, key=lambda n: n.width).x
        return (x, node.bottom[1]) if other.y > node.y else (x, node.top[1])
    if 2 * abs(node.y - other.y) <= max(node.height, other.height):
        y = min(node, other, key=lambda n: n.height).y
        return (node.right[0], y) if other.x > node.x else (node.left[0], y)
    raise ValueError(f"No straight line joins {node} and {other}: name the corners.")


def _as_node(place: Node | Point) -> Node:
    return place if isinstance(place, Node) else Node(*place)


class Diagram:
    """A drawing made of layers, operations, tensors, sums, products and the lines between them.

    Every shape is placed by its middle and returns a `Node` that lines can start and end at.

    Example:
        >>> d = Diagram()
        >>> x, f, y = d.column(60, 0, [("tensor", "x"), ("layer", "Linear"), ("sum", "")])
        >>> d.skip((60, 35), y, x=120)
        >>> d.figure().get_figwidth() < 2
        True
    """

    def __init__(self, figure: Figure | None = None) -> None:
        """Start a drawing.

        Args:
            figure: draw on this one, which is emptied, instead of a new one.
        """
        self._figure = figure or plt.figure(layout="none")
        self._figure.clear()
        # "none" alone would turn into the style's constrained layout once the figure is saved
        self._figure.set_layout_engine(PlaceHolderLayoutEngine(True, True))
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.axis("off")
        self._boxes: list[tuple[Point, Point]] = []
        self._count = 0

    # ------------------------------------------------------------------------------- shapes
    def box(
        self,
        x: float,
        y: float,
        label: str,
        *,
        learned: bool = True,
        width: float | None = None,
        height: float | None = None,
        size: float | None = None,
    ) -> Node:
        """A layer or an operation: a rounded box with its name in the code.

        Args:
            x: its middle.
            y: its middle.
            label: its name; a line break makes the box higher.
            learned: whether it has weights (blue) or none (orange).
            width: as wide as the label needs, if None.
            height: as high as the label needs, if None.
            size: of the type; larger where there are subscripts, if None.

        Returns:
            The box.
        """
        face, edge = (LAYER, LAYER_EDGE) if learned else (PLAIN, PLAIN_EDGE)
        return self._labelled(x, y, label, width, height, size, face, edge, rounding=6)

    def tensor(
        self,
        x: float,
        y: float,
        label: str,
        *,
        width: float | None = None,
        height: float | None = None,
        size: float | None = None,
        chosen: bool = False,
    ) -> Node:
        """Numbers: a box with sharp corners, and a name or a shape in it.

        Args:
            x: its middle.
            y: its middle.
            label: its name or its shape.
            width: as wide as the label needs, if None.
            height: as high as the label needs, if None.
            size: of the type; larger where there are subscripts, if None.
            chosen: whether it stands out among its neighbours.

        Returns:
            The box.
        """
        face, edge = (CHOSEN, INK) if chosen else (TENSOR, TENSOR_EDGE)
        return self._labelled(x, y, label, width, height, size, face, edge, rounding=0)

    def sheets(
        self, x: float, y: float, size: float, count: int, label: str = "", *, step: float = 4
    ) -> Node:
        """A stack of feature maps, one behind the other, with its shape below.

        Args:
            x: the middle of the whole stack.
            y: the middle of the whole stack.
            size: the side of a map.
            count: how many maps are drawn.
            label: what is written below, usually the shape.
            step: how far each map looks out from behind the next.

        Returns:
            The whole stack, without its label.
        """
        span = step * (count - 1)
        corner_x, corner_y = x - (size + span) / 2, y - (size + span) / 2
        for i in reversed(range(count)):
            place = (corner_x + step * i, corner_y + span - step * i)
            style: dict[str, Any] = dict(
                facecolor=TENSOR, edgecolor=TENSOR_EDGE, linewidth=self._points(1.2)
            )
            self._add(Rectangle(place, size, size, **style), SHAPES)
        self._keep((corner_x, corner_y), (corner_x + size + span, corner_y + size + span))
        if label:
            self.text(x, y + (size + span) / 2 + 13, label, size=SMALL)
        return Node(x, y, size + span, size + span)

    def add(self, x: float, y: float, *, small: bool = False) -> Node:
        """A sum of what comes in: ⊕.

        Args:
            x: its middle.
            y: its middle.
            small: where many stand side by side.

        Returns:
            The circle.
        """
        node = self._circle(x, y, 8 if small else HALF)
        arm = node.width / 2 - 4
        self.line((x - arm, y), (x + arm, y), head=False, layer=MARKS)
        self.line((x, y - arm), (x, y + arm), head=False, layer=MARKS)
        return node

    def times(self, x: float, y: float) -> Node:
        """A product, entry by entry: ⊙.

        Args:
            x: its middle.
            y: its middle.

        Returns:
            The circle.
        """
        node = self._circle(x, y, HALF)
        self.dot(x, y, color=INK, radius=3)
        return node

    def unit(self, x: float, y: float, *, radius: float = 13, dropped: bool = False) -> Node:
        """One unit of a network, crossed out if it is dropped.

        Args:
            x: its middle.
            y: its middle.
            radius: of the circle.
            dropped: whether it is crossed out.

        Returns:
            The circle.
        """
        face, edge = (PALE, QUIET) if dropped else (TENSOR, TENSOR_EDGE)
        node = self._circle(x, y, radius, face, edge)
        if dropped:
            self._cross(x, y, 0.6 * radius)
        return node

    def grid(
        self,
        x: float,
        y: float,
        cells: Sequence[Sequence[object]],
        *,
        cell: float = 28,
        width: float | None = None,
        learned: bool = False,
        struck: Sequence[Sequence[object]] | None = None,
        faint: Sequence[Sequence[object]] | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> Node:
        """A matrix cell by cell: a mask, a feature map, a row of numbers.

        Args:
            x: the middle of the whole matrix.
            y: the middle of the whole matrix.
            cells: what is written in each cell, row by row; "" for nothing.
            cell: the height of a cell.
            width: the width of a cell, if it is no square.
            learned: whether the numbers are weights, as a kernel's.
            struck: which cells are crossed out.
            faint: which cells belong to a border, such as padding.
            window: first row, first column, rows and columns of the part that is looked at.

        Returns:
            The whole matrix.
        """
        rows, columns, wide = len(cells), len(cells[0]), width or cell
        left, top = x - columns * wide / 2, y - rows * cell / 2
        fill, stroke = (LAYER, LAYER_EDGE) if learned else (TENSOR, TENSOR_EDGE)
        edge: dict[str, Any] = dict(edgecolor=stroke, linewidth=self._points(1.0))
        first_row, first_column, height, span = window or (0, 0, 0, 0)
        for row, entries in enumerate(cells):
            for column, entry in enumerate(entries):
                is_struck = struck is not None and bool(struck[row][column])
                is_faint = faint is not None and bool(faint[row][column])
                face = PALE if is_struck else PAPER if is_faint else fill
                if 0 <= row - first_row < height and 0 <= column - first_column < span:
                    face = CHOSEN
                corner = (left + column * wide, top + row * cell)
                self._add(Rectangle(corner, wide, cell, facecolor=face, **edge), SHAPES)
                middle = corner[0] + wide / 2, corner[1] + cell / 2
                if is_struck:
                    self._cross(*middle, 0.32 * cell)
                elif str(entry):
                    self.text(*middle, str(entry), color=QUIET if is_faint else INK)
        if window:
            corner = (left + first_column * wide, top + first_row * cell)
            border: dict[str, Any] = dict(
                facecolor="none", edgecolor=INK, linewidth=self._points(2.2)
            )
            self._add(Rectangle(corner, span * wide, height * cell, **border), MARKS)
        self._keep((left, top), (left + columns * wide, top + rows * cell))
        return Node(x, y, columns * wide, rows * cell)

    def frame(self, left: float, top: float, right: float, bottom: float, label: str = "") -> Node:
        """A quiet frame around parts that belong together, behind them.

        Args:
            left: its left side.
            top: its upper side.
            right: its right side.
            bottom: its lower side.
            label: what is written in its upper left corner.

        Returns:
            The frame.
        """
        style: dict[str, Any] = dict(
            facecolor=PAPER, edgecolor="#8a8a8a", linewidth=self._points(1.0)
        )
        shape = f"round,pad=0,rounding_size={10}"
        patch = FancyBboxPatch((left, top), right - left, bottom - top, boxstyle=shape, **style)
        self._add(patch, BACK)
        self._keep((left, top), (right, bottom))
        if label:
            self.text(left + 10, top + 13, label, size=SMALL, color=QUIET, align="left")
        return Node((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)

    def text(
        self,
        x: float,
        y: float,
        label: str,
        *,
        size: float | None = None,
        color: str = INK,
        align: str = "center",
        bold: bool = False,
    ) -> Node:
        """Words, or mathematics between dollars.

        Args:
            x: the middle, or the side that ``align`` names.
            y: the middle.
            label: what is written.
            size: of the type; larger where there are subscripts, if None.
            color: of the type.
            align: ``center``, ``left`` or ``right``.
            bold: whether it is a heading.

        Returns:
            The space that it takes.
        """
        size = size or (MATH if "$" in label else TEXT)
        weight = "bold" if bold else "normal"
        width, height = self._size(label, size, weight)
        pitch = 1.25 * size
        for i, line in enumerate(lines := label.split("\n")):
            # capitals and digits stand in the middle; so no label shifts with its descenders
            baseline = y + 0.365 * size + (i - (len(lines) - 1) / 2) * pitch
            self._axes.text(
                x, baseline, line, fontsize=self._points(size), color=color, ha=align,
                va="baseline", weight=weight, zorder=TOP,
            )  # fmt: skip
        left = x - {"left": 0, "center": width / 2, "right": width}[align]
        self._keep((left, y - height / 2), (left + width, y + height / 2))
        return Node(left + width / 2, y, width + 6, height)  # lines keep off the letters

    # -------------------------------------------------------------------------------- lines
    def arrow(self, start: Node | Point, end: Node | Point, *corners: Point, **style: Any) -> None:
        """An arrow from one thing to another, straight or around corners.

        Args:
            start: where it leaves.
            end: where it arrives.
            corners: where it turns; none for a straight arrow.
            style: as for `line`.

        Raises:
            ValueError: a corner is missing: a part would be neither level nor upright.
        """
        stops = [_as_node(stop) for stop in (start, *corners, end)]
        first, last = _towards(stops[0], stops[1]), _towards(stops[-1], stops[-2])
        self.line(first, *corners, last, **style)

    def chain(self, *nodes: Node, **style: Any) -> None:
        """Arrows from each thing to the next.

        Args:
            nodes: what is joined, in order.
            style: as for `line`.
        """
        for before, after in pairwise(nodes):
            self.arrow(before, after, **style)

    def skip(
        self, start: Point, end: Node, *, x: float | None = None, y: float | None = None
    ) -> None:
        """A skip connection: around what lies between a point of a line and a sum.

        Args:
            start: the point of the line where it leaves.
            end: the sum where it arrives.
            x: how far out it runs, beside a column; or ``y``.
            y: how far out it runs, above or below a row.
        """
        if x is not None:
            corners = (x, start[1]), (x, end.y)
        elif y is not None:
            corners = (start[0], y), (end.x, y)
        else:
            raise ValueError("A skip connection runs at x=... or at y=...")
        self.arrow(start, end, *corners, color=SKIP, width=THICK)
        self.dot(*start, color=SKIP, radius=3.6)

    def loop(self, node: Node, *, above: float = 18, out: float = 16) -> None:
        """A recurrent loop: out on the right, over the top, and in on the left.

        Args:
            node: what is fed with its own state.
            above: how far above its upper side the loop runs.
            out: how far beside it.
        """
        left, right, top = node.left[0] - out, node.right[0] + out, node.top[1] - above
        corners = (right, node.y), (right, top), (left, top), (left, node.y)
        self.arrow(node, node, *corners, color=STATE, width=THICK - 0.4)

    def line(
        self,
        *points: Point,
        color: str = INK,
        width: float = LINE,
        head: bool = True,
        dashed: bool = False,
        over: bool = False,
        layer: float = LINES,
    ) -> None:
        """A line through points, with round corners.

        Args:
            points: two or more.
            color: of the line.
            width: of the line.
            head: whether it ends in an arrowhead.
            dashed: whether it is broken.
            over: whether it cuts the lines that it crosses.
            layer: what it lies above; ``MARKS`` on a shape.
        """
        (ax, ay), (bx, by) = points[-2:]
        length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        ux, uy = (bx - ax) / length, (by - ay) / length
        reach, spread = 4.4 * LINE + 0.8 * width, 1.9 * LINE + 0.5 * width
        stop = (bx - ux * 0.8 * reach, by - uy * 0.8 * reach) if head else (bx, by)
        vertices, codes = [points[0]], [Path.MOVETO]
        for before, corner, after in zip(points, points[1:], points[2:]):
            for near, kind in ((before, Path.LINETO), (after, Path.CURVE3)):
                distance = abs(near[0] - corner[0]) + abs(near[1] - corner[1])
                share = min(7, distance / 2) / distance
                close = (
                    corner[0] + share * (near[0] - corner[0]),
                    corner[1] + share * (near[1] - corner[1]),
                )
                vertices += [close] if kind == Path.LINETO else [corner, close]
                codes += [kind] if kind == Path.LINETO else [kind, kind]
        path = Path([*vertices, stop], [*codes, Path.LINETO])
        stroke: dict[str, Any] = dict(facecolor="none", capstyle="butt")
        if over:
            self._add(
                PathPatch(path, edgecolor=PAPER, linewidth=self._points(width + 7), **stroke), layer
            )
        style = (0, (3, 2)) if dashed else "-"
        self._add(
            PathPatch(
                path, edgecolor=color, linewidth=self._points(width), linestyle=style, **stroke
            ),
            layer,
        )
        if head:
            back = bx - ux * reach, by - uy * reach
            wings = [(back[0] - s * uy, back[1] + s * ux) for s in (spread, -spread)]
            self._add(Polygon([(bx, by), *wings], facecolor=color, linewidth=0), layer)
        for x, y in points:
            self._keep((x - width, y - width), (x + width, y + width))

    def dot(self, x: float, y: float, *, color: str = INK, radius: float = 2.8) -> Node:
        """A point where a line forks.

        Args:
            x: its middle.
            y: its middle.
            color: as the line's.
            radius: of the dot.

        Returns:
            The dot, for lines that start there.
        """
        self._add(Circle((x, y), radius, facecolor=color, linewidth=0), MARKS)
        return Node(x, y)

    # ------------------------------------------------------------------------- several at once
    def column(
        self,
        x: float,
        top: float,
        parts: Sequence[tuple[str, str]],
        *,
        width: float | None = None,
        gap: float = 16,
    ) -> list[Node]:
        """Parts below each other, each with an arrow to the next.

        Args:
            x: the middle of all.
            top: the upper side of the first.
            parts: kind and label of each; kinds are ``layer``, ``function``, ``tensor``, ``sum``.
            width: of boxes and tensors.
            gap: the length of an arrow.

        Returns:
            The parts.
        """
        nodes = []
        for kind, label in parts:
            height = 2 * HALF if kind == "sum" else self._height(label)
            y = top + height / 2
            if kind == "sum":
                nodes.append(self.add(x, y))
            elif kind == "tensor":
                nodes.append(self.tensor(x, y, label, width=width))
            else:
                nodes.append(self.box(x, y, label, learned=kind == "layer", width=width))
            top += height + gap
        self.chain(*nodes)
        return nodes

    def figure(self, margin: float = 4) -> Figure:
        """Cut the figure to what was drawn.

        Args:
            margin: what stays empty around it.

        Returns:
            The figure.
        """
        starts, ends = zip(*self._boxes)
        left, top = min(x for x, _ in starts) - margin, min(y for _, y in starts) - margin
        right, bottom = max(x for x, _ in ends) + margin, max(y for _, y in ends) + margin
        self._axes.set(xlim=(left, right), ylim=(bottom, top))
        self._figure.set_dpi(96)
        self._figure.set_size_inches((right - left) / 96, (bottom - top) / 96)
        return self._figure

    # ------------------------------------------------------------------------------ helpers
    def _points(self, pixels: float) -> float:
        """Matplotlib measures lines and type in points, 72 to the inch; pixels are 96."""
        return 0.75 * pixels

    def _size(self, label: str, size: float, weight: str = "normal") -> Point:
        """Width and height of a label."""
        lengths = [_length(line, size, weight) for line in label.split("\n")]
        return max(lengths), len(lengths) * 1.25 * size

    def _height(self, label: str) -> float:
        """The usual height of a box."""
        return 28 + 18 * label.count("\n")

    def _keep(self, start: Point, end: Point) -> None:
        """Remember that something lies there."""
        self._boxes.append((start, end))

    def _add(self, patch: Patch, layer: float) -> None:
        """Put something on one of the layers; within a layer, what comes later lies above."""
        self._count += 1
        patch.set_zorder(layer + 1e-4 * self._count)
        self._axes.add_patch(patch)

    def _circle(
        self, x: float, y: float, radius: float, face: str = PAPER, edge: str = INK
    ) -> Node:
        style: dict[str, Any] = dict(facecolor=face, edgecolor=edge, linewidth=self._points(LINE))
        self._add(Circle((x, y), radius, **style), SHAPES)
        self._keep((x - radius - 1, y - radius - 1), (x + radius + 1, y + radius + 1))
        return Node(x, y, 2 * radius, 2 * radius)

    def _cross(self, x: float, y: float, arm: float) -> None:
        for way in (1, -1):
            ends = (x - arm, y - way * arm), (x + arm, y + way * arm)
            self.line(*ends, color=QUIET, head=False, layer=MARKS)

    def _labelled(
        self,
        x: float,
        y: float,
        label: str,
        width: float | None,
        height: float | None,
        size: float | None,
        face: str,
        edge: str,
        rounding: float,
    ) -> Node:
        size = size or (MATH if "$" in label else TEXT)
        width = width or self._size(label, size)[0] + 18
        height = height or self._height(label)
        corner = (x - width / 2, y - height / 2)
        style: dict[str, Any] = dict(facecolor=face, edgecolor=edge, linewidth=self._points(LINE))
        patch: Patch = (
            FancyBboxPatch(
                corner, width, height, boxstyle=f"round,pad=0,rounding_size={rounding}", **style
            )
            if rounding
            else Rectangle(corner, width, height, **style)
        )
        self._add(patch, SHAPES)
        self._keep((corner[0] - 1, corner[1] - 1), (x + width / 2 + 1, y + height / 2 + 1))
        if label:
            self.text(x, y, label, size=size)
        return Node(x, y, width, height)
