"""Images and their batches."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from utils.data import Images


@pytest.fixture
def images():
    X = torch.arange(10 * 2 * 4 * 4).remainder(251).byte().reshape(10, 2, 4, 4)
    return Images(X, torch.arange(10) % 3, ("Cat", "dog", "bird"), "made up")


def all_labels(batches):
    return torch.cat([y for _, y in batches])


def test_shapes_are_checked():
    with pytest.raises(TypeError):
        Images(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), ("a",), "floats")
    with pytest.raises(TypeError):
        Images(torch.zeros(2, 1, 4, 4).byte(), torch.zeros(3).long(), ("a",), "one too many")


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (slice(2, 5), [2, 3, 4]),
        ([7, 1], [7, 1]),
        (torch.tensor([7, 1]), [7, 1]),
        (torch.arange(10) > 7, [8, 9]),
        (4, [4]),
        (-1, [9]),
    ],
)
def test_any_index_gives_images(images, index, expected):
    part = images[index]
    assert len(part) == len(expected)
    assert torch.equal(part.X, images.X[expected])
    assert torch.equal(part.y, images.y[expected])
    assert part.classes == images.classes


def test_tensors_are_scaled(images):
    X, y = images.tensors()
    assert X.dtype == torch.float32
    assert torch.equal(X, images.X / 255)
    assert torch.equal(y, images.y)
    assert images.X.dtype == torch.uint8


def test_label_by_name(images):
    assert [images.label(name) for name in ("cat", "Dog", "bird")] == [0, 1, 2]
    with pytest.raises(ValueError, match="no class 'fish'.*Cat, dog, bird"):
        images.label("fish")


def test_repr_says_what_there_is(images):
    assert repr(images) == "Images(10 of 2 x 4 x 4, 3 classes, made up, on cpu)"


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])], ids=["kept", "dropped"]
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_sizes_of_batches(images, shuffle, drop_last, sizes):
    batches = images.batches(4, shuffle=shuffle, drop_last=drop_last)
    assert [len(y) for _, y in batches] == sizes
    assert len(batches) == len(sizes)


def test_unshuffled_batches_are_the_images_in_order(images):
    X, y = zip(*images.batches(4, shuffle=False))
    assert torch.equal(torch.cat(X), images.X / 255)
    assert torch.equal(torch.cat(y), images.y)


def test_an_epoch_has_every_image_once_with_its_label(images):
    first_pixel = images.X[:, 0, 0, 0] / 255
    for X, y in images.batches(3, seed=1):
        for pixel, label in zip(X[:, 0, 0, 0], y):
            [i] = (first_pixel == pixel).nonzero().flatten().tolist()
            assert images.y[i] == label
    seen = torch.cat([X for X, _ in images.batches(3, seed=1)])
    assert torch.equal(seen[:, 0, 0, 0].sort().values, first_pixel.sort().values)


def test_order_follows_from_the_seed_and_changes_every_epoch(images):
    def epochs(seed: int) -> list[Tensor]:
        batches = images.batches(4, seed=seed)
        torch.rand(3)  # the global generator has no say
        return [torch.cat([X for X, _ in batches]) for _ in range(2)]

    assert all(map(torch.equal, epochs(0), epochs(0)))
    assert not torch.equal(*epochs(0))
    assert not torch.equal(epochs(0)[0], epochs(1)[0])


def test_batches_do_not_share_memory_with_the_images(images):
    before = images.X.clone()
    for X, _ in images.batches(4, shuffle=False):
        X.zero_()
    assert torch.equal(images.X, before)


def test_resize(images):
    [(X, _)] = images.batches(10, shuffle=False, resize=8)
    assert X.shape == (10, 2, 8, 8)
    assert torch.equal(X, F.interpolate(images.X / 255, (8, 8), mode="bilinear"))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"resize": 0}])
def test_sizes_must_be_positive(images, options):
    with pytest.raises(ValueError, match="must be positive"):
        images.batches(**options)


def test_empty_images_have_no_batches(images):
    assert list(images[:0].batches(4)) == []
    assert len(images[:0].batches(4)) == 0
