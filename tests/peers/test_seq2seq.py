"""The definitions of sequences/seq2seq against torch, d2l, sacrebleu and exhaustive search."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from utils import assert_close, generator, seed_everything
from utils.compat import d2l
from utils.data import number_names
from utils.data.translation import LANGUAGES
from utils.text import CharTokenizer, WordTokenizer, bleu

TOLERANCE = 1e-10  # in double precision
PAD, EOS, BOS = 0, 3, 2


ALSO = ["PAD", "UNK", "BOS", "EOS"]


def sentences(lengths: list[int], vocab: int = 9) -> Tensor:
    tokens = torch.randint(4, vocab, (len(lengths), max(lengths)))
    return tokens * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])


@pytest.mark.parametrize("lengths", [[4, 1, 7], [5, 5, 5], [1, 1, 1]])
def test_reading_is_a_packed_gru(page: dict, lengths: list[int]) -> None:
    gru, cell = nn.GRU(6, 5, batch_first=True).double(), nn.GRUCell(6, 5).double()
    named = gru.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): named[name] for name in named})
    X = torch.randn(3, max(lengths), 6, dtype=torch.float64, requires_grad=True)
    ours = page["read"](cell, X, torch.tensor(lengths))
    packed = pack_padded_sequence(X, torch.tensor(lengths), True, enforce_sorted=False)
    theirs = gru(packed)[1][0]
    assert_close(ours, theirs, TOLERANCE)
    weight = torch.randn(3, 5, dtype=torch.float64)
    gradients = [torch.autograd.grad((h * weight).sum(), [X, *layer.parameters()])
                 for h, layer in ((ours, cell), (theirs, gru))]  # fmt: skip
    for one, other in zip(*gradients):
        assert_close(one, other, TOLERANCE)
    beyond = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    assert bool((gradients[0][0][beyond] == 0).all())


@pytest.mark.parametrize("extra", [0, 3])
def test_loss_is_torchs_and_d2ls_scaled(page: dict, extra: int) -> None:
    lengths = [4, 1, 7]
    target = F.pad(sentences(lengths), (0, extra))
    logits = torch.randn(3, 7 + extra, 9, dtype=torch.float64, requires_grad=True)
    steps = 7 + extra
    losses = [
        page["masked_cross_entropy"](logits, target),
        F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD),
        d2l.MaskedSoftmaxCELoss()(logits, target, torch.tensor(lengths)).sum() * steps / 12,
    ]
    for loss in losses[1:]:
        assert_close(loss, losses[0], TOLERANCE)
        ours, theirs = (torch.autograd.grad(x, logits, retain_graph=True)[0]
                        for x in (losses[0], loss))  # fmt: skip
        assert_close(ours, theirs, TOLERANCE)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_padding_changes_nothing(page: dict, cell: str) -> None:
    model = page["Seq2Seq"](9, 9, 8, cell).double()
    source, previous = sentences([3, 6]), sentences([5, 5])
    assert_close(model(F.pad(source, (0, 4)), previous), model(source, previous), TOLERANCE)


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_teacher_forcing_at_once_is_step_by_step(page: dict, cell: str) -> None:
    model = page["Seq2Seq"](9, 9, 8, cell).double()
    source, previous = sentences([3, 6]), sentences([5, 5])
    state, steps = model.encode(source), []
    for token in previous.split(1, dim=1):
        logits, state = model.step(token, state)
        steps.append(logits)
    assert_close(torch.cat(steps, 1), model(source, previous), TOLERANCE)
    forced = page["forward_pass"](model, source, previous, "truth")
    assert_close(forced, model(source, previous), TOLERANCE)


def test_a_decoder_that_feeds_itself_writes_what_greedy_search_writes(page: dict) -> None:
    model = page["Seq2Seq"](9, 9, 8).double()
    source = sentences([3, 6])
    first = torch.full((2, 5), BOS)
    written = page["forward_pass"](model, source, first, "argmax").argmax(-1)
    greedy = page["greedy"](model, source, 5)
    assert bool(((written == greedy) | (greedy == PAD)).all())


@pytest.mark.parametrize("cell", ["GRU", "LSTM"])
def test_an_encoder_starts_with_orthogonal_matrices_and_an_open_gate(page: dict, cell: str) -> None:
    layer = page["Seq2Seq"](9, 9, 8, cell).encoder
    for part in layer.weight_hh_l0.detach().split(8):
        assert_close(part @ part.T, torch.eye(8), 1e-5)
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    assert_close(bias[8:16], torch.ones(8))
    assert bool((bias[:8] == 0).all() and (bias[16:] == 0).all())


def test_phrases_are_taken_from_the_end(page: dict) -> None:
    page["words"] = WordTokenizer()
    table = {("a",): ["A"], ("b",): ["B"], ("a", "b"): ["C", "D"]}
    lookup = {"x": "X", "and": "?"}
    assert page["by_phrase"]("a b", table, lookup) == ["C", "D"]
    assert page["by_phrase"]("b x and a", table, lookup) == ["B", "X", "A"]
    assert page["by_phrase"]("new, b", table, lookup) == ["new", "B"]


def test_strings_are_copied_and_turned_round(page: dict) -> None:
    source, target = page["strings"](50, 0, 5)
    lengths = (source != PAD).sum(1)
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5}
    assert int(source.max()) == 11 and int(source[source > 0].min()) == 4
    turned = page["backwards"](source)
    for s, t, back, n in zip(source.tolist(), target.tolist(), turned.tolist(), lengths):
        assert t[: n + 2] == [BOS, *s[:n], EOS] and not any(t[n + 2 :])
        assert back[:n] == s[:n][::-1] and not any(back[n:])


def tiny_model(page: dict, seed: int) -> nn.Module:
    seed_everything(seed)
    model = page["Seq2Seq"](6, 6, 8)
    model.output.weight.data *= 8
    model.output.bias.data[PAD] = -30
    return model


@pytest.mark.parametrize("seed", range(3))
def test_narrow_and_wide_beams(page: dict, seed: int) -> None:
    model, source = tiny_model(page, seed), torch.tensor([[2, 4, 5, 3]])
    log_p, tokens = page["beam_search"](model, source, 1, 5)
    written = page["greedy"](model, source, 5)[0]
    assert tokens == written[written != PAD].tolist()
    with torch.inference_mode():
        assert_close(log_p, page["log_probability"](model, source, tokens), 1e-4)
    best = page["exhaustive"](model, source, 6, 4)
    wide = page["beam_search"](model, source, 6**4, 4)
    assert wide[1] == best[1]
    assert_close(wide[0], best[0], 1e-4)
    scores = [page["beam_search"](model, source, k, 4)[0] for k in (1, 6**4)]
    assert scores[0] <= scores[1] + 1e-6


@pytest.mark.parametrize("longest", [3, 8, 30])
def test_bleu_is_sacrebleus(page: dict, longest: int) -> None:
    rng = generator(longest)
    texts = [["abc"[i] for i in torch.randint(3, (n,), generator=rng)]
             for n in torch.randint(1, longest, (60,), generator=rng)]  # fmt: skip
    for candidates, references in ((texts[:30], texts[30:]), (texts[:30], texts[:30])):
        lines = [[" ".join(t) for t in side] for side in (candidates, references)]
        if not any(page["ngrams"](c, 4) & page["ngrams"](r, 4)
                   for c, r in zip(candidates, references)):  # fmt: skip
            assert page["bleu"](candidates, references) == 0  # sacrebleu smooths zeros
            continue
        assert_close(page["bleu"](candidates, references), bleu(*lines, "none"), 1e-9)


@pytest.mark.parametrize("cut", [WordTokenizer(), CharTokenizer()])
def test_languages_round_trip(page: dict, cut: Any) -> None:
    names = ["quatre-vingt-dix-sept", "cent un", "mille"]
    language = page["learn_language"](names, cut)
    tokens = language.encode(names)
    assert bool((tokens[:, 0] == BOS).all()) and bool(((tokens == EOS).sum(1) == 1).all())
    assert language.decode(tokens) == names


def test_right_means_every_token(page: dict) -> None:
    target = torch.tensor([[2, 7, 3, 0], [2, 7, 8, 3], [2, 7, 3, 0]])
    written = torch.tensor([[7, 3, 0, 0, 0], [7, 3, 0, 0, 0], [7, 3, 0, 5, 0]])
    assert page["is_right"](written, target).tolist() == [True, False, False]
    ended = page["after_end_padded"](torch.tensor([[7, 3, 5, 3], [7, 5, 6, 8]]))
    assert ended.tolist() == [[7, 3, 0, 0], [7, 5, 6, 8]]


def test_new_combinations_are_above_the_range_and_no_longer(page: dict) -> None:
    page["words"], page["train_pairs"] = WordTokenizer(), number_names("en", "fr")[0]
    longest = [max(len(page["words"](pair[i])) for pair in page["train_pairs"]) for i in (0, 1)]
    pairs, again = (page["new_combinations"](seed) for seed in (0, 1))
    assert len(pairs) == 500 and pairs != again
    named = {LANGUAGES["en"](n) for n in range(10_000)}
    for pair in pairs:
        assert pair[0] not in named and "thousand" in pair[0]
        assert all(len(page["words"](name)) <= most for name, most in zip(pair, longest))
