"""utils.live hands over what PyTorch has computed with, and says what is missing."""

import base64
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from utils.live import publish, rounded


def published(model: nn.Module, **more) -> str:
    about = dict(label="A layer", about="Is 1 < 2?", check=[({"x": 1}, {"y": 0.1234567891})])
    return publish("layer", model.state_dict(), **about, **more)._repr_html_()


def test_the_weights_are_those_that_pytorch_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = rounded(nn.Linear(3, 2))
    monkeypatch.delenv("BOOK_LIVE", raising=False)
    place = published(model, words=["a", "é"])
    monkeypatch.setenv("BOOK_LIVE", str(tmp_path))
    assert published(model, words=["a", "é"]) == place  # nbval sees what tools/execute stored
    assert 'data-live="layer"' in place
    assert "Is 1 &lt; 2?" in place
    text = (tmp_path / "layer.js").read_text(encoding="utf-8")
    assert text.startswith('bookLive.receive("layer", ')
    file = json.loads(text[text.index("{") : text.rindex(")")])
    assert file["meta"]["words"] == ["a", "é"]
    weight = file["tensors"]["weight"]
    numbers = np.frombuffer(base64.b64decode(weight["f16"]), "<f2").reshape(weight["shape"])
    assert torch.equal(torch.tensor(numbers.astype("f4")), model.weight)
    assert file["check"][0][1]["y"] == 0.1234568


def test_a_picture_is_described_and_shown_once() -> None:
    model = rounded(nn.Linear(1, 1))
    figure = plt.figure()
    assert 'alt="A line that rises"' in published(model, still=(figure, "A line that rises"))
    assert figure.number not in plt.get_fignums()
    with pytest.raises(ValueError, match="Say in words"):
        published(model, still=(plt.figure(), ""))
    plt.close()
