"""The comparison of architectures: what is stored fits the networks, and how it comes about."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tools import architectures, book
from tools.architectures import FIGURE, FILE, REAL, SMALL, Budget
from utils.data import fashion_mnist
from utils.stages import stages

STORED = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"cpu": {}}


def test_every_network_is_stored_with_its_present_size() -> None:
    networks = STORED["cpu"]["networks"]
    assert networks.keys() == SMALL.keys()
    for name, make in SMALL.items():
        whole = stages(make(), 1, 28, 28)
        assert networks[name]["parameters"] == whole.parameters, f"make architectures ({name})"
        assert networks[name]["macs"] == whole.macs, f"make architectures ({name})"


def test_no_rate_lies_at_the_edge_of_what_was_tried() -> None:
    for result in STORED["cpu"]["networks"].values():
        scores = {float(rate): score for rate, score in result["validation"].items()}
        assert result["rate"] == max(scores, key=lambda rate: scores[rate])
        assert min(scores) < result["rate"] < max(scores)
        assert len(result["accuracy"]) == STORED["cpu"]["seeds"] > 2


def test_the_figure_is_that_of_the_stored_numbers() -> None:
    drawn = FIGURE.read_text(encoding="utf-8")
    for name in SMALL:
        assert f"<!-- {name} -->" in drawn


@pytest.mark.parametrize("name", [name for name in REAL if name != "LeNet"])
def test_real_sizes_take_images_of_224_pixels(name: str) -> None:
    with torch.device("meta"):
        net = REAL[name]()
    assert stages(net, 1, 224, 224)[-1].shape == (10,)


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


def test_an_unknown_network_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        architectures.main(["LeNets"])
    assert "no network is called LeNets" in capsys.readouterr().err
    assert book.ROOT in FILE.parents
