"""Fashion-MNIST: the subset that ships, the way to the full set, and the file format."""

import gzip
import importlib.util
import time
from pathlib import Path

import pytest
import torch

import utils
from utils.data import DataError, fashion, fashion_mnist
from utils.data.downloads import Remote, file_hash
from utils.paths import shipped_data

# d2l asks for four workers, about which PyTorch warns where there are fewer cores
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

REMOTES = ("TRAIN_IMAGES", "TRAIN_LABELS", "TEST_IMAGES", "TEST_LABELS")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    monkeypatch.delenv("BOOK_FULL", raising=False)
    monkeypatch.delenv("BOOK_DATA", raising=False)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny_full_set(monkeypatch, tmp_path):
    """A publisher of eleven images, whose files lie in the reader's own folder."""
    for name in REMOTES:
        remote = getattr(fashion, name)
        kind = bytes([0, 0, 8, 3, 0, 0, 0, 11, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(11 * 28 * 28)
        if "LABELS" in name:
            kind = bytes([0, 0, 8, 1, 0, 0, 0, 11]) + bytes(range(10)) + b"\x00"
        file = tmp_path / "mine" / remote.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(kind))
        tiny = Remote(remote.path, ("http://127.0.0.1:9/none",), f"md5:{file_hash(file, 'md5')}")
        monkeypatch.setattr(fashion, name, tiny)
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_subset_is_stratified():
    train, test = fashion_mnist()
    assert train.X.shape == (10_000, 1, 28, 28)
    assert test.X.shape == (2_000, 1, 28, 28)
    assert train.y.bincount().tolist() == [1_000] * 10
    assert test.y.bincount().tolist() == [200] * 10
    assert train.X.dtype == torch.uint8
    assert train.y.dtype == torch.int64


def test_subset_has_the_known_mean_and_deviation():
    """The full set's are 0.2860 and 0.3530."""
    X, _ = fashion_mnist()[0].tensors()
    assert X.mean().item() == pytest.approx(0.2860, abs=0.005)
    assert X.std().item() == pytest.approx(0.3530, abs=0.005)


def test_train_and_test_share_no_image():
    train, test = fashion_mnist()
    seen = {image.numpy().tobytes() for image in train.X}
    assert sum(image.numpy().tobytes() in seen for image in test.X) == 0


def test_pages_can_say_which_data_they_used(tiny_full_set):
    assert fashion_mnist()[0].source == "Fashion-MNIST (subset, 10,000 images)"
    assert fashion_mnist(full=True)[0].source == "Fashion-MNIST (full, 11 images)"


@pytest.mark.parametrize(("setting", "n"), [("1", 11), ("0", 10_000), ("", 10_000)])
def test_environment_asks_for_the_full_set(tiny_full_set, monkeypatch, setting, n):
    monkeypatch.setenv("BOOK_FULL", setting)
    assert len(utils.data.fashion_mnist()[0]) == n
    assert len(utils.data.fashion_mnist(full=False)[0]) == 10_000


def test_full_set_comes_verified_or_not_at_all(tiny_full_set, monkeypatch):
    monkeypatch.setattr("utils.data.downloads.ATTEMPTS", 1)
    file = tiny_full_set / fashion.TRAIN_IMAGES.path
    file.write_bytes(file.read_bytes()[:-1])
    with (
        pytest.warns(UserWarning, match="not the published file"),
        pytest.raises(DataError, match="train-images-idx3-ubyte.gz could not be had"),
    ):
        fashion_mnist(full=True)


def test_labels():
    train, _ = fashion_mnist()
    assert train.label("ankle boot") == 9
    assert len(train.classes) == 10
    with pytest.raises(ValueError, match="no class 'hat'.*t-shirt/top, trouser.*ankle boot"):
        train.label("hat")


def test_read_idx_reads_what_is_there(tmp_path):
    file = tmp_path / "x.gz"
    file.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + b"abcdef"))
    assert fashion.read_idx(file).tolist() == [[97, 98, 99], [100, 101, 102]]


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip at all",
        gzip.compress(b""),
        gzip.compress(b"\x00\x00\x0d\x01\x00\x00\x00\x01aaaa"),  # floats
        gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x05abc"),  # two bytes short
        gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x02ab" * 99)[:-9],
    ],
    ids=["no gzip", "empty", "floats", "too short", "cut off"],  # gzip's bytes hold the time
)
def test_read_idx_refuses_other_files(tmp_path, content):
    file = tmp_path / "x.gz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole idx file"):
        fashion.read_idx(file)


@pytest.fixture
def bench():
    """The benchmark as a module."""
    script = Path(__file__).parents[2] / "benchmarks/data_loading.py"
    spec = importlib.util.spec_from_file_location("data_loading", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_much_faster_than_d2l_on_the_subset(bench):
    """The full comparison is `make bench`, with 60 as its target; this one has room for noise."""

    def seconds(batches):
        start = time.perf_counter()
        assert sum(len(y) for _, y in batches) == 10_000
        return time.perf_counter() - start

    ours, theirs = bench.book_loader(full=False), bench.d2l_loader(full=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as d2l's workers have; threads that wait for a core tell nothing
    try:
        assert seconds(theirs) > 20 * min(seconds(ours) for _ in range(5))
    finally:
        torch.set_num_threads(threads)


def test_batches_equal_d2ls(bench):
    X, y = fashion_mnist()[0].tensors()
    for i in (0, 1, 9_999):
        image, label = bench.d2l_loader(full=False).dataset[i]
        assert torch.equal(X[i], image)
        assert y[i] == label


def test_shipped_files_are_the_ones_in_the_readme():
    readme = (shipped_data() / "README.md").read_text(encoding="utf-8")
    files = [f for f in shipped_data().rglob("*") if f.is_file()]
    files = [f for f in files if f.name not in ("README.md", "LICENSE")]
    assert len(files) == 10
    for file in files:
        assert file_hash(file) in readme, f"{file} is not in data/README.md, or has changed"
