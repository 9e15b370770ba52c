"""Images that keep their place before they come, and come when they are needed.

Each has its width and height; all but the first in the text are fetched when they come near.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from PIL import Image

IMAGE = re.compile(r"<img\b[^>]*?\bsrc=\"([^\"]+)\"[^>]*>")
TO_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3}


@functools.cache
def size_of(file: Path) -> tuple[int, int] | None:
    """Width and height of an image in CSS pixels, or None where a drawing does not say.

    A drawing without them has the shape of its view box.
    """
    if file.suffix != ".svg":
        with Image.open(file) as image:
            return image.size
    head = re.search(r"<svg\b[^>]*>", file.read_text(encoding="utf-8"))
    if head is None:
        return None
    sides = [re.search(rf'\b{side}="([\d.]+)(px|pt|)"', head[0]) for side in ("width", "height")]
    if all(sides):
        width, height = (round(float(side[1]) * TO_PIXELS[side[2]]) for side in sides if side)
        return width, height
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', head[0])
    return (round(float(box[1])), round(float(box[2]))) if box else None


def with_sizes(page: str, files: dict[str, Path]) -> str:
    """A page whose images say how large they are, and wait until they are needed.

    Args:
        page: The page's HTML.
        files: Where the images are, by the name of the file.
    """
    start = page.find("<article")
    first = True

    def better(match: re.Match[str]) -> str:
        nonlocal first
        tag, more = match[0], ' decoding="async"'
        file = files.get(match[1].rpartition("/")[2])
        if file is not None and (size := size_of(file)) and not re.search(r"\bwidth=", tag):
            more += ' width="{}" height="{}"'.format(*size)
        in_text = match.start() > start >= 0
        if not ("loading=" in tag or "logo__image" in tag or (first and in_text)):
            more += ' loading="lazy"'
        first = first and not in_text
        return f"<img{more}{tag[4:]}"

    return IMAGE.sub(better, page)
