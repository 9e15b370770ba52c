"""The definitions of attention/bert against torch, d2l, and the proportions of the paper."""

import inspect
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator, seed_everything
from utils.check import remark
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
        ("beaming", 0), ("darted", 1), ("Swiftly", 2), ("loudness", 3), ("vision", 3),
        ("figment", 3), ("flowers", 4), ("riding", 0), ("gracious", None), ("compass", None),
        ("spring", 0), ("king", None), ("loving", None), ("garden", None), ("Hastings", None),
    ],
)  # fmt: skip
def test_a_rare_words_kind_is_its_ending(
    monkeypatch: pytest.MonkeyPatch, page: dict, word: str, kind: int | None
) -> None:
    monkeypatch.setitem(page, "vocab", {"loving": 6, "<name>": 5})
    monkeypatch.setitem(page, "names", {"hastings"})
    assert page["ending"](word) == kind


def test_marks_are_written_as_full_stops_and_names_as_one_token(
    monkeypatch: pytest.MonkeyPatch, page: dict
) -> None:
    monkeypatch.setitem(page, "names", {"emma"})
    written = [page["token"](word) for word in ("?", "!", ".", ",", "Emma", "emma's", "The")]
    assert written == [".", ".", ".", ",", "<name>", "<name>", "the"]


def test_names_have_capitals_inside_sentences(page: dict) -> None:
    words = "Then I saw Emma , and Emma saw a Friend and a friend and the friend . Well".split()
    assert page["find_names"](words) == {"emma"}


def test_gaps_hide_every_labelled_word_in_its_surroundings(
    monkeypatch: pytest.MonkeyPatch, page: dict
) -> None:
    kept = [f"w{i}" for i in range(40)]
    kept[3] = kept[15] = kept[22] = "?"
    monkeypatch.setitem(page, "words", {False: [], True: kept})
    monkeypatch.setitem(page, "tokens_of", {True: kept})

    class Numbers:
        def encode(self, tokens: list[str]) -> Tensor:
            return torch.arange(100, 100 + len(tokens))

    monkeypatch.setitem(page, "vocab", Numbers())
    X, y = page["gaps"](True, {"?": 1, "w25": 0}.get)
    assert y.tolist() == [1, 1, 0]  # the first one stands too near to the start
    for row, at in zip(X.tolist(), (15, 22, 25), strict=True):
        numbers = [100 + i for i in range(at - 10, at + 11)]
        numbers[10] = MASK
        assert row == [CLS, *numbers, SEP]


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


def test_summary_is_the_gap_and_for_marks_its_sides(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0)
    X = torch.randint(WORDS, 50, (3, 23))
    H = bert(X)
    assert_close(page["summary"](bert, X, "ending"), H[:, 11])
    want = torch.cat([H[:, 11], H[:, 1:11].mean(1), H[:, 12:22].mean(1)], dim=1)
    assert_close(page["summary"](bert, X, "mark"), want)


def test_a_classifier_starts_on_a_copy(page: dict) -> None:
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0)
    X = torch.randint(WORDS, 50, (3, 23))
    for task in ("ending", "mark"):
        model = page["Classifier"](bert, task, 4)
        assert_close(model(X), model.output.bias.expand(3, 4))
        torch.nn.init.normal_(model.output.weight)
        assert_close(model(X), model.output(page["summary"](bert, X, task)))
        assert model.bert is not bert and model.bert.tokens.weight is not bert.tokens.weight


def test_word_vectors_give_the_pointwise_mutual_information_back(
    monkeypatch: pytest.MonkeyPatch, page: dict
) -> None:
    monkeypatch.setitem(page, "vocab", [*"abcdefgh"])
    monkeypatch.setitem(page, "text", torch.randint(0, 8, (500,), generator=generator(0)))
    size, text = 8, page["text"]
    table = torch.zeros(size, 2 * size)
    for one, other in zip(text[:-1].tolist(), text[1:].tolist(), strict=True):
        table[one, other] += 1
        table[other, size + one] += 1
    column = table.sum(0) ** 0.75
    chance = table.sum(1)[:, None] * (column / column.sum())
    pmi = (table / chance).clamp(min=1e-9).log().clamp(min=0)
    S = torch.linalg.svdvals(pmi)
    real = torch.svd_lowrank
    seen = {}

    def watched(A: Tensor, q: int, niter: int) -> tuple:
        seen["pmi"] = A
        return real(A, min(q, size), niter=niter)

    monkeypatch.setattr(torch, "svd_lowrank", watched)
    W = inspect.unwrap(page["word_vectors"])()  # without shapes: 8 directions, not 64
    assert_close(seen["pmi"], pmi, 1e-4)
    assert_close(W.norm(dim=0), S.sqrt(), 1e-3)


def test_vectors_are_the_neighbours_and_for_marks_the_sides(
    monkeypatch: pytest.MonkeyPatch, page: dict
) -> None:
    W = torch.randn(50, 64)
    monkeypatch.setitem(page, "word_vectors", lambda: W)
    X = torch.randint(WORDS, 50, (3, 23))
    near_gap = torch.cat([W[X[:, 10]], W[X[:, 12]]], dim=1)
    assert_close(page["vectors"](X, "ending"), near_gap)
    around = torch.cat([W[X[:, 1:11]].mean(1), W[X[:, 12:22]].mean(1)], dim=1)
    assert_close(page["vectors"](X, "mark"), torch.cat([near_gap, around], dim=1))


def test_pairs_do_not_reach_across_the_gap(monkeypatch: pytest.MonkeyPatch, page: dict) -> None:
    monkeypatch.setitem(page, "STOP", 99)
    found = page["words_and_pairs"](torch.arange(23))
    assert len(found) == 20 + 18
    assert ("left", 1) in found and ("left", 9, 10) in found and ("right", 12, 13) in found
    assert all(11 not in item and 0 not in item and 22 not in item for item in found)


@pytest.mark.parametrize(("stops", "first"), [([3], 3), ([3, 7], 7), ([10], 10), ([1], 1)])
def test_pairs_on_the_left_begin_at_the_last_full_stop(
    monkeypatch: pytest.MonkeyPatch, page: dict, stops: list[int], first: int
) -> None:
    monkeypatch.setitem(page, "STOP", 99)
    row = torch.arange(100, 123)
    row[stops], row[15] = 99, 99  # one on the right as well
    found = [item for item in page["words_and_pairs"](row) if item[0] == "left"]
    wanted = row[first:11].tolist()
    assert found == [("left", word) for word in wanted] + [
        ("left", *pair) for pair in pairwise(wanted)
    ]


def test_pre_training_starts_at_the_vectors(monkeypatch: pytest.MonkeyPatch, page: dict) -> None:
    W = torch.randn(50, 64)
    monkeypatch.setitem(page, "word_vectors", lambda: W)
    bert = page["Bert"](50, 64, 2, 1)
    before = bert.tokens.weight.clone()
    started = page["with_vectors"](bert).tokens.weight
    assert_close(started.norm(dim=1), torch.full((50,), 2.4))
    assert_close(torch.cosine_similarity(started, W), torch.ones(50))
    assert torch.equal(bert.tokens.weight, before)


@pytest.mark.parametrize(("layers", "dim", "published"), [(12, 768, 110e6), (24, 1024, 335e6)])
def test_parameter_counts_are_the_papers(
    page: dict, layers: int, dim: int, published: float
) -> None:
    exact = {768: 109_482_240, 1024: 335_141_888}
    assert page["count"](layers, dim) == exact[dim]
    assert abs(exact[dim] / published - 1) < 0.005


def test_fine_tuning_learns_and_leaves_the_original_alone(
    monkeypatch: pytest.MonkeyPatch, page: dict
) -> None:
    seed_everything(0)
    monkeypatch.setitem(page, "device", torch.device("cpu"))
    bert = page["Bert"](50, 32, 2, 1, dropout=0.0, std=0.1)
    before = bert.tokens.weight.clone()
    X, y = torch.randint(WORDS, 50, (64, 23)), torch.arange(64) % 2
    X[:, 11] = WORDS + y
    model = page["fine_tune"](page["Classifier"](bert, "ending", 2), X, y, 0, 3e-3, 60)
    assert not model.training and torch.equal(bert.tokens.weight, before)
    assert (page["in_parts"](model, X).argmax(1) == y).float().mean() > 0.95


@pytest.mark.parametrize("examples", [20, 64])
def test_fine_tuning_takes_as_many_steps_as_it_says(
    monkeypatch: pytest.MonkeyPatch, page: dict, examples: int
) -> None:
    taken: list[float] = []
    monkeypatch.setitem(page, "device", torch.device("cpu"))
    monkeypatch.setitem(page, "step", lambda loss, _optimizer, _schedule: taken.append(loss.item()))
    X, y = torch.randint(WORDS, 50, (examples, 23)), torch.arange(examples) % 2
    model = page["Classifier"](page["Bert"](50, 32, 2, 1), "ending", 2)
    page["fine_tune"](model, X, y, 0, 3e-3, 7)
    assert len(taken) == 7


# --- the exercises' checkers, and wrong answers


@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    return notebook_definitions("attention/bert", also=ALSO, exercises=True)


def masked(change: str) -> Callable[..., tuple[Tensor, Tensor]]:
    """A masking with a mistake, or with none."""

    def mask(tokens: Tensor, vocab_size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        shape = tokens[:1].shape if change == "one choice for all rows" else tokens.shape
        choice, fate = (torch.rand(shape, generator=rng) for _ in range(2))
        if change == "one fate for all rows":
            fate = fate[:1]
        first = WORDS + 1 if change == "the first word is special" else WORDS
        if change == "asks for <name>":
            first = NAME
        chosen = (choice < (0.2 if change == "a fifth" else 0.15)) & (tokens >= first)
        low = {"noise from everything": 0, "noise skips a word": WORDS + 1}.get(change, WORDS)
        high = vocab_size - (change == "noise skips the last word")
        high += change == "noise beyond the vocabulary"
        noise_shape = tokens.shape if change != "one noise for all rows" else tokens[:1].shape
        noise = torch.randint(low, high, noise_shape, generator=rng).expand(tokens.shape)
        if change == "one noise word":
            noise = noise[:1, :1].expand(tokens.shape)
        hidden = chosen & (fate < (0.9 if change == "keeps none" else 0.8))
        if change == "writes into its input":
            tokens[hidden] = MASK
        if change == "global chance":
            noise = torch.randint(WORDS, vocab_size, tokens.shape)
        seen = tokens.masked_fill(hidden, MASK)
        return torch.where(chosen & (fate >= 0.9), noise, seen), chosen

    return mask


WRONG = (
    "one choice for all rows", "one fate for all rows", "the first word is special",
    "asks for <name>", "a fifth", "noise from everything", "noise skips a word",
    "noise skips the last word", "noise beyond the vocabulary", "one noise for all rows",
    "one noise word", "keeps none", "writes into its input", "global chance",
)  # fmt: skip


def test_right_masking_is_accepted(exercises: dict) -> None:
    assert remark(masked(""), exercises["mask_spec"]).state == "right"


@pytest.mark.parametrize("change", WRONG)
def test_wrong_masking_is_refused(exercises: dict, change: str) -> None:
    assert remark(masked(change), exercises["mask_spec"]).state == "wrong"


def chooser(change: str) -> Callable[[Tensor, torch.Generator, int], Tensor]:
    """A choice of positions with a mistake, or with none."""

    def choose(tokens: Tensor, rng: torch.Generator, most: int) -> Tensor:
        if change == "global chance":
            rng = generator(int(torch.randint(1000, ()).item()))
        words = tokens >= (WORDS + 1 if change == "the first word is special" else WORDS)
        counted = words if change == "counts words only" else tokens != PAD
        length = counted.sum(1)
        if change == "counts padding":
            length = torch.full_like(length, tokens.shape[1])
        share = length * 0.15
        share = share.floor() if change == "rounds down" else share.round()
        share = share.ceil() if change == "rounds up" else share
        lowest = 0 if change == "none in short texts" else 1
        how_many = share.clamp(lowest, most - (change == "one fewer"))
        order = torch.rand(tokens.shape, generator=rng)
        if change == "one order for all rows":
            order = order[:1].expand(tokens.shape)
        if change == "contiguous run":
            # a run of words from a random start, round the end of the row
            count = words.sum(1, keepdim=True).clamp(min=1)
            start = (order[:, :1] * count).long()
            place = words.long().cumsum(1) - 1
            return words & ((place - start) % count < how_many[:, None])
        if change == "first words":
            order = torch.arange(tokens.shape[1]).float().expand(tokens.shape)
        order = order.masked_fill(~words, 0.5 if change == "specials compete" else 2.0)
        rank = order.argsort(dim=1)
        rank = rank if change == "one argsort" else rank.argsort(dim=1)
        return (rank < how_many[:, None]) & words

    return choose


WRONG_CHOICES = (
    "the first word is special", "counts words only", "counts padding", "rounds down",
    "none in short texts", "one fewer", "one order for all rows", "contiguous run",
    "first words", "specials compete", "one argsort", "global chance",
)  # fmt: skip


def test_right_choice_is_accepted(exercises: dict) -> None:
    assert remark(chooser(""), exercises["exactly_spec"]).state == "right"
    assert remark(lambda tokens, rng, most: None, exercises["exactly_spec"]).state == "open"


@pytest.mark.parametrize("change", WRONG_CHOICES)
def test_wrong_choice_is_refused(exercises: dict, change: str) -> None:
    assert remark(chooser(change), exercises["exactly_spec"]).state == "wrong"
