"""The definitions of attention/transformer against torch and utils.nn."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator
from utils import nn as book_nn
from utils.check import gradients

TOLERANCE = 1e-10  # in double precision


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def assert_same(ours: nn.Module, theirs: nn.Module, our_call, their_call, *inputs: Tensor) -> None:
    """Same outputs, and same gradients at inputs and parameters, with ours copied to theirs."""
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.load_state_dict(ours.state_dict())
    results = []
    for module, call in ((ours.double(), our_call), (theirs.double(), their_call)):
        copies = [x.clone().requires_grad_() for x in inputs]
        parameters = dict(sorted(module.named_parameters()))
        out = call(module, *copies)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        both = [*copies, *parameters.values()]
        results.append([out, *torch.autograd.grad((weights * out).sum(), both)])
    for one, other in zip(*results, strict=True):
        assert_close(one, other, TOLERANCE)


def test_layer_norm(page: dict) -> None:
    inputs = 5 + 3 * rows(2, 4, 16), rows(16), rows(16)
    ours = gradients(page["layer_norm"], *inputs)
    theirs = gradients(lambda X, g, b: F.layer_norm(X, (16,), g, b), *inputs)
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other, TOLERANCE)
    constant = page["layer_norm"](torch.full((1, 4), 7.0), torch.ones(4), torch.zeros(4))
    assert_close(constant, torch.zeros(1, 4))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", [F.relu, F.gelu])
@pytest.mark.parametrize("causal", [False, True])
def test_encoder_block(page: dict, norm_first: bool, activation, causal: bool) -> None:
    options = dict(norm_first=norm_first, dropout=0.0, activation=activation)
    mask = torch.ones(6, 6, dtype=torch.bool).triu(1) if causal else None
    theirs = nn.TransformerEncoderLayer(16, 4, 32, **options, batch_first=True)
    fast = book_nn.TransformerEncoderBlock(16, 4, 32, **options)
    for other, call in (
        (theirs, lambda m, X: m(X, src_mask=mask)),
        (fast, lambda m, X: m(X, causal=causal)),
    ):
        ours = page["EncoderBlock"](16, 4, 32, **options)
        assert_same(ours, other, lambda m, X: m(X, causal=causal), call, rows(2, 6, 16))


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_block(page: dict, norm_first: bool) -> None:
    later = torch.ones(6, 6, dtype=torch.bool).triu(1)
    lengths = torch.tensor([7, 3])
    ignored = torch.arange(7) >= lengths[:, None]
    theirs = nn.TransformerDecoderLayer(16, 4, 32, 0.0, norm_first=norm_first, batch_first=True)
    fast = book_nn.TransformerDecoderBlock(16, 4, 32, norm_first=norm_first)
    for other, call in (
        (theirs, lambda m, X, M: m(X, M, tgt_mask=later, memory_key_padding_mask=ignored)),
        (fast, lambda m, X, M: m(X, M, memory_valid=lengths)),
    ):
        ours = page["DecoderBlock"](16, 4, 32, norm_first)
        assert_same(
            ours, other, lambda m, X, M: m(X, M, lengths), call, rows(2, 6, 16), rows(2, 7, 16)
        )


def test_gpt_is_the_fast_one(page: dict) -> None:
    ours = page["GPT"](11, 16, 4, 2)
    fast = book_nn.GPT(11, 8, embed_dim=16, num_heads=4, num_layers=2, rotary=True)
    pairs = list(zip(ours.parameters(), fast.parameters(), strict=True))
    with torch.no_grad():
        for a, b in pairs:
            b.copy_(nn.init.normal_(a, std=0.3))
    tokens = torch.randint(11, (2, 8))
    for model in (ours.double(), fast.double()):
        model(tokens).pow(2).mean().backward()
    assert_close(ours(tokens), fast(tokens), TOLERANCE)
    for a, b in zip(ours.parameters(), fast.parameters()):
        assert_close(a.grad, b.grad, TOLERANCE)


def test_one_place_at_a_time(page: dict) -> None:
    layer, X, past, parts = book_nn.MultiHeadAttention(16, 4).double(), rows(2, 5, 16), None, []
    for i in range(5):
        part, past = page["attend_next"](layer, X[:, i : i + 1], past)
        parts.append(part)
    assert_close(torch.cat(parts, dim=1), layer(X, causal=True), TOLERANCE)


def test_no_target_place_sees_a_later_one(page: dict) -> None:
    model = page["Transformer"](20, 16, 2, 2).double()
    source, target = torch.randint(20, (1, 5)), torch.randint(20, (1, 6))
    before = model(source, target)
    changed = target.clone()
    changed[0, 3] = (changed[0, 3] + 1) % 20
    after = model(source, changed)
    assert torch.equal(after[:, :3], before[:, :3])
    assert bool(((after - before)[:, 3:].abs().amax(-1) > 1e-9).all())


def test_windows_are_shifted_by_one(page: dict) -> None:
    X, y = page["windows"](torch.arange(50), 4, 7, generator(0))
    assert torch.equal(X + 1, y) and X.shape == (4, 7)
    assert torch.equal(X, page["windows"](torch.arange(50), 4, 7, generator(0))[0])


def test_the_transformer_begins_as_the_papers(page: dict) -> None:
    model, tokens = page["Transformer"](500, 16, 2, 2), torch.randint(500, (2, 6))
    assert abs(4 * model.embed.weight.std().item() - 1) < 0.05
    wanted = 4 * model.embed(tokens) + book_nn.sinusoidal_positions(6, 16)
    assert_close(model.read(tokens), wanted.detach())
    for block in (*model.encoder, *model.decoder):
        assert block.linear1.weight.shape == (64, 16)


def test_the_memory_is_the_encoders_output(page: dict) -> None:
    model, tokens = page["Transformer"](20, 16, 2, 2), torch.randint(20, (2, 6))
    fixed = page["FixedMemory"](20, 16, 2, 2)
    fixed.load_state_dict(model.state_dict())
    memory = model.read(tokens)
    for block in model.encoder:
        memory = block(memory)
    assert_close(model.encode(tokens), memory.detach())
    assert_close(fixed.encode(tokens), memory.mean(1, keepdim=True).detach())


def test_sloped_attention_is_causal_attention_with_a_bias(page: dict) -> None:
    X, steep = rows(2, 6, 24), page["SlopedAttention"](24, (2.0, 0.5, 0.0, 0.0)).double()
    flat, theirs = (
        page["SlopedAttention"](24, (0.0,) * 4).double(),
        book_nn.MultiHeadAttention(24, 4),
    )
    theirs.double().load_state_dict(
        {
            "in_proj_weight": flat.in_proj.weight,
            "in_proj_bias": flat.in_proj.bias,
            "out_proj.weight": flat.out_proj.weight,
            "out_proj.bias": flat.out_proj.bias,
        }
    )
    calls = (lambda X: flat(X), lambda X: theirs(X, causal=True))
    for one, other in zip(*(gradients(call, X) for call in calls), strict=True):
        assert_close(one, other, TOLERANCE)
    steep.load_state_dict(flat.state_dict())
    steep(X), flat(X)
    back = (torch.arange(6)[:, None] - torch.arange(6)).double()
    for head, slope in enumerate((2.0, 0.5, 0.0, 0.0)):
        wanted = flat.weights[:, head] * torch.exp(-slope * back)
        assert_close(steep.weights[:, head], wanted / wanted.sum(-1, keepdim=True), TOLERANCE)


def test_dictionaries_answer_alike_within_a_sequence(page: dict) -> None:
    T, known = page["dictionaries"](5, 12, 4, generator(0))
    keys, values = T[:, ::2], T[:, 1::2]
    assert bool((keys < 4).all() and (values >= 4).all())
    for row in range(5):
        meaning: dict[int, int] = {}
        for i, (key, value) in enumerate(zip(keys[row].tolist(), values[row].tolist())):
            assert bool(known[row, i]) == (key in meaning)
            assert meaning.setdefault(key, value) == value
