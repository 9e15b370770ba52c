"""Pictures that need no download: characters drawn from fonts, and two photographs."""

import math
import string
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from utils.data.images import Images
from utils.device import best_device
from utils.errors import unknown
from utils.seed import generator

FONTS = (  # Matplotlib brings them all
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmr10",
)
PHOTOGRAPHS = ("china", "flower")


def glyphs(
    n: int = 10_000,
    characters: str = string.digits,
    *,
    size: int = 28,
    fonts: Sequence[str] = FONTS,
    rotation: float = 15.0,
    scale: float = 0.2,
    shift: float = 0.15,
    noise: float = 0.1,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> Images:
    """Characters drawn from fonts, white on black, each distorted at random; as many as you like.

    >>> glyphs(100, "abc", device="cpu")
    Images(100 of 1 x 28 x 28, 3 classes, glyphs of Matplotlib's fonts (seed 0, 100 images), on cpu)

    Args:
        n: number of images, the same of each character or one more.
        characters: the classes: ASCII digits and letters.
        size: height and width.
        fonts: drawn from with equal chance; names out of ``FONTS``.
        rotation: the largest, in degrees.
        scale: the largest, relative: 0.2 is 80 % to 120 %.
        shift: the largest, as a fraction of half the width.
        noise: standard deviation, white being 1.
        seed: the same images for the same seed.
        device: where the images are kept; by default the best there is.

    Raises:
        ValueError: a font is unknown or a character is neither digit nor letter.
    """
    for font in fonts:
        if font not in FONTS:
            raise ValueError(unknown("font", font, FONTS))
    for character in characters:
        if character not in string.digits + string.ascii_letters:
            raise ValueError(unknown("character", character, string.digits + string.ascii_letters))
    rng = generator(seed)
    # Drawn twice as large, once for each font; distorted copies are then sampled from the drawings.
    drawings = torch.stack([_draw(c, f, 2 * size) for c in characters for f in fonts])
    y = (torch.arange(n) % len(characters))[torch.randperm(n, generator=rng)]
    which = y * len(fonts) + torch.randint(len(fonts), (n,), generator=rng)

    def uniform(largest: float) -> Tensor:
        return (2 * torch.rand(n, generator=rng) - 1) * largest

    angle, zoom = uniform(math.radians(rotation)), 1 / (1 + uniform(scale))
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [cos, -sin, uniform(shift), sin, cos, uniform(shift)]
    theta = torch.stack(rows, dim=1).reshape(n, 2, 3)  # one affine map an image
    X = torch.empty(n, 1, size, size, dtype=torch.uint8)
    for part in torch.arange(n).split(1_000):  # in parts, to stay small in memory
        grid = F.affine_grid(theta[part], [len(part), 1, size, size], align_corners=False)
        images = F.grid_sample(drawings[which[part]], grid, align_corners=False)
        images += noise * torch.randn(images.shape, generator=rng)
        X[part] = (255 * images.clamp(0, 1)).round().byte()
    source = f"glyphs of Matplotlib's fonts (seed {seed}, {n:,} images)"
    return Images(X, y, tuple(characters), source).to(best_device() if device is None else device)


def _draw(character: str, font: str, size: int) -> Tensor:
    """A character in the middle of a square: 1 x size x size, from 0 to 1."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts/ttf" / f"{font}.ttf"
    face = ImageFont.truetype(str(file), size=round(0.8 * size))
    left, top, right, bottom = face.getbbox(character)
    canvas = Image.new("L", (size, size))
    corner = ((size - left - right) / 2, (size - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, character, fill=255, font=face)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8)
    return pixels.reshape(1, size, size) / 255


def photograph(
    name: str, device: torch.device | str | None = None
) -> UInt8[Tensor, "3 height width"]:
    """A colour photograph out of scikit-learn: "china" (a temple) or "flower" (a dahlia).

    >>> photograph("china").shape
    torch.Size([3, 427, 640])

    Raises:
        ValueError: there is no such photograph; the message lists those that exist.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(unknown("photograph", name, PHOTOGRAPHS))
    from sklearn.datasets import load_sample_image

    pixels = torch.from_numpy(load_sample_image(f"{name}.jpg").copy())  # height width 3
    return pixels.permute(2, 0, 1).contiguous().to(best_device() if device is None else device)
