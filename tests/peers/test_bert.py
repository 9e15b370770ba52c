"""The definitions of attention/bert against torch, d2l, and the proportions of the paper."""

import math

import pytest
import torch
from torch import Tensor

from utils import assert_close, generator
from utils.compat import d2l

PAD, UNK, CLS, SEP, MASK, NAME, WORDS = range(7)


ALSO = ["SPECIALS", "PAD", "WORDS"]


def near(share: Tensor, expected: float, count: int) -> bool:
    return abs(share.item() - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize("seed", range(3))
def test_masking_has_the_papers_proportions(page: dict, seed: int) -> None:
    tokens = torch.randint(WORDS, 1000, (400, 500))
    seen, chosen = page["mask_words"](tokens, 1000, generator(seed))
    n = int(chosen.sum())
    assert near(chosen.float().mean(), 0.15, tokens.numel())
    assert near((seen == MASK)[chosen].float().mean(), 0.8, n)
    # a random word is the same one with probability 1 / 994
    assert near((seen == tokens)[chosen].float().mean(), 0.1 + 0.1 / 994, n)
    assert torch.equal(seen[~chosen], tokens[~chosen])
    assert bool((seen[seen != MASK] >= WORDS).all())


def test_masking_asks_for_words_only_and_keeps_its_input(page: dict) -> None:
    tokens = torch.randint(0, 20, (100, 100))
    before = tokens.clone()
    seen, chosen = page["mask_words"](tokens, 20, generator(0))
    assert torch.equal(tokens, before)
    assert not bool(chosen[tokens < WORDS].any())
    assert torch.equal(seen[tokens < WORDS], tokens[tokens < WORDS])


@pytest.mark.parametrize("n", [2, 3, 4001])
def test_pairs_are_half_true_and_the_others_really_false(page: dict, n: int) -> None:
    pairs = page["next_sentence_pairs"]([[i] for i in range(n)], generator(0))
    assert len(pairs) == n - 1
    for i, (a, b, true) in enumerate(pairs):
        assert a == [i] and (b == [i + 1]) == true and 0 <= b[0] < n
    if n > 1000:
        assert near(torch.tensor([t for *_, t in pairs]).float().mean(), 0.5, n - 1)


def test_pairs_are_cut_where_they_do_not_meet(page: dict) -> None:
    text = [list(range(50)), list(range(50, 100))]
    ((a, b, _),) = page["next_sentence_pairs"](text, generator(0), longest=7)
    assert a == list(range(43, 50)) and b in (list(range(50, 57)), list(range(7)))


@pytest.mark.parametrize("lengths", [(4, 3), (1, 1), (5, 0)])
def test_join_is_d2ls(page: dict, lengths: tuple[int, int]) -> None:
    first, second = (list(range(10, 10 + n)) for n in lengths)
    tokens, segments = page["join"](first, second)
    names = [[str(i) for i in part] for part in (first, second)]
    theirs, their_segments = d2l.get_tokens_and_segments(*names)
    assert segments == their_segments
    assert [{CLS: "<cls>", SEP: "<sep>"}.get(t, str(t)) for t in tokens] == theirs


def test_encoder_is_torchs_forward_and_backward(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 2, dropout=0.0).double()
    theirs = page["library_encoder"](bert).double()
    tokens = torch.randint(WORDS, 50, (3, 9)) * (torch.arange(9) < torch.tensor([[9], [4], [6]]))
    segments = (torch.arange(9) > 4).long().expand(3, 9)
    X = bert.tokens(tokens) + bert.segments(segments) + bert.positions.weight[:9]
    ours, real = bert(tokens, segments), tokens != PAD
    reference = theirs(bert.norm(X), src_key_padding_mask=~real)
    assert_close(ours[real], reference[real], 1e-10)
    weight = torch.randn(ours.shape, dtype=torch.float64) * real[..., None]
    gradients = [
        torch.autograd.grad((out * weight).sum(), list(model.parameters()), retain_graph=True)
        for out, model in ((ours, bert.encoder), (reference, theirs))
    ]
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, 1e-9)


@pytest.mark.parametrize("modern", [False, True])
def test_padding_changes_nothing(page: dict, modern: bool) -> None:
    bert = page["Bert"](50, 32, 2, 2, dropout=0.0, modern=modern).double()
    tokens, none = torch.randint(WORDS, 50, (2, 7)), torch.zeros(2, 3, dtype=torch.int64)
    longer = torch.cat([tokens, none], dim=1)
    out = bert(longer, torch.zeros_like(longer))[:, :7]
    assert_close(out, bert(tokens, torch.zeros_like(tokens)), 1e-10)


def test_word_head_uses_the_embeddings_at_the_chosen_positions(page: dict) -> None:
    model = page["Pretraining"](page["Bert"](50, 32, 2, 1, dropout=0.0))
    tokens = torch.randint(WORDS, 50, (3, 8))
    chosen = torch.rand(3, 8) < 0.4
    words, is_next = model(tokens, torch.zeros_like(tokens), chosen)
    assert words.shape == (int(chosen.sum()), 50) and is_next.shape == (3, 2)
    hidden = model.bert(tokens, torch.zeros_like(tokens))
    every = model.transform(hidden) @ model.bert.tokens.weight.T + model.bias
    assert_close(words, every[chosen], 1e-5)


@pytest.mark.parametrize(
    ("layers", "dim", "encoder", "with_heads"),
    [(12, 768, 109_482_240, 110_106_428), (24, 1024, 335_141_888, 336_226_108)],
)
def test_parameter_counts_are_the_papers(
    page: dict, layers: int, dim: int, encoder: int, with_heads: int
) -> None:
    assert page["count"](layers, dim) == encoder
    assert page["count"](layers, dim, heads=True) == with_heads
