"""The definitions of attention/scoring-functions against torch, d2l and utils.nn."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from utils import assert_close, diagrams, seed_everything
from utils.check import gradients
from utils.compat import d2l
from utils.diagrams import lookup
from utils.measure import peak_bytes
from utils.nn.attention import (
    AdditiveAttention,
    DotProductAttention,
    attention_mask,
    masked_softmax,
)

ALSO = ("mean", "std", "train", "test", "GARMENTS", "TEST_GARMENTS", "names", "held_out_names",
        "cut", "vocab")  # fmt: skip
TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value
SINGLE = 1e-5

# Each leaves at least one query without a key to attend to.
VALID = {
    "lengths of rows": torch.tensor([3, 0]),
    "lengths of queries": torch.tensor([[1, 7, 0, 3, 4], [2, 0, 5, 7, 1]]),
    "mask of keys": torch.tensor([[[True, False] * 3 + [True]], [[False] * 7]]),
    "mask": torch.arange(70).reshape(2, 5, 7) % 3 * (torch.arange(5) > 0).int()[:, None] > 0,
}


@pytest.fixture(params=[None, *VALID], ids=str)
def valid(request: pytest.FixtureRequest) -> Tensor | None:
    return None if request.param is None else VALID[request.param]


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Five queries and seven keys with 16 features, seven values with 3, in two rows."""
    return tuple(torch.randn(2, n, d, dtype=dtype) for n, d in ((5, 16), (7, 16), (7, 3)))


def assert_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float = TOLERANCE) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert bool(one.isfinite().all())
        assert_close(one, other, tolerance)


def boolean(valid: Tensor | None) -> Tensor | None:
    return None if valid is None else attention_mask(valid, 7).expand(2, 5, 7)


def test_masked_softmax_is_the_pages(page: dict, valid: Tensor | None) -> None:
    scores = 3 * torch.randn(2, 5, 7, dtype=torch.float64)
    ours = gradients(lambda s: page["masked_softmax"](s, valid), scores)
    assert_same(ours, gradients(lambda s: masked_softmax(s, valid), scores))
    sums, mask = ours[0].sum(-1), boolean(valid)
    assert_close(sums, torch.ones(2, 5) if mask is None else mask.any(-1).double(), TOLERANCE)
    if mask is not None:
        assert bool((ours[0][~mask] == 0).all())


def test_masked_softmax_of_one_key_is_softmax_of_it(page: dict) -> None:
    scores = torch.tensor([[[5.0, -1.0]]], dtype=torch.float64)
    for softmax in (page["masked_softmax"], masked_softmax):
        weights, gradient = gradients(partial(softmax, valid=torch.tensor([1])), scores)
        assert_close(weights, torch.tensor([[[1.0, 0.0]]]), TOLERANCE)
        assert_close(gradient, torch.zeros(1, 1, 2), TOLERANCE)


@pytest.mark.parametrize(
    "lengths", [torch.tensor([3, 7]), torch.tensor([[1] * 5, [2, 3, 4, 5, 6]])]
)
def test_masked_softmax_is_d2ls_on_ordinary_scores(page: dict, lengths: Tensor) -> None:
    scores = torch.randn(2, 5, 7)
    for softmax in (page["masked_softmax"], masked_softmax):
        ours = softmax(scores, lengths)
        assert_close(ours, d2l.masked_softmax(scores.clone(), lengths), SINGLE)


def test_masked_softmax_where_d2ls_fails(page: dict) -> None:
    for softmax in (page["masked_softmax"], masked_softmax):
        scores = torch.full((1, 1, 4), -2e6)
        before = scores.clone()
        assert_close(softmax(scores, torch.tensor([2])), torch.tensor([[[0.5, 0.5, 0, 0]]]))
        assert torch.equal(scores, before)
        assert_close(softmax(scores, torch.tensor([0])), torch.zeros(1, 1, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_masked_softmax_in_half_precision(page: dict, valid: Tensor | None, dtype) -> None:
    scores = 100 * torch.randn(2, 5, 7)
    for softmax in (page["masked_softmax"], masked_softmax):
        ours = gradients(partial(softmax, valid=valid), scores.to(dtype))
        assert ours[0].dtype == dtype
        expected = softmax(scores.to(dtype).double(), valid)
        assert_same(ours[:1], [expected], 2 * torch.finfo(dtype).eps)
        assert bool(ours[1].isfinite().all())


def test_masked_softmax_with_heads(valid: Tensor | None) -> None:
    scores = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    each = torch.stack([masked_softmax(scores[:, head], valid) for head in range(4)], dim=1)
    assert_close(masked_softmax(scores, valid), each, TOLERANCE)


def test_scores_are_their_formulas(page: dict) -> None:
    Q, K, _ = inputs()
    W, W_q, W_k = (torch.randn(16, 16, dtype=torch.float64) for _ in range(3))
    w_v = torch.randn(16, dtype=torch.float64)
    scores = {
        "dot_score": (page["dot_score"](Q, K), lambda q, k: q @ k),
        "scaled_dot_score": (page["scaled_dot_score"](Q, K), lambda q, k: q @ k / 4),
        "bilinear_score": (page["bilinear_score"](Q, K, W), lambda q, k: q @ W @ k),
        "additive_score": (
            page["additive_score"](Q, K, W_q, W_k, w_v),
            lambda q, k: w_v @ torch.tanh(W_q.T @ q + W_k.T @ k),
        ),
    }
    for matrix, formula in scores.values():
        one_by_one = [[[formula(q, k) for k in ks] for q in qs] for qs, ks in zip(Q, K)]
        assert_close(matrix, torch.tensor(one_by_one, dtype=torch.float64), TOLERANCE)


def test_bilinear_score_is_torchs(page: dict) -> None:
    Q, K, _ = inputs()
    W = torch.randn(16, 16, dtype=torch.float64)
    pairs = Q[:, :, None].expand(2, 5, 7, 16), K[:, None].expand(2, 5, 7, 16)
    theirs = F.bilinear(*(x.contiguous() for x in pairs), W[None])[..., 0]
    assert_close(page["bilinear_score"](Q, K, W), theirs, TOLERANCE)


def test_dot_product_attention_is_torchs(page: dict, valid: Tensor | None) -> None:
    mask = boolean(valid)
    theirs = gradients(lambda *x: F.scaled_dot_product_attention(*x, attn_mask=mask), *inputs())
    seed_everything(0)
    for ours in (page["dot_product_attention"], DotProductAttention()):
        assert_same(gradients(partial(ours, valid=valid), *inputs()), theirs)
        seed_everything(0)


def test_queries_without_keys_get_zeros_from_every_kernel() -> None:
    Q, K, _ = inputs(torch.float32)
    mask = boolean(VALID["lengths of queries"])
    for kernel in (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION):
        with sdpa_kernel(kernel):
            ours = DotProductAttention()(Q, K, K, mask)
        assert bool((ours[~mask.any(-1)] == 0).all())
        assert bool(ours.isfinite().all())


def test_dot_product_attention_with_heads(valid: Tensor | None) -> None:
    Q, K, V = (torch.stack([x, 2 * x, -x], dim=1) for x in inputs())
    module = DotProductAttention()
    each = torch.stack([module(Q[:, h], K[:, h], V[:, h], valid) for h in range(3)], dim=1)
    assert_close(module(Q, K, V, valid), each, TOLERANCE)


def test_additive_attention_is_the_pages(page: dict, valid: Tensor | None) -> None:
    Q, K, V = inputs()
    ours, fast = (
        page["AdditiveAttention"](16, 16, 8).double(),
        AdditiveAttention(16, 16, 8).double(),
    )
    fast.load_state_dict(ours.state_dict())
    assert_same(
        gradients(lambda *x: ours(*x, valid), Q, K, V),
        gradients(lambda *x: fast(*x, valid), Q, K, V),
    )
    parameters = zip(ours.parameters(), fast.parameters())
    loss, fast_loss = (m(Q, K, V, valid).pow(2).sum() for m in (ours, fast))
    loss.backward(), fast_loss.backward()
    for one, other in parameters:
        assert_close(one.grad, other.grad, TOLERANCE)


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 7])])
def test_modules_are_d2ls(page: dict, lengths: Tensor | None) -> None:
    Q, K, V = inputs(torch.float32)
    theirs = d2l.AdditiveAttention(8, 0.0)
    theirs(Q, K, V, lengths)
    for make in (page["AdditiveAttention"], AdditiveAttention):
        ours = make(16, 16, 8)
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
        assert_same(
            gradients(partial(ours, valid=lengths), Q, K, V),
            gradients(lambda *x: theirs(*x, lengths), Q, K, V),
            SINGLE,
        )
    dot = gradients(lambda *x: d2l.DotProductAttention(0.0)(*x, lengths), Q, K, V)
    for ours in (page["dot_product_attention"], DotProductAttention()):
        assert_same(gradients(partial(ours, valid=lengths), Q, K, V), dot, SINGLE)


def test_dropout_acts_on_the_weights_in_training_only() -> None:
    Q, K, _ = inputs(torch.float32)
    V = torch.eye(7).repeat(2, 1, 1)  # the output is the weights
    for module in (AdditiveAttention(16, 16, 8, dropout=0.5), DotProductAttention(dropout=0.5)):
        kept = module.eval()(Q, K, V)
        assert_close(kept.sum(-1), torch.ones(2, 5), SINGLE)
        dropped = module.train()(Q, K, V)
        stayed = dropped != 0
        assert 0.2 < stayed.float().mean() < 0.8
        assert_close(dropped[stayed], 2 * kept[stayed], SINGLE)


def test_fused_attention_never_holds_the_scores() -> None:
    Q = torch.randn(1, 1024, 32)
    scores = 4 * 1024 * 1024
    assert peak_bytes(lambda: DotProductAttention()(Q, Q, Q, torch.tensor([1000]))) < scores / 10


def test_shapes_are_checked(page: dict) -> None:
    Q, K, V = inputs(torch.float32)
    with pytest.raises(Exception, match="Type-check error"):
        page["attention"](page["scaled_dot_score"](Q, K), V[:, :6])
    with pytest.raises(Exception, match="Type-check error"):
        page["scaled_dot_score"](Q, K[..., :8])


@pytest.mark.parametrize("score", ["additive", "scaled dot product", "dot product"])
def test_copies_on_the_shelves_are_single_networks(page: dict, score: str) -> None:
    setting = page["Setting"](d=6)
    single = [page["initial"](score, setting) for _ in range(3)]
    P = {name: torch.stack([p[name] for p in single]).double() for name in single[0]}
    queries, keys, letters = page["shelves"](page["GARMENTS"], 5, torch.Generator())
    queries, keys = queries.double(), keys.double()
    weights = page["shelf_weights"](score, P, queries, keys)
    logits = page["letter_logits"](score, P, queries, keys, letters)
    assert weights.shape == (3, 5, 10) and logits.shape == (3, 5, 26)
    for i in range(3):
        W_q, W_k = P["W_q"][i], P["W_k"][i]
        q, scale = queries[:, None], 6**0.5 if score.startswith("scaled") else 1.0
        if score == "additive":
            scores = page["additive_score"](q, keys, W_q, W_k, P["w_v"][i, :, 0])
        else:
            scores = page["dot_score"](q @ W_q, keys @ W_k) / scale
        expected = page["masked_softmax"](scores)
        assert_close(weights[i], expected[:, 0], TOLERANCE)
        average = (expected @ P["embed"][i][letters])[:, 0]
        assert_close(logits[i], average @ P["read"][i] + P["b"][i], TOLERANCE)


def test_the_garment_that_is_asked_for_comes_first(page: dict) -> None:
    numbered = torch.arange(10.0)[:, None, None].expand(10, 7, 49)
    for num_keys in (3, 10):
        queries, keys, letters = page["shelves"](numbered, 20, torch.Generator(), num_keys)
        assert torch.equal(queries, keys[:, 0])
        assert letters.shape == (20, num_keys)
        assert all(len(set(row.tolist())) == num_keys for row in keys[..., 0])


def test_the_reader_of_numbers_looks_at_words_only(page: dict) -> None:
    words, lengths, digits = page["as_tensors"](page["held_out_names"][:6])
    model = page["NumberReader"](attend=True)
    logits, seen = model(words, lengths, digits)
    assert logits.shape == (6, 4, 10) and len(seen) == 4
    for weights in seen:
        assert_close(weights.sum(-1), torch.ones(6, 1), SINGLE)
        beyond = ~attention_mask(lengths, words.shape[1])
        assert bool((weights[beyond] == 0).all())
    longer = F.pad(words, (0, 3), value=5)  # padding may hold anything
    assert_close(model(longer, lengths, digits)[0], logits, SINGLE)


def test_the_reader_of_numbers_is_fed_with_digits(page: dict) -> None:
    words, lengths, digits = page["as_tensors"](page["held_out_names"][:6])
    for attend in (False, True):
        model = page["NumberReader"](attend)
        free, _ = model(words, lengths)
        assert_close(model(words, lengths, free.argmax(-1))[0], free, SINGLE)
        given, other = model(words, lengths, digits)[0], digits.clone()
        other[:, 0] = (other[:, 0] + 1) % 10
        changed = (model(words, lengths, other)[0] - given).abs().amax((0, 2)) > 1e-4
        assert changed.tolist() == [False, True, True, True]


def test_the_start_has_mean_0_and_keeps_the_variance(page: dict) -> None:
    P = page["initial"]("additive", page["Setting"](d=400, start=0.5))
    for name, std in (("W_q", 0.5 / 7), ("W_k", 0.5 / 7), ("embed", 1), ("w_v", 1 / 20)):
        assert abs(P[name].std() / std - 1) < 0.15
        assert abs(P[name].mean()) < 0.15 * std
    assert abs(P["read"].std() * 32**0.5 - 1) < 0.15
    assert abs(P["read"].mean()) < 0.15 / 32**0.5


def test_the_norm_of_the_jacobian_is_autograds(page: dict) -> None:
    scores = torch.randn(4, 7, dtype=torch.float64)
    theirs = torch.func.vmap(torch.func.jacrev(lambda s: s.softmax(-1)))(scores)
    norms = page["jacobian_norm"](scores.softmax(-1))
    assert_close(norms, theirs.flatten(1).norm(dim=1), TOLERANCE)


def test_the_numbers_of_the_drawing_are_right(page: dict) -> None:
    q, K, V = (torch.tensor(x).float() for x in (lookup.QUERY, lookup.KEYS, lookup.VALUES))
    scores = page["scaled_dot_score"](q[None, None], K[None])
    weights, out = page["masked_softmax"](scores), page["attention"](scores, V[None, :, None])
    shown = {text.get_text() for text in diagrams.attention_lookup().axes[0].texts}
    assert {f"{x:.2f}" for x in weights.flatten()} <= shown
    assert {f"{x:g}" for x in scores.flatten()} <= shown
    assert f"{out.item():.1f}" in shown
