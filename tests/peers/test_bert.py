"""The definitions of attention/bert against torch, d2l, and the proportions of the paper."""

import math

import pytest
import torch
from torch import Tensor

from utils import assert_close, generator, seed_everything
from utils.compat import d2l

PAD, UNK, CLS, SEP, MASK, NAME, WORDS = range(7)


ALSO = ["SPECIALS", "PAD", "WORDS"]


def near(events: Tensor, expected: float) -> bool:
    margin = 4 * math.sqrt(expected * (1 - expected) / events.numel())
    return abs(events.float().mean().item() - expected) < margin


@pytest.mark.parametrize("share", [0.15, 0.3])
@pytest.mark.parametrize("seed", range(2))
def test_masking_has_the_papers_proportions(page: dict, seed: int, share: float) -> None:
    tokens = torch.randint(WORDS, 1000, (400, 500))
    seen, chosen = page["mask_words"](tokens, 1000, generator(seed), share)
    assert near(chosen, share)
    assert near((seen == MASK)[chosen], 0.8)
    # a random word is the same one with probability 1 / 994
    assert near((seen == tokens)[chosen], 0.1 + 0.1 / 994)
    assert torch.equal(seen[~chosen], tokens[~chosen])


def test_masking_chooses_fifteen_per_cent_unless_told_otherwise(page: dict) -> None:
    tokens = torch.randint(WORDS, 1000, (400, 500))
    assert near(page["mask_words"](tokens, 1000, generator(0))[1], 0.15)


def test_masking_draws_from_all_words_and_from_nothing_else(page: dict) -> None:
    tokens = torch.full((200, 200), WORDS + 1)
    seen, _ = page["mask_words"](tokens, WORDS + 3, generator(0))
    assert set(seen[seen != MASK].tolist()) == {WORDS, WORDS + 1, WORDS + 2}


def test_masking_asks_for_words_only_and_keeps_its_input(page: dict) -> None:
    tokens = torch.randint(0, 20, (100, 100))
    before = tokens.clone()
    seen, chosen = page["mask_words"](tokens, 20, generator(0))
    assert torch.equal(tokens, before)
    assert not bool(chosen[tokens < WORDS].any())
    assert bool(chosen[tokens == WORDS].any())
    assert torch.equal(seen[tokens < WORDS], tokens[tokens < WORDS])


def test_a_frame_is_cls_words_sep(page: dict) -> None:
    framed = page["frame"](torch.tensor([[7, 8, 9], [10, 11, 12]]))
    assert framed.tolist() == [[CLS, 7, 8, 9, SEP], [CLS, 10, 11, 12, SEP]]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("beaming", 0), ("darted", 1), ("swiftly", 2), ("loudness", 3), ("vision", 3),
        ("figment", 3), ("flowers", 4), ("riding", 0), ("gracious", None), ("compass", None),
        ("spring", 0), ("king", None), ("loving", None), ("garden", None),
    ],
)  # fmt: skip
def test_a_rare_words_kind_is_its_ending(page: dict, word: str, kind: int | None) -> None:
    page["vocab"] = {"loving": 6}
    assert page["kind"](word) == kind


def test_a_draw_is_balanced_and_random(page: dict) -> None:
    y = torch.tensor([0] * 50 + [1] * 20 + [2] * 30)
    rows = page["balanced"](y, 10, 1)
    assert y[rows].bincount().tolist() == [10, 10, 10] and len(rows.unique()) == 30
    assert not torch.equal(rows, page["balanced"](y, 10, 2))
    assert torch.equal(rows, page["balanced"](y, 10, 1))
    often = torch.cat([page["balanced"](y, 10, seed) for seed in range(60)])
    assert len(often.unique()) == 100


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


def test_without_segments_all_are_the_first(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0)
    tokens = torch.randint(WORDS, 50, (3, 8))
    assert_close(bert(tokens), bert(tokens, torch.zeros_like(tokens)))
    assert not torch.allclose(bert(tokens), bert(tokens, torch.ones_like(tokens)))


@pytest.mark.parametrize("modern", [False, True])
def test_padding_changes_nothing(page: dict, modern: bool) -> None:
    bert = page["Bert"](50, 32, 2, 2, dropout=0.0, modern=modern).double()
    tokens, none = torch.randint(WORDS, 50, (2, 7)), torch.zeros(2, 3, dtype=torch.int64)
    out = bert(torch.cat([tokens, none], dim=1))[:, :7]
    assert_close(out, bert(tokens), 1e-10)


def test_modern_is_pre_norm_with_rotary_positions(page: dict) -> None:
    for modern in (False, True):
        layer = page["Bert"](50, 32, 2, 1, modern=modern).encoder.layers[0]
        assert layer.norm_first == layer.self_attn.rotary == modern
        assert layer.linear1.out_features == 128


def test_embeddings_start_small_and_dropout_is_used(page: dict) -> None:
    bert = page["Bert"](5000, 32, 2, 1, dropout=0.5)
    for table in (bert.tokens, bert.positions):
        assert abs(table.weight.std().item() - 0.02) < 0.001
    assert abs(page["Bert"](5000, 32, 2, 1, std=0.1).segments.weight.std().item() - 0.1) < 0.05
    assert bert.positions.num_embeddings == 512 and bert.dropout.p == 0.5
    assert bert.encoder.layers[0].dropout.p == 0.5
    assert page["Bert"](50, 32, 2, 1).dropout.p == 0.1
    tokens = torch.randint(WORDS, 50, (2, 7))
    assert not torch.equal(bert(tokens), bert(tokens))
    bert.encoder = torch.nn.Sequential()  # what is left of it drops, too
    bert.encoder.forward = lambda X, valid: X  # type: ignore[method-assign]
    assert 0.3 < (bert(tokens) == 0).float().mean() < 0.7


def test_word_head_uses_the_embeddings_at_the_chosen_positions(page: dict) -> None:
    model = page["MaskedWords"](page["Bert"](50, 32, 2, 1, dropout=0.0))
    torch.nn.init.normal_(model.bias)
    tokens = torch.randint(WORDS, 50, (3, 8))
    chosen = torch.rand(3, 8) < 0.4
    words = model(tokens, chosen)
    assert words.shape == (int(chosen.sum()), 50)
    h = model.bert(tokens)
    linear, gelu, norm = model.transform
    assert isinstance(gelu, torch.nn.GELU)
    every = norm(gelu(linear(h))) @ model.bert.tokens.weight.T + model.bias
    assert_close(words, every[chosen], 1e-5)
    assert not page["MaskedWords"](model.bert).bias.any()


def test_windows_are_running_text(page: dict) -> None:
    text = torch.arange(100, 135)
    found = page["windows"](text, 500, generator(0))
    assert found.shape == (500, 32)
    assert (found[:, 0] == CLS).all() and (found[:, -1] == SEP).all()
    inner = found[:, 1:-1]
    assert (inner.diff(dim=1) == 1).all()
    assert set(inner[:, 0].tolist()) == set(range(100, 106))


def test_weights_decay_and_biases_and_norms_do_not(page: dict) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    before = [p.clone() for p in model.parameters()]
    optimizer = page["adamw"](model, 0.5)
    assert isinstance(optimizer, torch.optim.AdamW)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert_close(model[0].weight, before[0] * (1 - 0.5 * 0.01))
    for p, old in list(zip(model.parameters(), before, strict=True))[1:]:
        assert torch.equal(p, old)


def test_a_step_goes_down_the_new_gradient_only(page: dict) -> None:
    x = torch.tensor(3.0, requires_grad=True)
    x.grad = torch.tensor(100.0)
    optimizer = torch.optim.SGD([x], 0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    page["step"](x**2, optimizer, schedule)
    assert_close(x, 3 - 0.1 * 6)
    assert_close(schedule.get_last_lr()[0], 0.05)


def test_summary_is_the_gap_or_the_mean(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0)
    X = torch.randint(WORDS, 50, (3, 23))
    assert_close(page["summary"](bert, X), bert(X)[:, 11])
    passages = torch.randint(WORDS, 50, (3, 4, 32))
    want = torch.stack([bert(passage).mean((0, 1)) for passage in passages])
    assert_close(page["summary"](bert, passages), want)


def test_a_classifier_starts_on_a_copy(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0)
    model, X = page["Classifier"](bert, 4), torch.randint(WORDS, 50, (3, 23))
    assert_close(model(X), model.output.bias.expand(3, 4))
    torch.nn.init.normal_(model.output.weight)
    assert_close(model(X), model.output(bert(X)[:, 11]))
    assert model.bert is not bert and model.bert.tokens.weight is not bert.tokens.weight


@pytest.mark.parametrize(("layers", "dim", "published"), [(12, 768, 110e6), (24, 1024, 335e6)])
def test_parameter_counts_are_the_papers(
    page: dict, layers: int, dim: int, published: float
) -> None:
    exact = {768: 109_482_240, 1024: 335_141_888}
    assert page["count"](layers, dim) == exact[dim]
    assert abs(exact[dim] / published - 1) < 0.005


def test_fine_tuning_learns_and_leaves_the_original_alone(page: dict) -> None:
    seed_everything(0)
    page["device"] = torch.device("cpu")
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0, std=0.1)
    before = bert.tokens.weight.clone()
    X, y = torch.randint(WORDS, 50, (64, 23)), torch.arange(64) % 2
    X[:, 11] = WORDS + y
    model = page["fine_tune"](bert, X, y, 0, 3e-3, 60)
    assert not model.training and torch.equal(bert.tokens.weight, before)
    assert (page["in_parts"](model, X).argmax(1) == y).float().mean() > 0.95
