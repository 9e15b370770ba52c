"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): ten kinds of clothing, 28 by 28 pixels, grey."""

import gzip
import os
from pathlib import Path

import torch
from torch import Tensor

from utils.data.downloads import Remote, fetch
from utils.data.images import Images
from utils.device import best_device
from utils.paths import shipped_data

CLASSES = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

_PUBLISHER = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_MIRROR = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist"
    "/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion"
)
_DEBIAN = "/usr/share/datasets/fashion-mnist"  # of the package dataset-fashion-mnist


def _remote(name: str, md5: str, content_sha256: str) -> Remote:
    return Remote(
        path=f"fashion-mnist/{name}",
        urls=(f"{_PUBLISHER}/{name}", f"{_MIRROR}/{name}"),
        hash=f"md5:{md5}",
        content_sha256=content_sha256,  # Debian packs the files again, without the gzip time stamp
        elsewhere=(f"{_DEBIAN}/{name}",),
    )


TRAIN_IMAGES = _remote(
    "train-images-idx3-ubyte.gz",
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
)
TRAIN_LABELS = _remote(
    "train-labels-idx1-ubyte.gz",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
)
TEST_IMAGES = _remote(
    "t10k-images-idx3-ubyte.gz",
    "bef4ecab320f06d8554ea6380940ec79",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
)
TEST_LABELS = _remote(
    "t10k-labels-idx1-ubyte.gz",
    "bb300cfdad3c16e7a12a480ee83cd310",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)


def fashion_mnist(
    full: bool | None = None, device: torch.device | str | None = None
) -> tuple[Images, Images]:
    """Fashion-MNIST, for training and for testing (https://arxiv.org/abs/1708.07747).

    With ``full``, by default whether ``$BOOK_FULL`` is set and not 0, these are all 60,000 + 10,000
    images instead of the stratified 10,000 + 2,000 that ship with the book.

    >>> train, test = fashion_mnist(full=False, device="cpu")
    >>> train
    Images(10,000 of 1 x 28 x 28, 10 classes, Fashion-MNIST (subset, 10,000 images), on cpu)

    Raises:
        DataError: the full set is neither on this machine nor to be downloaded.
    """
    if full is None:
        full = os.environ.get("BOOK_FULL", "0") not in ("", "0")
    device = best_device() if device is None else device

    def images(X: Remote, y: Remote) -> Images:
        files = [fetch(r) if full else shipped_data() / r.path for r in (X, y)]
        pixels, labels = map(read_idx, files)
        size = "full" if full else "subset"
        source = f"Fashion-MNIST ({size}, {len(labels):,} images)"
        return Images(pixels.unsqueeze(1), labels.long(), CLASSES, source).to(device)

    return images(TRAIN_IMAGES, TRAIN_LABELS), images(TEST_IMAGES, TEST_LABELS)


def read_idx(file: Path) -> Tensor:
    """Read a gzipped file of unsigned bytes in the format of MNIST (yann.lecun.com/exdb/mnist).

    It holds the shape, big-endian, and then the bytes, which become a tensor of this shape.

    Raises:
        ValueError: the file is of another format or cut short.
    """
    broken = ValueError(f"{file} is not a whole idx file of unsigned bytes.")
    try:
        with gzip.open(file) as stream:
            magic = stream.read(4)
            if magic[:3] != b"\x00\x00\x08":
                raise broken
            shape = [int.from_bytes(stream.read(4), "big") for _ in range(magic[3])]
            tensor = torch.empty(shape, dtype=torch.uint8)
            for part in tensor.view(-1).split(1 << 20):  # in parts, so that nothing is kept twice
                if stream.readinto(part.numpy()) != len(part):
                    raise broken
            if stream.read(1):  # reading to the end also checks gzip's own sum
                raise broken
    except (EOFError, gzip.BadGzipFile) as error:
        raise broken from error
    return tensor
