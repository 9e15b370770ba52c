"""Labelled images as one resident tensor, and batches cut from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from utils.errors import unknown
from utils.seed import generator


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their labels, resident on one device.

    Pixels stay bytes, a quarter of the memory of floats; each batch is scaled to [0, 1] by itself.

    >>> pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    >>> images = Images(pixels, torch.tensor([0, 1, 1]), ("cat", "dog"), "made up")
    >>> images[images.y == images.label("dog")]
    Images(2 of 1 x 2 x 2, 2 classes, made up, on cpu)
    >>> [X.shape for X, y in images.batches(2, resize=8)]
    [torch.Size([2, 1, 8, 8]), torch.Size([1, 1, 8, 8])]

    Attributes:
        X: the images.
        y: the class of each image, an index into ``classes``.
        classes: the names of the classes.
        source: where the images come from, for a page to say.
    """

    X: UInt8[Tensor, "n channels height width"]
    y: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        channels, height, width = self.X.shape[1:]
        return (
            f"Images({len(self):,} of {channels} x {height} x {width}, "
            f"{len(self.classes)} classes, {self.source}, on {self.X.device})"
        )

    def __getitem__(
        self, index: int | slice | list[int] | Int64[Tensor, " k"] | Bool[Tensor, " n"]
    ) -> "Images":
        """The images at ``index`` (number, slice, list, index tensor or mask), again as Images."""
        if isinstance(index, int):
            index = [index]
        return replace(self, X=self.X[index], y=self.y[index])

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device, or views of them if they are there already."""
        return replace(self, X=self.X.to(device), y=self.y.to(device))

    def label(self, name: str) -> int:
        """The number of a class; its name may be in any case.

        Raises:
            ValueError: there is no such class; the message lists those that exist.
        """
        lowered = [c.lower() for c in self.classes]
        if name.lower() not in lowered:
            raise ValueError(unknown("class", name, self.classes))
        return lowered.index(name.lower())

    def tensors(self) -> tuple[Float32[Tensor, "n channels height width"], Int64[Tensor, " n"]]:
        """All images, scaled to [0, 1], and their labels.

        The images take four times the memory of the bytes that are kept.
        """
        return scaled(self.X), self.y

    def batches(
        self,
        batch_size: int = 256,
        *,
        shuffle: bool = True,
        seed: int = 0,
        resize: int | None = None,
        drop_last: bool = False,
    ) -> "Batches":
        """Batches of images, scaled to [0, 1], and labels, to iterate over once an epoch.

        Args:
            batch_size: images a batch; the last may have fewer.
            shuffle: draw a new order for every epoch.
            seed: of the orders; the same on every device.
            resize: height and width to scale each batch to, bilinearly.
            drop_last: leave out a last batch that is not full.

        Raises:
            ValueError: ``batch_size`` or ``resize`` is not positive.
        """
        return Batches(self, batch_size, shuffle, seed, resize, drop_last)


@dataclass(eq=False)
class Batches:
    """The batches of some images; every pass over them is one epoch. See ``Images.batches``."""

    images: Images
    batch_size: int
    shuffle: bool
    seed: int
    resize: int | None
    drop_last: bool
    _rng: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or (self.resize is not None and self.resize < 1):
            raise ValueError(
                f"batch_size={self.batch_size}, resize={self.resize}: both must be positive."
            )
        self._rng = generator(self.seed)

    def __len__(self) -> int:
        n = len(self.images)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(
        self,
    ) -> Iterator[tuple[Float32[Tensor, "batch channels height width"], Int64[Tensor, " batch"]]]:
        X, y = self.images.X, self.images.y
        if self.shuffle:  # drawn on the CPU, so that every device sees the same order
            order = torch.randperm(len(y), generator=self._rng).to(y.device)
        else:
            order = torch.arange(len(y), device=y.device)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            batch = scaled(X.index_select(0, chosen))  # twice as fast here as X[chosen]
            if self.resize is not None:
                size = (self.resize, self.resize)
                batch = F.interpolate(batch, size, mode="bilinear", align_corners=False)
            yield batch, y[chosen]


def scaled(
    X: UInt8[Tensor, "n channels height width"],
) -> Float32[Tensor, "n channels height width"]:
    """Bytes from 0 to 255 as numbers from 0 to 1."""
    return X.float().div_(255)
