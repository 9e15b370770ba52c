"""Train the architectures of *Convolutional networks* alike, and store what each reaches and costs.

    make architectures                        small forms at 28 × 28; on a GPU, real sizes, too
    python -m tools.architectures LeNet NiN   only these, beside what is stored

Every network sees the same images in the same number of epochs, with SGD and momentum, at the best
of several learning rates: best on validation images, with a worse one on either side. Then it is
trained with other seeds, and tested. The results are stored in `chapters/architectures.json`,
each as soon as it is there, and drawn beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from tools import book
from tools.replicate import VERSIONS, store
from utils import nn as book_nn
from utils.data import fashion_mnist
from utils.data.images import Images
from utils.measure import peak_bytes, seconds
from utils.nn import BasicBlock
from utils.plotting import use_style
from utils.seed import seed_everything, seeds
from utils.stages import stages
from utils.training import evaluate, fit

FILE = book.ROOT / "chapters" / "architectures.json"
FIGURE = book.ROOT / "chapters" / "cnn" / "architectures.svg"
RATES = (0.01, 0.03, 0.1, 0.3)
LEAST, MOST = 1e-4, 10.0  # as far as the list grows where the best rate is its first or last
VALIDATION = 2000
BATCH = 64

Networks = dict[str, Callable[[], nn.Module]]

SMALL: Networks = {
    "LeNet": book_nn.LeNet,
    "AlexNet": lambda: book_nn.AlexNet(
        10,
        1,
        (12, 32, 48, 48, 32),
        hidden=256,
        groups=1,
        normalise=False,
        small=True,
        image_size=28,
    ),
    "VGG-11": lambda: book_nn.VGG(
        "A", 10, in_channels=1, image_size=28, width=1 / 8, hidden=(128, 128)
    ),
    "NiN": lambda: book_nn.NiN(10, widths=(16, 24, 32), in_channels=1, small=True),
    "GoogLeNet": lambda: book_nn.GoogLeNet(10, width=1 / 8, in_channels=1, small=True),
    "ResNet": lambda: book_nn.ResNet(
        BasicBlock, (1, 1, 1), widths=(8, 16, 32), in_channels=1, num_classes=10, small=True
    ),
    "DenseNet": lambda: book_nn.DenseNet(
        10, growth=6, counts=(3, 3, 3), first=12, in_channels=1, small=True
    ),
}
REAL: Networks = {
    "LeNet": book_nn.LeNet,
    "AlexNet": lambda: book_nn.AlexNet(10, 1, groups=1, normalise=False, padding=1, image_size=224),
    "VGG-11": lambda: book_nn.VGG("A", 10, in_channels=1),
    "NiN": lambda: book_nn.NiN(10, in_channels=1),
    "GoogLeNet": lambda: book_nn.GoogLeNet(10, in_channels=1),
    "ResNet": lambda: book_nn.ResNet(BasicBlock, (2, 2, 2, 2), in_channels=1, num_classes=10),
    "DenseNet": lambda: book_nn.DenseNet(10, in_channels=1),
}


@dataclass(frozen=True)
class Budget:
    """What every network is given."""

    epochs: int = 12
    seeds: int = 5
    resize: int | None = None


SMALL_BUDGET = Budget()
REAL_BUDGET = Budget(epochs=5, seeds=3, resize=224)


def parts(images: Images) -> tuple[Images, Images]:
    """Images for training, and the last ones, which choose the learning rate."""
    cut = len(images) - VALIDATION
    return (
        replace(images, X=images.X[:cut], y=images.y[:cut]),
        replace(images, X=images.X[cut:], y=images.y[cut:]),
    )


def built(make: Callable[[], nn.Module], images: Images) -> nn.Module:
    """A network where the images are, its weights laid out as convolutions like them."""
    net = make().to(images.X.device)
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def trained(
    make: Callable[[], nn.Module], rate: float, train: Images, seed: int, budget: Budget
) -> nn.Module:
    """A network after the budget's epochs; what diverges is returned as it was before."""
    seed_everything(seed)
    net = built(make, train)
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=5e-4)

    def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> OneCycleLR:
        return OneCycleLR(optimizer, rate, total_steps=steps, cycle_momentum=False)

    batches = train.batches(BATCH, seed=seed, resize=budget.resize)
    try:
        fit(net, batches, optimizer, epochs=budget.epochs, schedule=one_cycle, clip_norm=5.0)
    except FloatingPointError:
        seed_everything(seed)
        return built(make, train)
    return net


def accuracy(net: nn.Module, images: Images, budget: Budget) -> float:
    """The share of images that are classified right."""
    return evaluate(net, images.batches(500, shuffle=False, resize=budget.resize))[1]


def tuned(make: Callable[[], nn.Module], train: Images, budget: Budget) -> tuple[float, dict]:
    """The best learning rate, with a neighbour on each side; validation accuracy by rate."""
    learn, validation = parts(train)
    scores: dict[float, float] = {}

    def score(rate: float) -> float:
        if rate not in scores:
            net = trained(make, rate, learn, seeds(1)[0], budget)
            scores[rate] = accuracy(net, validation, budget)
        return scores[rate]

    rates = list(RATES)
    best = max(rates, key=score)
    while best == rates[0] > LEAST or best == rates[-1] < MOST:
        rates = [rates[0] / 3, *rates] if best == rates[0] else [*rates, rates[-1] * 3]
        best = max(rates, key=score)
    return best, {f"{rate:g}": round(scores[rate], 4) for rate in sorted(scores)}


def costs(make: Callable[[], nn.Module], train: Images, budget: Budget) -> dict[str, Any]:
    """Parameters, work, and a training step's time and memory."""
    size = budget.resize or train.X.shape[-1]
    net = built(make, train)
    X, y = next(iter(train.batches(BATCH, resize=budget.resize)))
    optimizer = torch.optim.SGD(net.parameters(), 0.0, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(X), y).backward()
        optimizer.step()

    whole = stages(make(), X.shape[1], size, size)
    step()
    steps = budget.epochs * -(-(len(train) - VALIDATION) // BATCH)
    return {
        "parameters": whole.parameters,
        "macs": whole.macs,
        "seconds": round(steps * seconds(step, 1.0), 2),
        "megabytes": round(peak_bytes(step) / 1e6, 1),
    }


def measured(name: str, make: Callable[[], nn.Module], budget: Budget, device: str) -> dict:
    """All that is stored of one network."""
    train, test = fashion_mnist(device=device)
    learn, _ = parts(train)
    started = time.perf_counter()
    rate, validation = tuned(make, train, budget)
    accuracies = [
        round(accuracy(trained(make, rate, learn, seed, budget), test, budget), 4)
        for seed in seeds(budget.seeds + 1)[1:]
    ]
    result = costs(make, train, budget)
    result |= {"rate": rate, "validation": validation, "accuracy": accuracies}
    print(
        f"{name:10} {statistics.fmean(accuracies):.3f} at {rate:g}, {result['seconds']:.0f} s "
        f"of training ({time.perf_counter() - started:.0f} s in all)",
        flush=True,
    )
    return result


def drawn(networks: dict[str, dict[str, Any]]) -> Figure:
    """Test accuracy against seconds of training, with the least and the most of the runs."""
    figure, ax = plt.subplots(figsize=(6.4, 3.8))
    for name, result in networks.items():
        low, *_, high = sorted(100 * a for a in result["accuracy"])
        mean = 100 * statistics.fmean(result["accuracy"])
        ax.plot(result["seconds"], mean, "o")
        ax.vlines(result["seconds"], low, high, alpha=0.5)
        ax.annotate(name, (result["seconds"], mean), (6, -3), textcoords="offset points")
    ax.set_xscale("log")
    ax.set_xlabel("seconds of training on one core")
    ax.set_ylabel("test accuracy (%)")
    ax.margins(x=0.15)
    return figure


def compare(networks: Networks, budget: Budget, device: str, only: list[str]) -> None:
    """Measure networks; each result is stored, among the others, as soon as it is there."""
    for name in only or networks:
        # LeNet is for 28 × 28 pixels, whatever the others get
        own = replace(budget, resize=None) if name == "LeNet" else budget
        result = measured(name, networks[name], own, device)
        stored = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        found = {**stored.get(device, {}).get("networks", {}), name: result}
        stored[device] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "versions": {"python": platform.python_version(), **{p: version(p) for p in VERSIONS}},
            "epochs": budget.epochs,
            "seeds": budget.seeds,
            "images": len(fashion_mnist(device="cpu")[0]) - VALIDATION,
            "networks": {name: found[name] for name in networks if name in found},
        }
        store(FILE, stored)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make architectures", description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(SMALL)} (default: all)")
    options = parser.parse_args(arguments)
    if unknown := set(options.networks) - set(SMALL):
        parser.error(f"no network is called {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)  # seconds are those of one core
    compare(SMALL, SMALL_BUDGET, "cpu", options.networks)
    if torch.cuda.is_available():
        compare(REAL, REAL_BUDGET, "cuda", options.networks)
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    use_style()
    drawn(stored["cpu"]["networks"]).savefig(FIGURE, metadata={"Date": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
