"""The GPT on its page: its heads are those of PyTorch, can be switched off, and it writes."""

import math

import pytest
import torch
from playwright.sync_api import Page, expect
from torch.nn import functional as F

from tests.site.live import FORWARD, TOLERANCE, content, weights
from utils import nn as book_nn
from utils.nn.transformer import rotate

TEXT = "She was feeling, as Mr. Knightley might have guessed, 30 times better — or so; a déjà vu"


NAME = "gpt"


@torch.inference_mode()
def by_pytorch(tokens: list[int], off: list) -> tuple[torch.Tensor, list, torch.Tensor]:
    """Last logits, last attention by block and head, and the bits of each token but the first."""
    W, meta = weights("gpt"), content("gpt")["meta"]
    model = book_nn.GPT(256, meta["context"], embed_dim=96, num_layers=2, rotary=True).eval()
    for parameter, value in zip(model.parameters(), W.values(), strict=True):
        parameter.copy_(value)
    for block, head in off:
        model.blocks.layers[block].self_attn.out_proj.weight[:, 24 * head : 24 * head + 24] = 0
    looks = []
    for block in model.blocks.layers:

        def look(attention, inputs):
            X = inputs[0]
            Q, K, _ = F.linear(X, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
            Q, K = (rotate(Z.unflatten(-1, (4, -1)).transpose(1, 2)) for Z in (Q, K))
            looks.append((Q[0, :, -1:] @ K[0].mT / 24**0.5).softmax(-1)[:, 0].tolist())

        block.self_attn.register_forward_pre_hook(look)
    logits = model(torch.tensor([tokens]))[0]
    bits = F.cross_entropy(logits[:-1], torch.tensor(tokens[1:]), reduction="none")
    return logits[-1], looks, bits / math.log(2)


@pytest.mark.parametrize("off", [[], [[0, 2]], [[0, 0], [1, 1], [1, 3]]])
def test_heads_and_surprise_are_pytorchs(page: Page, off: list) -> None:
    found = page.evaluate(FORWARD, ["gpt", {"text": TEXT, "off": off}])
    tokens = list(TEXT.replace("—", "--").encode())[-64:]
    assert found["seen"] == tokens
    for mine, right in zip(
        (found["logits"], found["attention"], found["bits"]), by_pytorch(tokens, off), strict=True
    ):
        torch.testing.assert_close(
            torch.tensor(mine), torch.as_tensor(right), atol=TOLERANCE, rtol=0
        )


def test_a_head_that_is_off_changes_what_comes_next(page: Page) -> None:
    bars = page.locator(".live-bars li")
    expect(bars).to_have_count(10)
    before = bars.all_inner_texts()
    head = page.get_by_role("button", name="block 1, head 2")
    head.press("Space")
    expect(head).to_have_attribute("aria-pressed", "false")
    expect(head).to_be_focused()
    expect(page.locator(".live-note", has_text="of the probability has moved")).to_be_visible()
    assert bars.all_inner_texts() != before
    page.get_by_role("button", name="All heads on").click()
    assert bars.all_inner_texts() == before


def test_temperature_sharpens(page: Page) -> None:
    shares = []
    slider = page.get_by_label("Temperature")
    for value in ("0.3", "1", "2"):
        slider.fill(value)
        shares.append(float(page.locator(".live-bars .live-percent").first.inner_text()[:-2]))
    slider.fill("1")
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 2 * shares[2]


def test_the_same_seed_writes_the_same(page: Page) -> None:
    box, seed = page.get_by_label("Some Austen"), page.get_by_label("Seed")

    def written(number: str, forty_at_once: bool) -> str:
        seed.fill(number)
        page.get_by_role("button", name="She was").click()
        for _ in range(1 if forty_at_once else 5):
            name = "Forty characters" if forty_at_once else "One character"
            page.get_by_role("button", name=name).click()
        length = len("She was") + (40 if forty_at_once else 5)
        page.wait_for_function(
            "n => document.querySelector('.live textarea').value.length === n", arg=length
        )
        return box.input_value()

    first = written("1", True)
    assert written("1", True) == first
    assert first.startswith(written("1", False))
    assert written("2", True) != first
    page.get_by_role("button", name="Undo").click()
    expect(box).to_have_value("She was")


def test_what_it_does_not_know_is_told(page: Page) -> None:
    box, status = page.get_by_label("Some Austen"), page.locator(".live-status")
    box.fill("What is a €?")
    expect(status).to_contain_text("have no “€”")
    box.fill("")
    expect(status).to_contain_text("Type at least one character")
    box.fill("It’s")
    expect(status).not_to_contain_text("have no")
    expect(status).to_contain_text("Next:")
