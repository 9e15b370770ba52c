"""Live models as the tests use them: what was published, where, and how to set a model up."""

import base64
import json

import numpy as np
import torch
from playwright.sync_api import Page

from tests.site import book

FILES = {file.stem: file for file in sorted(book.ROOT.glob("chapters/*/live/*.js"))}
PAGES = {
    name: page
    for page in book.notebooks()
    for name in FILES
    if f'data-live=\\"{name}\\"' in (book.ROOT / f"{page}.ipynb").read_text(encoding="utf-8")
}
TOLERANCE = 1e-4
# What `forward` gives, with typed arrays as lists.
FORWARD = """([name, input]) => JSON.parse(JSON.stringify(
  bookLive.forward[name](bookLive.models[name], input),
  (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)))"""


def content(name: str) -> dict:
    """What a notebook has published: meta, tensors, check."""
    text = FILES[name].read_text(encoding="utf-8")
    return json.loads(text[text.index("{") : text.rindex(")")])


def weights(name: str) -> dict[str, torch.Tensor]:
    """The published tensors, as PyTorch reads them."""
    return {
        key: torch.from_numpy(
            np.frombuffer(base64.b64decode(part["f16"]), "<f2").astype("f4").reshape(part["shape"])
        )
        for key, part in content(name)["tensors"].items()
    }


def run_here(page: Page, name: str) -> None:
    """Press the button and wait for the widget."""
    place = page.locator(f'.live[data-live="{name}"]')
    place.get_by_role("button", name="Run it here").press("Enter")
    place.locator(".live-body :is(input, textarea)").first.wait_for()
