"""The Transformer's parts against PyTorch's own, with their weights, forward and backward."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, generator, seed_everything
from utils.nn import (
    GPT,
    KeyValueCache,
    MultiHeadAttention,
    TransformerDecoderBlock,
    TransformerEncoder,
    TransformerEncoderBlock,
    rotate,
    sinusoidal_positions,
)
from utils.nn.attention import attention_mask

TOLERANCE = 1e-10  # in double precision
LENGTHS = torch.tensor([6, 4])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_everything(0)


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def unlike_the_start(module: nn.Module) -> nn.Module:
    """Biases and norms start at 0 and 1, where mistakes hide."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double()


def assert_same(ours: nn.Module, theirs: nn.Module, our_call, their_call, *inputs: Tensor) -> None:
    """Same outputs, same gradients of all inputs and all parameters."""
    theirs.load_state_dict(unlike_the_start(ours).state_dict())
    theirs.double()
    results = []
    for module, call in ((ours, our_call), (theirs, their_call)):
        copies = [x.clone().requires_grad_() for x in inputs]
        out = call(module, *copies)
        parameters = dict(module.named_parameters())
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        gradients = torch.autograd.grad((weights * out).sum(), [*copies, *parameters.values()])
        results.append(
            (out, gradients[: len(copies)], dict(zip(parameters, gradients[len(copies) :])))
        )
    (out, dX, dP), (their_out, their_dX, their_dP) = results
    assert_close(out, their_out, TOLERANCE)
    for one, other in zip(dX, their_dX, strict=True):
        assert_close(one, other, TOLERANCE)
    assert dP.keys() == their_dP.keys()
    for name in dP:
        assert_close(dP[name], their_dP[name], TOLERANCE)


def forbidden(causal: bool) -> Tensor | None:
    return torch.ones(6, 6, dtype=torch.bool).triu(1) if causal else None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_self_attention(causal: bool, padded: bool, bias: bool) -> None:
    valid = LENGTHS if padded else None
    ignore = ~attention_mask(LENGTHS, 6)[:, 0] if padded else None
    assert_same(
        MultiHeadAttention(16, 4, bias=bias),
        nn.MultiheadAttention(16, 4, bias=bias, batch_first=True),
        lambda m, X: m(X, valid=valid, causal=causal),
        lambda m, X: m(X, X, X, key_padding_mask=ignore, attn_mask=forbidden(causal))[0],
        rows(2, 6, 16),
    )


@pytest.mark.parametrize("shared", [False, True])
def test_cross_attention(shared: bool) -> None:
    def values(K: Tensor, V: Tensor) -> Tensor:
        return K if shared else V

    assert_same(
        MultiHeadAttention(16, 2),
        nn.MultiheadAttention(16, 2, batch_first=True),
        lambda m, Q, K, V: m(Q, K, values(K, V), valid=LENGTHS) + 0 * V.sum(),
        lambda m, Q, K, V: m(
            Q, K, values(K, V), key_padding_mask=~attention_mask(LENGTHS, 7)[:, 0]
        )[0] + 0 * V.sum(),
        *(rows(2, n, 16) for n in (5, 7, 7)),
    )  # fmt: skip


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", [F.relu, F.gelu])
@pytest.mark.parametrize("causal", [False, True])
def test_encoder_block(norm_first: bool, activation, causal: bool) -> None:
    options = dict(dropout=0.0, activation=activation, norm_first=norm_first)
    assert_same(
        TransformerEncoderBlock(16, 4, 32, **options),
        nn.TransformerEncoderLayer(16, 4, 32, **options, batch_first=True),
        lambda m, X: m(X, causal=causal),
        lambda m, X: m(X, src_mask=forbidden(causal)),
        rows(2, 6, 16),
    )


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_block(norm_first: bool) -> None:
    options = dict(dropout=0.0, activation=F.gelu, norm_first=norm_first)
    ignore = ~attention_mask(LENGTHS, 7)[:, 0]
    assert_same(
        TransformerDecoderBlock(16, 4, 32, **options),
        nn.TransformerDecoderLayer(16, 4, 32, **options, batch_first=True),
        lambda m, X, M: m(X, M, memory_valid=LENGTHS),
        lambda m, X, M: m(X, M, tgt_mask=forbidden(True), memory_key_padding_mask=ignore),
        rows(2, 6, 16),
        rows(2, 7, 16),
    )


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, 0.0, batch_first=True, norm_first=norm_first)
    norm = nn.LayerNorm(16) if norm_first else None
    assert_same(
        TransformerEncoder(3, 16, 4, 32, norm_first=norm_first),
        nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False),
        lambda m, X: m(X, LENGTHS),
        lambda m, X: m(X, src_key_padding_mask=~attention_mask(LENGTHS, 6)[:, 0]),
        rows(2, 6, 16),
    )


def test_dropout_is_only_for_training() -> None:
    block, X = TransformerEncoderBlock(16, 4, 32, dropout=0.5).double(), rows(2, 6, 16)
    assert not torch.equal(block(X), block(X))
    block.eval()
    assert torch.equal(block(X), block(X))


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("steps", [[1] * 6, [2, 3, 1], [6]])
def test_a_cache_changes_nothing(rotary: bool, steps: list[int]) -> None:
    attention, X = MultiHeadAttention(16, 4, rotary=rotary).double(), rows(2, 6, 16)
    cache = KeyValueCache()
    parts = [attention(part, causal=True, cache=cache) for part in X.split(steps, dim=1)]
    assert len(cache) == 6
    assert_close(torch.cat(parts, dim=1), attention(X, causal=True), TOLERANCE)
    with pytest.raises(ValueError, match="self-attention"):
        attention(X, X, cache=cache)


def test_heads_must_fit() -> None:
    with pytest.raises(ValueError, match="3 heads the same size"):
        MultiHeadAttention(16, 3)
    with pytest.raises(ValueError, match="even number"):
        MultiHeadAttention(12, 4, rotary=True)


@pytest.mark.parametrize("dim", [1, 7, 8])
def test_sinusoidal_positions(dim: int) -> None:
    code = sinusoidal_positions(1200, dim)
    column = torch.arange(dim, dtype=torch.float64)
    angle = torch.arange(1200.0).double()[:, None] / 10_000 ** (2.0 * (column // 2) / dim)
    assert_close(code, torch.where(column % 2 == 0, angle.sin(), angle.cos()), 1e-6)


def test_rotated_products_know_the_distance_only() -> None:
    q, k = rows(1, 8), rows(1, 8)
    for distance in (0, 3, 50):
        near = rotate(q, distance) @ rotate(k, 0).T
        far = rotate(q, 200 + distance) @ rotate(k, 200).T
        assert_close(near, far, 1e-4)  # angles are in single precision
    X = rows(2, 5, 8)
    assert_close(rotate(X).norm(dim=-1), X.norm(dim=-1), 1e-6)
    assert_close(torch.cat([rotate(X[:, :2]), rotate(X[:, 2:], start=2)], 1), rotate(X), 1e-6)


@pytest.mark.parametrize("rotary", [False, True])
def test_gpt(rotary: bool) -> None:
    model = GPT(11, context=12, embed_dim=16, num_heads=4, num_layers=2, rotary=rotary).double()
    tokens = torch.randint(11, (2, 12))
    logits = model(tokens)
    assert logits.shape == (2, 12, 11)
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 11
    assert_close(model(changed)[:, :7], logits[:, :7], TOLERANCE)  # nothing sees the future
    assert not torch.allclose(model(changed)[:, 7], logits[:, 7])
    caches = model.new_caches()
    steps = [model(part, caches) for part in tokens.split([1, 4, 7], dim=1)]
    assert_close(torch.cat(steps, dim=1), logits, TOLERANCE)
    with pytest.raises(ValueError, match="13 tokens"):
        model(tokens[:, :1], caches)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_gpt_writes_the_same_with_a_cache(temperature: float) -> None:
    model = GPT(11, context=8, embed_dim=16, num_heads=4, num_layers=2, dropout=0.1).double()
    start = torch.tensor([[3, 1]])
    texts = [
        model.generate(start, 30, temperature=temperature, generator=generator(5), cached=cached)
        for cached in (True, False)
    ]
    assert torch.equal(*texts)
    assert texts[0].shape == (1, 32) and texts[0][0, :2].tolist() == [3, 1]
    assert model.training


def test_gpt_shares_its_embedding_with_the_logits() -> None:
    model = GPT(11, context=8, embed_dim=16, num_heads=4, num_layers=2)
    assert model.head.weight is model.embed.weight
    assert sum(p.numel() for p in model.parameters()) == 11 * 16 + 8 * 16 + 2 * 3280 + 32
