"""The comparison of architectures: networks fit their images, and results come about and stay."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tools import architectures, book
from tools.architectures import FILE, REAL, SMALL, Budget
from utils.data import fashion_mnist
from utils.stages import stages


@pytest.mark.parametrize("name", [name for name in REAL if name != "LeNet"])
def test_real_sizes_take_images_of_224_pixels(name: str) -> None:
    with torch.device("meta"):
        net = REAL[name]()
    assert stages(net, 1, 224, 224)[-1].shape == (10,)


@pytest.mark.parametrize("name", SMALL)
def test_small_forms_take_images_of_28_pixels(name: str) -> None:
    assert stages(SMALL[name](), 1, 28, 28)[-1].shape == (10,)


def test_a_comparison_is_made_and_only_what_is_asked_for_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, figure = tmp_path / "architectures.json", tmp_path / "architectures.svg"
    train, test = fashion_mnist(full=False, device="cpu")
    few = [replace(images, X=images.X[:300], y=images.y[:300]) for images in (train, test)]

    monkeypatch.setattr(architectures, "FILE", file)
    monkeypatch.setattr(architectures, "FIGURE", figure)
    monkeypatch.setattr(architectures, "fashion_mnist", lambda device: few)
    monkeypatch.setattr(architectures, "VALIDATION", 100)
    monkeypatch.setattr(architectures, "RATES", (0.01, 0.1))
    monkeypatch.setattr(architectures, "SMALL_BUDGET", Budget(epochs=1, seeds=2))
    threads = torch.get_num_threads()
    try:
        assert architectures.main(["LeNet"]) == 0
        first = json.loads(file.read_text(encoding="utf-8"))["cpu"]
        assert architectures.main(["NiN"]) == 0
    finally:
        torch.set_num_threads(threads)
    both = json.loads(file.read_text(encoding="utf-8"))["cpu"]
    assert list(both["networks"]) == ["LeNet", "NiN"]
    assert both["networks"]["LeNet"] == first["networks"]["LeNet"]
    result = first["networks"]["LeNet"]
    assert first["images"] == 200 and first["epochs"] == 1
    assert len(result["accuracy"]) == 2 and result["parameters"] == 61_706
    assert all(a < b for a, b in pairwise(map(float, result["validation"])))
    assert "<!-- NiN -->" in figure.read_text(encoding="utf-8")
    assert "LeNet" in capsys.readouterr().out


@pytest.mark.parametrize("best", [0.001, 0.003, 0.03, 0.9, 3.0])
def test_the_best_rate_has_a_worse_one_on_either_side(
    best: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "trained", lambda make, rate, *_: rate)
    monkeypatch.setattr(
        architectures, "accuracy", lambda rate, *_: 1 - abs(math.log(rate / best)) / 10
    )
    train, _ = fashion_mnist(full=False, device="cpu")
    found, scores = architectures.tuned(torch.nn.Identity, train, Budget())
    assert best / 2 < found < 2 * best
    tried = list(map(float, scores))
    assert tried[0] < found < tried[-1]
    assert scores[f"{found:g}"] == max(scores.values())


def test_an_unknown_network_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        architectures.main(["LeNets"])
    assert "no network is called LeNets" in capsys.readouterr().err
    assert book.ROOT in FILE.parents


def test_what_is_stored_belongs_to_the_present_networks() -> None:
    for name, result in json.loads(FILE.read_text(encoding="utf-8"))["cpu"]["networks"].items():
        whole = stages(SMALL[name](), 1, 28, 28)
        found = result["parameters"], result["macs"]
        assert found == (whole.parameters, whole.macs), f"make architectures ({name})"
        scores = {float(rate): score for rate, score in result["validation"].items()}
        assert min(scores) < result["rate"] < max(scores)
        assert max(scores.values()) == max(
            score for rate, score in scores.items() if math.isclose(rate, result["rate"])
        )
