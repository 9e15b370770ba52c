"""The definitions of sequences/deep-and-bidirectional against torch, forward and backward."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from utils import assert_close, generator, seed_everything
from utils.data.novels import TextSplit

TOLERANCE = 1e-10  # in double precision
ALSO = ("CASES",)
LENGTHS = torch.tensor([4, 1, 7])


class Answers(nn.Module):
    """Gives what a function of the letters says."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, letters):
        return self.function(letters)


def some_text(seed):
    """Enough words, in an order of their own for each seed."""
    words = "It is a truth universally acknowledged that she was the only one!".split()
    order = torch.randint(len(words), (7_000,), generator=torch.Generator().manual_seed(seed))
    return " ".join(words[i] for i in order)


@pytest.fixture(autouse=True)
def _little_text(page):
    """A short text in the place of the novels, and a fresh memory."""
    page["split"] = TextSplit(some_text(0), some_text(1), some_text(2))
    for name in ("data", "learn", "widest"):
        page[name].cache_clear()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_stacks_are_the_library_s(page, kind, num_layers, bidirectional):
    library = kind(5, 6, num_layers, bidirectional=bidirectional, batch_first=True).double()
    ours = page["copied"](library).double()
    X = torch.randn(3, 7, 5, dtype=torch.double)
    X1, X2 = X.clone().requires_grad_(), X.clone().requires_grad_()
    mine, states = ours(X1, LENGTHS)
    outputs, h_n = library(pack_padded_sequence(X2, LENGTHS, True, enforce_sorted=False))
    theirs, _ = pad_packed_sequence(outputs, batch_first=True)
    assert_close(mine, theirs, TOLERANCE)
    assert_close(torch.cat(states), h_n, TOLERANCE)
    A, B = torch.randn_like(theirs), torch.randn_like(h_n)
    ((mine * A).sum() + (torch.cat(states) * B).sum()).backward()
    ((theirs * A).sum() + (h_n * B).sum()).backward()
    assert_close(X1.grad, X2.grad, TOLERANCE)
    for p, q in zip(ours.parameters(), library.parameters(), strict=True):
        assert_close(p.grad, q.grad, TOLERANCE)


def test_reversal_leaves_the_padding_where_it_is(page):
    X = torch.arange(1, 22.0).view(3, 7, 1)
    turned = page["reverse"](X, LENGTHS)[..., 0]
    assert turned[0].tolist() == [4, 3, 2, 1, 5, 6, 7]
    assert turned[1].tolist() == [8, 9, 10, 11, 12, 13, 14]
    assert turned[2].tolist() == [21, 20, 19, 18, 17, 16, 15]
    assert_close(page["reverse"](page["reverse"](X, LENGTHS), LENGTHS), X)


@pytest.mark.parametrize("residual", [False, True])
def test_residual_stack(page, residual):
    """The input is added where it has the shape of the output, and nowhere else."""
    layers = [nn.LSTM(n, 4, batch_first=True) for n in (3, 4, 4)]
    X = torch.randn(2, 5, 3)
    H = layers[0](X)[0]
    for layer in layers[1:]:
        H = layer(H)[0] + (H if residual else 0)
    outputs, states = page["Stack"](layers, residual)(X)
    assert_close(outputs, H.detach())
    assert len(states) == 3
    assert not page["Stack"](layers).residual


def test_words_end_where_spaces_were(page):
    letters, ends = page["spaces"]("It is--a TRUTH,\nz")
    assert "".join(chr(97 + c) for c in letters) == "itisatruthz"
    assert ends.tolist() == [0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1]


def test_vowels_are_masked_and_asked_for(page):
    tokens, y = page["vowels"]("It, is; A b")
    assert "".join(page["ALPHABET"][t] for t in tokens) == "_t _s _ b"
    assert y.tolist() == [2, -1, -1, 2, -1, -1, 0, -1, -1]
    assert set(page["vowels"]("a e i o u xyz")[1].tolist()) == {-1, 0, 1, 2, 3, 4}


def test_the_next_letter_is_the_next(page):
    tokens, y = page["next_letter"]("Ab, cz!x")
    assert "".join(page["ALPHABET"][t] for t in tokens) == "ab cz "
    assert "".join(page["ALPHABET"][t] for t in y) == "b cz x"
    assert page["numbers"](" abz_").tolist() == [0, 1, 2, 26, 27]


def test_contexts_are_numbered_by_their_letters(page):
    letters = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
    assert page["context"](letters, 1, 0).tolist() == letters.tolist()
    assert page["context"](letters, 2, 1)[2].item() == (1 * 26 + 4) * 26 + 1
    assert page["context"](letters, 1, 2)[3].item() == (1 * 26 + 5) * 26 + 9


def test_counting_by_hand(page):
    """'ab' ends a word twice in three times, 'a' once in four; 'c' was never seen."""
    train = torch.tensor([0, 1, 0, 1, 0, 1, 0, 3]), torch.tensor([0, 1, 0, 1, 0, 0, 1, 0])
    asked = torch.tensor([0, 1, 2, 0])
    share = page["by_counting"](train, asked, [(1, 0)])
    prior = 3 / 8
    assert_close(share[:3], torch.tensor([(1 + prior) / 5, (2 + prior) / 4, prior]))
    finer = page["by_counting"](train, asked, [(1, 0), (2, 0)])
    assert_close(finer[1], (2 + share[1].item()) / 4)
    assert_close(finer[2], prior)
    assert_close(page["by_counting"](train, torch.tensor([25]), [(1, 0)])[0], prior)


@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_tagger_is_layers_and_a_head(page, cell, hidden):
    tagger = page["Tagger"]("vowels", 6, cell=cell, num_layers=2, bidirectional=True, hidden=hidden)
    letters = torch.randint(28, (3, 9))
    H = tagger.layers(F.one_hot(letters, 28).float())[0]
    assert isinstance(tagger.layers, page["LAYERS"][cell])
    assert H.shape == (3, 9, 12)
    logits = tagger.head(H)
    assert logits.shape == (3, 9, 5)
    assert_close(tagger(letters), logits.detach())
    kinds = [type(m) for m in tagger.head.modules() if not isinstance(m, nn.Sequential)]
    assert kinds == ([nn.Linear, nn.ReLU, nn.Linear] if hidden else [nn.Linear])


def test_residual_tagger(page):
    tagger = page["Tagger"]("spaces", 6, num_layers=3, delay=2, residual=True)
    plain = page["Tagger"]("spaces", 6, num_layers=3, delay=2)
    assert page["count"](tagger) == page["count"](plain)
    assert tagger.layers.residual
    assert len(tagger.layers.layers) == 3


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_delayed_answer_has_read_so_many_letters_more(page, delay):
    tagger, letters = page["Tagger"]("spaces", 6, delay=delay), torch.randint(26, (1, 9))
    logits = tagger(letters)
    assert logits.shape == (1, 9, 2)
    for place in range(9):
        other = letters.clone()
        other[0, place] = (other[0, place] + 1) % 26
        moved = (tagger(other) - logits).abs().sum(-1)[0] > 0
        assert moved.nonzero()[0] == max(0, place - delay)


def test_widest_is_the_largest_that_fits(page):
    for how in ({}, {"bidirectional": True}, {"num_layers": 3, "hidden": 8}):
        size = page["widest"](5_000, "spaces", **how)
        counts = [page["count"](page["Tagger"]("spaces", size + n, **how)) for n in (0, 1)]
        assert counts[0] <= 5_000 < counts[1]
    # two units: 2 · 26 + 2 · 2 weights, 2 · 2 biases, a head of 2 · 2 + 2
    assert page["widest"](66, "spaces", cell="rnn") == 2
    assert page["widest"](65, "spaces", cell="rnn") == 1
    with pytest.raises(ValueError, match="too few"):
        page["widest"](3, "spaces")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_error_and_cost(page, part):
    """Of models whose logits depend on the letter only."""
    told = {"part": part} if part != "test" else {}
    table = torch.randn(28, 28)
    for task, labels in (("vowels", 5), ("next letter", 28)):
        model = Answers(lambda letters, n=labels: table[letters, :n])
        tokens, y = (p[:24_000].view(-1, page["WINDOW"]) for p in page["data"](task)[part])
        wrong = (model(tokens).argmax(-1) != y)[y >= 0].double().mean().item()
        assert_close(page["error"](model, task, **told), 100 * wrong, 1e-4)
        log_p = model(tokens).log_softmax(-1).gather(-1, y.clamp(min=0)[..., None])[..., 0]
        costs = page["cost"](model, task, **told)
        assert costs.shape == (page["WINDOW"],)
        assert_close(costs, -(log_p * (y >= 0)).mean(0), 1e-4)


@pytest.mark.parametrize("task", ["spaces", "vowels"])
@pytest.mark.parametrize("how", [{}, {"learning_rate": 0.5}], ids=["usual", "clipped"])
def test_learning_is_adam_on_windows(page, task, how):
    """Step by step: windows at random places, clipped gradients, a rate that falls linearly."""
    found = page["learn"](1, task, updates=7, size=8, bidirectional=True, **how)
    seed_everything(1)
    model, rng = page["Tagger"](task, 8, bidirectional=True), generator(1)
    rate, (letters, labels) = how.get("learning_rate", 0.04), page["data"](task)["train"]
    adam = torch.optim.Adam(model.parameters())
    for step in range(7):
        adam.param_groups[0]["lr"] = rate * (1 - 0.95 * step / 7)
        at = torch.randint(len(letters) - 32, (32, 1), generator=rng) + torch.arange(32)
        logits, y = model(letters[at]), labels[at]
        adam.zero_grad()
        F.cross_entropy(logits[y >= 0], y[y >= 0]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    for p, q in zip(found.parameters(), model.parameters()):
        assert_close(p.detach(), q.detach(), 1e-3)


def test_learning_is_remembered_and_takes_what_fits(page):
    tagger = page["learn"](1, "spaces", updates=40, size=8)
    assert page["learn"](1, "spaces", updates=40, size=8) is tagger
    start = page["learn"](1, "spaces", updates=1, learning_rate=0.0, size=8)
    assert page["error"](tagger, "spaces") < page["error"](start, "spaces")
    fitted = page["learn"](1, "spaces", updates=1, parameters=3_000)
    assert fitted.layers.hidden_size == page["widest"](3_000, "spaces")
    usual = page["learn"](1, "spaces", updates=1)
    assert usual.layers.hidden_size == page["widest"](24_000, "spaces")


def test_number_of_updates(page):
    """Three hundred, unless told otherwise, and the rate is 0.04."""
    usual = page["learn"](1, "spaces", size=2, cell="rnn")
    told = page["learn"](1, "spaces", size=2, cell="rnn", updates=300, learning_rate=0.04)
    for p, q in zip(usual.parameters(), told.parameters()):
        assert torch.equal(p, q)


def test_start_of_the_page_before(page):
    for cell in ("rnn", "gru", "lstm"):
        tagger = page["learn"](
            1, "vowels", updates=1, learning_rate=0.0, size=7, cell=cell, start="orthogonal"
        )
        layer = tagger.layers
        for part in layer.weight_hh_l0.split(7):
            assert_close((part @ part.T).detach(), torch.eye(7))
        for part in layer.weight_ih_l0.split(7):
            assert part.abs().max() <= (6 / 35) ** 0.5
        assert not layer.bias_hh_l0.any()
        gate = layer.bias_ih_l0[7:14]
        assert layer.bias_ih_l0.count_nonzero() == (0 if cell == "rnn" else 7)
        assert cell == "rnn" or (gate == 1).all()


def test_constant_answers(page):
    """The most frequent label of what is asked for, of the same letters as everywhere."""
    for task in ("spaces", "vowels"):
        labels = [y for y in page["data"](task)["test"][1][:24_000].tolist() if y >= 0]
        best = max(labels.count(label) for label in set(labels))
        assert_close(torch.tensor(page["constant"](task)), 100 - 100 * best / len(labels), 1e-4)


def test_depth_and_trial_effects_call_what_they_say(page):
    error = page["deep_error"](1, 2, True, updates=3, size=4)
    how = {"num_layers": 2, "residual": True, "learning_rate": 0.02}
    tagger = page["learn"](1, "spaces", updates=3, size=4, delay=2, **how)
    assert error == page["error"](tagger, "spaces")


def test_the_best_try_is_that_on_the_validation_text(page):
    tries = [{"learning_rate": rate, "size": 4} for rate in (0.0, 0.05, 0.01)]
    models = [page["learn"](3, "spaces", **own, updates=20) for own in tries]
    costs = [page["cost"](model, "spaces", "validation").mean().item() for model in models]
    assert page["best"](3, "spaces", tries, updates=20) is models[costs.index(min(costs))]


def test_arms_have_sixteen_tries_in_four_runs(page, monkeypatch):
    """The delay is chosen in the first run, rates are in each; the last try is taken here."""
    asked = {"delayed": [], "both": []}

    told = {"updates": 7, "start": "orthogonal", "parameters": 900}

    def best(seed, task, tries, **how):
        assert {name: how[name] for name in told} == told
        arm = "both" if "bidirectional" in tries[-1] else "delayed"
        asked[arm] += [(seed, task, own["learning_rate"], own.get("delay")) for own in tries]
        return page["Tagger"](task, 4, delay=tries[-1].get("delay", 0))

    monkeypatch.setitem(page, "best", best)
    for seed in (100, 101):
        page["gain"](seed, **told)
    waits = [(100, "spaces", 0.04, delay) for delay in (1, 2, 3, 4)]
    first, second = ([(s, "spaces", r, 4) for r in (0.02, 0.04, 0.06)] for s in (100, 101))
    assert asked["delayed"] == waits + first + waits + second  # the same are remembered
    assert len(asked["both"]) == 2 * 4
    assert all(delay is None and 0.02 <= rate <= 0.06 for *_, rate, delay in asked["both"])
