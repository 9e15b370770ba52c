"""The definitions of attention/self-attention against torch, d2l and utils.nn."""

import pytest
import torch
from torch import Tensor, nn

from utils import assert_close, generator
from utils import nn as book_nn
from utils.compat import d2l

TOLERANCE = 1e-10  # in double precision
SINGLE = 1e-5


def layers(page: dict, heads: int) -> tuple[nn.Module, nn.Module]:
    """The page's layer and PyTorch's, with the same random weights and biases."""
    theirs = nn.MultiheadAttention(16, heads, batch_first=True)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = page["MultiHeadAttention"](16, heads)
    page["copy_weights"](ours, theirs)
    return ours.double(), theirs.double()


def gradients(out: Tensor, *inputs: Tensor) -> list[Tensor]:
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return [out, *torch.autograd.grad((weight * out).sum(), inputs)]


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("mask", ["none", "causal", "one key"])
def test_multi_head_attention_is_torchs(page: dict, heads: int, mask: str) -> None:
    ours, theirs = layers(page, heads)
    fast = book_nn.MultiHeadAttention(16, heads).double()
    fast.load_state_dict(theirs.state_dict())
    may = {"none": torch.ones(6, 6), "causal": torch.ones(6, 6).tril(), "one key": torch.eye(6)}
    allowed = may[mask].bool()
    X = torch.randn(2, 6, 16, dtype=torch.float64, requires_grad=True)
    wanted = theirs(X, X, X, attn_mask=~allowed)[0]
    names = ("W_q", "W_k", "W_v")
    mine = gradients(
        ours(X, X, X, allowed), X, ours.W_o.weight, *(getattr(ours, n).weight for n in names)
    )
    reference = gradients(wanted, X, theirs.out_proj.weight, theirs.in_proj_weight)
    for a, b in zip([*mine[:3], torch.cat(mine[3:])], reference, strict=True):
        assert_close(a, b, TOLERANCE)
    expanded = allowed.expand(2, 6, 6)
    for a, b in zip(gradients(fast(X, valid=expanded), X), reference[:2]):
        assert_close(a, b, TOLERANCE)


def test_cross_attention_is_d2ls(page: dict) -> None:
    Q, K, V = (torch.randn(2, n, 16, requires_grad=True) for n in (5, 7, 7))
    lengths = torch.tensor([3, 7])
    theirs = d2l.MultiHeadAttention(16, 4, 0.0, bias=True)
    theirs(Q, K, V, lengths)
    ours = page["MultiHeadAttention"](16, 4)
    ours.load_state_dict(theirs.state_dict())
    mask = (torch.arange(7) < lengths[:, None])[:, None, None]
    mine = gradients(ours(Q, K, V, mask), Q, K, V)
    for a, b in zip(mine, gradients(theirs(Q, K, V, lengths), Q, K, V), strict=True):
        assert_close(a, b, SINGLE)


def test_one_head_is_the_formula(page: dict) -> None:
    X, W = torch.randn(6, 8), torch.randn(3, 8, 4)
    theirs = torch.nn.functional.scaled_dot_product_attention(*(X @ w for w in W))
    assert_close(page["self_attention"](X, *W), theirs, SINGLE)


def test_heads_come_apart_and_together(page: dict) -> None:
    X = torch.randn(2, 5, 12)
    heads = page["split_heads"](X, 3)
    assert torch.equal(heads[:, 1], X[..., 4:8])
    assert torch.equal(page["merge_heads"](heads), X)


def test_permutations_pass_through(page: dict) -> None:
    ours, _ = layers(page, 4)
    X = torch.randn(2, 9, 16, dtype=torch.float64)
    for seed in range(10):
        order = torch.randperm(9, generator=generator(seed))
        assert_close(ours(*[X[:, order]] * 3), ours(X, X, X)[:, order], TOLERANCE)


@pytest.mark.parametrize("dim", [6, 7])
def test_codes_are_the_fast_ones(page: dict, dim: int) -> None:
    ours = page["sinusoidal_positions"](50, dim)
    assert_close(ours, book_nn.sinusoidal_positions(50, dim), SINGLE)
    if dim % 2 == 0:
        assert_close(ours, d2l.PositionalEncoding(dim, 0.0).P[0, :50], SINGLE)
        X = torch.randn(2, 3, 50, dim)
        assert_close(page["rotate"](X), book_nn.rotate(X), SINGLE)


def test_the_shift_is_a_rotation(page: dict) -> None:
    P, R = page["sinusoidal_positions"](40, 16).double(), page["shift_matrix"]
    for k in (1, 7, -3):
        moved = (P @ R(k, 16).T)[max(0, -k) : 40 - max(0, k)]
        assert_close(moved, P[max(0, k) : 40 + min(0, k)], SINGLE)
    assert_close(R(3, 16) @ R(3, 16).T, torch.eye(16).double(), TOLERANCE)
    assert_close(R(3, 16) @ R(4, 16), R(7, 16), TOLERANCE)
    q = torch.randn(16, dtype=torch.float64)
    turned = page["rotate"](q.expand(9, 16))
    for i in range(9):  # the other way than the encodings
        assert_close(turned[i], R(-i, 16) @ q, SINGLE)


@pytest.mark.parametrize("kind", ["RelativeBias", "Rotary"])
def test_scores_know_the_distance_only(page: dict, kind: str) -> None:
    part = page[kind](8, 4, 16)
    if kind == "RelativeBias":
        nn.init.normal_(part.bias)
    q, k = torch.randn(2, 1, 4, 1, 8)
    scores = part.score(q.expand(1, 4, 10, 8), k.expand(1, 4, 10, 8))
    assert_close(scores[..., 1:, 1:], scores[..., :-1, :-1].detach(), SINGLE)
    assert not torch.allclose(scores[..., 0, 1], scores[..., 1, 0])  # and which way it goes


def test_biases_go_by_distance(page: dict) -> None:
    n = 20  # farther than the learned table reaches
    zeros, back = torch.zeros(1, 4, n, 8), torch.arange(n)[:, None] - torch.arange(n)
    assert page["RelativeBias"](8, 4, 16).heads == 4
    learned, fixed = page["RelativeBias"](8, 4, 16), page["ALiBi"](8, 4, 16)
    nn.init.normal_(learned.bias)
    assert learned.bias.shape == (4, 31)
    assert_close(learned.score(zeros, zeros)[0], learned.bias[:, back.clamp(-15, 15) + 15])
    slopes = torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256])[:, None, None]
    assert_close(fixed.score(zeros, zeros)[0], -slopes * back.abs())


def test_readers_without_order_are_blind(page: dict) -> None:
    T = torch.randint(27, (4, 16))
    kinds = {"NoPositions": True, "ALiBi": True, "Rotary": False, "Learned": False}
    for kind, blind in kinds.items():
        reader = page["Reader"](page[kind])
        same = torch.allclose(reader(T)[0], reader(T.flip(1))[0], atol=1e-5)
        assert same == blind
        masked = page["Reader"](page[kind], causal=True)
        assert bool(masked(T)[0].isfinite().all())
        assert page[kind](8, 4, 16).heads == 4
        assert not torch.allclose(masked(T)[0], masked(T.flip(1))[0], atol=1e-5)


@pytest.mark.parametrize("encoding", ["Sinusoidal", "Rotary", "ALiBi"])
def test_language_models_see_no_future(page: dict, encoding: str) -> None:
    model = page["LanguageModel"](page[encoding], 16, 2, 12, 2)
    T = torch.randint(27, (3, 12))
    changed = T.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 27
    before, after = model(T), model(changed)
    assert_close(before[:, :7], after[:, :7].detach(), SINGLE)
    assert not torch.allclose(before[:, 7], after[:, 7], atol=1e-3)
