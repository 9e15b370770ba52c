"""Make the subset of Fashion-MNIST that ships in data/, from the full set.

The subset has the same number of images of each class, drawn by seed and kept in the order of the
full set, in the publisher's own format. Making it again gives the same bytes.
"""

import gzip

import torch

from utils.data.downloads import Remote, fetch
from utils.data.fashion import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, read_idx
from utils.paths import shipped_data
from utils.seed import generator

SEED = 0


def write_idx(tensor: torch.Tensor, path: str) -> None:
    header = bytes([0, 0, 8, tensor.dim()])
    header += b"".join(size.to_bytes(4, "big") for size in tensor.shape)
    file = shipped_data() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(header + tensor.numpy().tobytes(), compresslevel=9, mtime=0))
    print(f"{file}: {tuple(tensor.shape)}, {file.stat().st_size:,} bytes")


def make(images: Remote, labels: Remote, per_class: int) -> None:
    X, y = read_idx(fetch(images)), read_idx(fetch(labels))
    rng = generator(SEED)
    chosen = []
    for label in y.unique():
        members = (y == label).nonzero().flatten()
        chosen.append(members[torch.randperm(len(members), generator=rng)[:per_class]])
    keep = torch.cat(chosen).sort().values
    write_idx(X[keep], images.path)
    write_idx(y[keep], labels.path)


if __name__ == "__main__":
    make(TRAIN_IMAGES, TRAIN_LABELS, per_class=1_000)
    make(TEST_IMAGES, TEST_LABELS, per_class=200)
