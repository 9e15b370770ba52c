"""A network of a page that runs on the page: in the reader's browser, offline.

`publish` stands in a notebook. Its output is the place where the network is set up; run by
`tools/execute`, it also writes the weights, to the folder `$BOOK_LIVE`, which are stored beside the
page when it has run to its end: the site's build looks for them there. A script
under `_ext/live/` computes the same as PyTorch, which `tests/site/test_live.py` holds it to.
"""

import base64
import copy
import html
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def rounded(model: Module) -> Module:
    """A copy of a model with the weights that readers get: rounded to 16 bits.

    >>> rounded(nn.Linear(1, 1, bias=False)).weight.dtype
    torch.float32
    """
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())
    return model


class Live:
    """The place on a page where a network is set up; see `publish`."""

    def __init__(self, name: str, label: str, about: str, picture: str, size: int) -> None:
        self.name, self.label, self.about, self.picture, self.size = (
            name, label, about, picture, size,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"{self.label}. {self.about} (It runs on the book's site.)"

    def _repr_html_(self) -> str:
        about = html.escape(self.about, quote=False)
        return (
            f'<div class="live" data-live="{self.name}" data-kilobytes="{self.size // 1000}">'
            f'<p class="live-title">{html.escape(self.label, quote=False)}</p><p>{about}</p>'
            f"{self.picture}</div>"
        )


def publish(
    name: str,
    tensors: Mapping[str, Tensor],
    *,
    label: str,
    about: str,
    check: list[tuple[dict, dict]],
    still: tuple[Figure, str] | None = None,
    **meta: Any,
) -> Live:
    """Let readers run a network on its page.

    >>> weights = {"weight": torch.ones(1, 2)}
    >>> publish("sum", weights, label="A sum", about="Type two numbers.", check=[])
    A sum. Type two numbers. (It runs on the book's site.)

    Args:
        name: of the network, and of the script under `_ext/live/` that computes it.
        tensors: the weights, a state dictionary.
        label: what it is, in a few words.
        about: what one can do with it and see.
        check: pairs of the script's input and what PyTorch computes with `rounded` weights.
        still: a Matplotlib figure that stands there until the network runs, and its description.
        meta: what else the script needs, such as a vocabulary.

    Raises:
        ValueError: a still picture without a description.
    """
    packed = {
        key: {
            "shape": list(value.shape),
            "f16": base64.b64encode(value.detach().cpu().half().numpy().tobytes()).decode(),
        }
        for key, value in tensors.items()
    }
    seven = json.loads(json.dumps(check), parse_float=lambda digits: round(float(digits), 7))
    content = json.dumps({"meta": meta, "tensors": packed, "check": seven}, ensure_ascii=False)
    script = f"bookLive.receive({json.dumps(name)}, {content});\n"
    if folder := os.environ.get("BOOK_LIVE"):
        Path(folder, f"{name}.js").write_text(script, encoding="utf-8", newline="\n")
    picture = ""
    if still is not None:
        figure, description = still
        if not description:
            raise ValueError(f"Say in words what the still picture of {name!r} shows.")
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=100)
        plt.close(figure)  # or it would show a second time
        encoded = base64.b64encode(stream.getvalue()).decode()
        alt = html.escape(description)
        picture = f'<img class="live-still" src="data:image/png;base64,{encoded}" alt="{alt}">'
    return Live(name, label, about, picture, sum(len(part["f16"]) for part in packed.values()))
