"""The definitions of attention/seq2seq-attention against d2l, torch and utils.nn."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams, seed_everything
from utils.compat import d2l
from utils.data.translation import LANGUAGES
from utils.diagrams import looking
from utils.nn import attention_mask
from utils.text import WordTokenizer

ALSO = ("PAD", "UNK", "BOS", "EOS", "LETTERS", "MARKS", "TEENS", "TENS")
TOLERANCE = 1e-10  # in double precision
PAD, UNK, BOS, EOS = range(4)
KINDS = ("FixedVector", "Bahdanau", "Luong")
SOURCE = torch.tensor([[4, 5, 8, 6, 3], [7, 3, 0, 0, 0], [5, 5, 3, 0, 0]])
PREVIOUS = torch.tensor([[2, 4, 9, 7], [2, 7, 0, 0], [2, 9, 9, 5]])


def model_of(page: dict[str, Any], kind: str, size: int = 6, both_ways: bool = False) -> nn.Module:
    return page[kind](9, 11, size, both_ways).double()


def grads(output: Tensor, *leaves: Tensor) -> list[Tensor]:
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return list(torch.autograd.grad((output * weight).sum(), leaves))


def test_bahdanaus_step_is_d2ls_attention_and_a_gru_cell(page: dict[str, Any]) -> None:
    ours, theirs = model_of(page, "Bahdanau"), d2l.AdditiveAttention(6, 0.0)
    cell, lengths = nn.GRUCell(12, 6).double(), torch.tensor([5, 2, 3])
    states = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    state = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    tokens = torch.tensor([[4], [7], [9]])
    theirs.double()(state[:, None], states, states, lengths)
    theirs.double().load_state_dict(ours.attention.state_dict())
    named = ours.decoder.state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): named[name] for name in named})
    memory = page["Memory"](states, lengths, torch.zeros(1, 3, 6, dtype=torch.float64))
    logits, after, weights = ours.step(tokens, state[None], memory)
    context = theirs(state[:, None], states, states, lengths)
    new = cell(torch.cat([ours.embed(tokens), context], -1)[:, 0], state)
    expected = ours.output(torch.cat([new, context[:, 0]], -1))
    assert_close(after[0], new, TOLERANCE)
    assert_close(weights, theirs.attention_weights, TOLERANCE)
    assert_close(logits[:, 0], expected, TOLERANCE)
    layers = [ours.attention.get_parameter(n) for n, _ in theirs.named_parameters()]
    one = grads(logits[:, 0], states, state, *layers, *ours.decoder.parameters())
    other = grads(expected, states, state, *theirs.parameters(), *cell.parameters())
    for a, b in zip(one, other, strict=True):
        assert_close(a, b, TOLERANCE)


def test_luongs_attention_is_the_fused_kernel(page: dict[str, Any]) -> None:
    model = model_of(page, "Luong")
    assert model.W.bias is None
    states, lengths, last = model.encode(SOURCE)
    d, _ = model.decoder(model.embed(PREVIOUS), last)
    mask = attention_mask(lengths, 5)
    context = F.scaled_dot_product_attention(model.W(d), states, states, attn_mask=mask)
    expected = model.output(torch.cat([d, context], -1))
    logits, _ = model(SOURCE, PREVIOUS)
    assert_close(logits, expected, TOLERANCE)
    for a, b in zip(grads(logits, *model.parameters()), grads(expected, *model.parameters())):
        assert_close(a, b, TOLERANCE)


def test_a_fixed_vector_is_handed_over_at_each_step(page: dict[str, Any]) -> None:
    model = model_of(page, "FixedVector")
    _, _, last = model.encode(SOURCE)
    context = last[0][:, None].expand(-1, 4, -1)
    outputs, _ = model.decoder(torch.cat([model.embed(PREVIOUS), context], -1), last)
    logits, weights = model(SOURCE, PREVIOUS)
    assert_close(logits, model.output(torch.cat([outputs, context], -1)), TOLERANCE)
    assert weights is None


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(page: dict[str, Any], kind: str, both_ways: bool) -> None:
    model = model_of(page, kind, both_ways=both_ways)
    logits, weights = model(SOURCE, PREVIOUS)
    longer, others = model(F.pad(SOURCE, (0, 3)), PREVIOUS)
    assert_close(longer, logits, TOLERANCE)
    for row, length in enumerate((5, 2, 3)):
        alone, _ = model(SOURCE[row : row + 1, :length], PREVIOUS[row : row + 1])
        assert_close(alone[0], logits[row], TOLERANCE)
        if weights is not None:
            assert bool((weights[row, :, length:] == 0).all())
    if weights is not None:
        assert weights.shape == (3, 4, 5) and others.shape == (3, 4, 8)
        assert_close(weights.sum(-1), torch.ones(3, 4, dtype=torch.float64), TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_forcing_is_step_by_step(page: dict[str, Any], kind: str) -> None:
    model = model_of(page, kind)
    memory = model.encode(SOURCE)
    state, steps = memory.last, []
    for token in PREVIOUS.split(1, dim=1):
        logits, state, _ = model.step(token, state, memory)
        steps.append(logits)
    assert_close(torch.cat(steps, 1), model(SOURCE, PREVIOUS)[0], TOLERANCE)


@pytest.mark.parametrize("both_ways", [False, True])
def test_memory_is_what_the_encoder_has_read(page: dict[str, Any], both_ways: bool) -> None:
    model = model_of(page, "FixedVector", both_ways=both_ways)
    memory = model.encode(SOURCE)
    assert memory.lengths.tolist() == [5, 2, 3]
    for row, length in enumerate((5, 2, 3)):
        embedded = model.encode.embed(SOURCE[row : row + 1, :length])
        states, last = model.encode.gru(embedded)
        assert_close(memory.states[row, :length], states[0], TOLERANCE)
        assert_close(memory.last[0, row], last[:, 0].flatten(), TOLERANCE)
    assert bool((memory.states[1, 2:] == 0).all())


def test_with_one_token_to_read_attention_is_the_fixed_vector(page: dict[str, Any]) -> None:
    model, plain = model_of(page, "Bahdanau"), model_of(page, "FixedVector")
    plain.load_state_dict(model.state_dict(), strict=False)
    single = torch.tensor([[5], [6], [7]])
    assert_close(model(single, PREVIOUS)[0], plain(single, PREVIOUS)[0], TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_start_orthogonal_and_open(page: dict[str, Any], kind: str) -> None:
    model = page[kind](9, 11, 6, kind == "Bahdanau")
    for gru in (model.encode.gru, model.decoder):
        H = gru.hidden_size
        for name, p in gru.named_parameters():
            if "weight_hh" in name:
                for part in p.detach().split(H):
                    assert_close(part @ part.T, torch.eye(H), 1e-5)
            if "bias" in name:
                wanted = torch.zeros(3 * H)
                wanted[H : 2 * H] = float("bias_ih" in name)
                assert_close(p.detach(), wanted)
            if "weight_ih" in name:
                bound = (6 / (p.shape[1] + H)) ** 0.5
                assert 0.8 * bound < float(p.detach().abs().max()) <= bound


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_writes_the_most_probable_token_each_time(page: dict[str, Any], kind: str) -> None:
    for seed in range(4):
        seed_everything(seed)
        model = page[kind](9, 11, 6)
        model.output.weight.data *= 6
        tokens, weights = page["greedy"](model, SOURCE, 7)
        assert tokens.shape == (3, 7)
        for row in range(3):
            written = tokens[row].tolist()
            real = written[: written.index(EOS) + 1] if EOS in written else written
            assert not any(written[len(real) :])
            previous = torch.tensor([[BOS, *real[:-1]]])
            logits, seen = model(SOURCE[row : row + 1], previous)
            assert logits[0].argmax(-1).tolist() == real
            if seen is not None:
                assert_close(weights[row, : len(real)], seen[0].detach(), 1e-5)


def test_pig_latin_by_hand(page: dict[str, Any]) -> None:
    text, places = page["pig_latin"](["good", "fortune"])
    assert text == "oodgay ortunefay"
    assert places == [1, 2, 3, 0, -1, -1, -1, 6, 7, 8, 9, 10, 11, 5, -1, -1]
    assert page["pig_latin"](["a", "nymph", "hmm"])[0] == "aay ymphnay hmmay"
    for words in (["pride", "and", "prejudice"], ["string"], ["my", "eye"]):
        text, places = page["pig_latin"](words)
        source = " ".join(words)
        assert len(text) == len(places)
        for letter, place in zip(text, places):
            assert letter == source[place] if place >= 0 else letter in "ay "
        assert sorted(p for p in places if p >= 0) == [i for i, c in enumerate(source) if c != " "]


def test_snippets_are_runs_of_words_that_fit(page: dict[str, Any]) -> None:
    words = ["one", "two", "three", "a", "four", "letters"] * 10
    found = page["snippets"](words, 300, 12, 0)
    text = " ".join(words)
    assert len(found) == 300 and {len(run) for run in found} >= {1, 2, 3}
    for run in found:
        assert 1 <= len(" ".join(run)) <= 12 and " ".join(run) in text
    assert page["snippets"](words, 300, 12, 1) != found


def test_tokens_end_and_targets_begin(page: dict[str, Any]) -> None:
    source, target, places = page["pig_latin_pairs"](["ab", "bad"] * 20, 30, 6, 0)
    letters = page["LETTERS"]
    for s, t, p in zip(source, target, places):
        words = "".join(letters.decode(s)).split(" ")
        text, wanted = page["pig_latin"](words)
        assert "".join(letters.decode(t)) == text and p == wanted
        assert int((s == EOS).sum()) == int((t == EOS).sum()) == 1 and int(t[0]) == BOS
    assert page["shorten"](F.pad(source, (0, 4))).shape == source.shape


def sources(page: dict[str, Any], english: str, french: str) -> dict[str, str]:
    """For each word of a French number, without glue, the English words that it comes from."""
    words, roles = WordTokenizer(), page["roles"]
    said = list(zip(words(english), roles(words(english)), strict=True))
    return {
        f"{at} {word}": " ".join(name for name, its in said if its & own)
        for at, (word, own) in enumerate(zip(words(french), roles(words(french)), strict=True))
        if own
    }


def test_words_of_a_number_come_from_words(page: dict[str, Any]) -> None:
    assert sources(page, "eight hundred and ninety-nine", "huit cent quatre-vingt-dix-neuf") == {
        "0 huit": "eight", "1 cent": "hundred", "2 quatre": "ninety", "4 vingt": "ninety",
        "6 dix": "ninety", "8 neuf": "nine",
    }  # fmt: skip
    assert sources(page, "one thousand, one hundred and seventeen", "mille cent dix-sept") == {
        "0 mille": "one thousand", "1 cent": "one hundred", "2 dix": "seventeen",
        "4 sept": "seventeen",
    }  # fmt: skip
    assert sources(page, "four thousand and seventy-one", "quatre mille soixante et onze") == {
        "0 quatre": "four", "1 mille": "thousand", "2 soixante": "seventy", "4 onze": "seventy one",
    }  # fmt: skip
    assert sources(page, "two hundred and eighty-four", "deux cent quatre-vingt-quatre") == {
        "0 deux": "two", "1 cent": "hundred", "2 quatre": "eighty", "4 vingt": "eighty",
        "6 quatre": "four",
    }  # fmt: skip
    assert sources(page, "fourteen", "quatorze") == {"0 quatorze": "fourteen"}
    assert sources(page, "forty", "quarante") == {"0 quarante": "forty"}
    assert sources(page, "ten", "dix") == {"0 dix": "ten"}


def test_each_word_of_a_number_has_a_source(page: dict[str, Any]) -> None:
    for n in (*range(120), *range(170, 200), *range(1000, 1020), 2080, 3096, 9999):
        found = sources(page, LANGUAGES["en"](n), LANGUAGES["fr"](n))
        assert found and all(found.values()), n
        assert all(len(names.split()) <= 2 for names in found.values())


def test_a_rival_has_at_least_as_many_parameters(page: dict[str, Any]) -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    task = page["Task"]((9, 11), empty, empty, empty, empty, empty)
    count = page["parameters_of"]
    for kind in ("Bahdanau", "Luong"):
        units = page["matched"](page[kind], 6, task)
        wanted = sum(p.numel() for p in page[kind](9, 11, 6).parameters())
        assert count(page[kind], 6, task) == wanted
        assert count(page["FixedVector"], units, task) >= wanted
        assert count(page["FixedVector"], units - 1, task) < wanted


class Script(nn.Module):
    """Writes the same rows whatever it reads."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def encode(self, source: Tensor) -> Any:
        return type("M", (), {"last": torch.zeros(1, len(source), 1)})()

    def step(self, tokens: Tensor, state: Tensor, memory: Any) -> Any:
        at = int(state[0, 0, 0])
        return F.one_hot(self.rows[:, at : at + 1], 9).float(), state + 1, None


def test_right_means_every_token(page: dict[str, Any]) -> None:
    target = torch.tensor([[BOS, 7, EOS, PAD], [BOS, 7, 8, EOS], [BOS, 5, 6, EOS]])
    rows = torch.tensor([[7, 3, 4, 4, 4], [7, 3, 4, 4, 4], [5, 6, 7, 3, 4]])
    match = page["exact_match"](Script(rows), torch.zeros(3, 2, dtype=torch.int64), target)
    assert match == pytest.approx(1 / 3)


def test_replacing_what_matters_costs_most(page: dict[str, Any]) -> None:
    class Copier(nn.Module):
        """Its nth token is probably the nth of the source; it claims to look at the last."""

        def forward(self, source: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
            assert bool((source[:, :3] > EOS).all()) and bool((source[:, 3] == EOS).all())
            steps = previous.shape[1]
            weights = F.one_hot(torch.full((len(source), steps), 3), source.shape[1]).float()
            return 5 * F.one_hot(source[:, :steps], 9).float(), weights

    source = torch.randint(4, 9, (40, 4))
    source[:, 3] = EOS
    target = F.pad(source, (1, 0), value=BOS)[:, :4]
    origin = torch.eye(3, 4, dtype=torch.bool).expand(40, -1, -1)
    task = page["Task"]((9, 9), source, target, source, target, origin)
    fall, weights = page["drops"](Copier(), task, rows=40)
    assert fall.shape == weights.shape == (40, 3, 4)
    same = fall[:, range(3), range(3)]
    assert bool((same >= 0).all()) and float(same.mean()) > 3
    off = fall.clone()
    off[:, range(3), range(3)] = 0
    assert bool((off == 0).all()) and bool((weights.argmax(-1) == 3).all())
    assert float(same.max()) == pytest.approx(5.0)


def test_looks_are_right_or_one_late(page: dict[str, Any]) -> None:
    class Looker(nn.Module):
        def forward(self, source: Tensor, previous: Tensor) -> tuple[None, Tensor]:
            return None, F.one_hot(torch.tensor([[0, 2, 2, 1, 2, 2, 1]]), 4).float()

    origin = torch.zeros(1, 7, 4, dtype=torch.bool)
    origin[0, 0, 0] = origin[0, 1, 1] = origin[0, 2, 0] = True  # right, late, two late
    origin[0, 4, 1] = origin[0, 4, 2] = True  # right in one of two; the next and fourth: nowhere
    origin[0, 5, 3] = origin[0, 6, 0] = True  # one early, late
    tokens = torch.zeros(1, 8, dtype=torch.int64)
    task = page["Task"]((9, 9), tokens[:, :4], tokens, tokens[:, :4], tokens, origin)
    right, late = page["looks"](Looker(), task)
    assert right == pytest.approx(2 / 6, abs=1e-6) and late == pytest.approx(2 / 6, abs=1e-6)


def test_a_ruler_goes_from_corner_to_corner(page: dict[str, Any]) -> None:
    source = torch.tensor([[5, 6, 7, EOS], [5, EOS, PAD, PAD]])
    target = torch.tensor([[BOS, 5, 5, 5, EOS], [BOS, 5, EOS, PAD, PAD]])
    origin = torch.zeros(2, 4, 4, dtype=torch.bool)
    origin[0, range(3), range(3)] = origin[1, 0, 0] = origin[1, 1, 0] = True
    task = page["Task"]((9, 9), source, target, source, target, origin)
    assert page["ruler"](task) == pytest.approx(4 / 5, abs=1e-6)  # not the last one
    origin[0, 1] = torch.tensor([False, False, True, False])
    assert page["ruler"](task) == pytest.approx(3 / 5, abs=1e-6)


def test_a_state_is_left_out_of_the_average(page: dict[str, Any]) -> None:
    model = page["Luong"](9, 11, 6)
    model.W.weight.data *= 8
    target = torch.cat([PREVIOUS, torch.tensor([[5], [8], [EOS]])], 1)
    origin = torch.zeros(3, 4, 5, dtype=torch.bool)
    origin[0, :, 0] = origin[1, :2, 1] = origin[2, 1:, 2] = True
    task = page["Task"]((9, 11), SOURCE, target, SOURCE, target, origin)
    states, lengths, last = model.encode(SOURCE)
    d, _ = model.decoder(model.embed(PREVIOUS), last)
    same = []
    for row, step in origin.any(-1).nonzero().tolist():
        E = states[row, : lengths[row]]
        scores = E @ model.W(d[row, step]) / 6**0.5
        falls = []
        for place in range(len(E)):
            kept = [i for i in range(len(E)) if i != place]
            context = scores[kept].softmax(0) @ E[kept]
            logits = model.output(torch.cat([d[row, step], context]))
            falls.append(-logits.log_softmax(0)[target[row, step + 1]].item())
        same.append(falls.index(max(falls)) == int(scores.argmax()))
    wanted = sum(same) / len(same)
    assert 0 < wanted < 1
    assert page["without_a_state"](model, task, rows=3) == pytest.approx(wanted, abs=1e-6)
    two = sum(same[:6]) / 6
    assert page["without_a_state"](model, task, rows=2) == pytest.approx(two, abs=1e-6)


def test_letters_are_counted_by_place_and_by_edits(page: dict[str, Any]) -> None:
    wanted = torch.tensor([[5, 6, 7, 8, EOS], [5, 6, EOS, PAD, PAD]])
    written = torch.tensor([[6, 7, 8, EOS, PAD], [5, 6, EOS, PAD, PAD]])
    assert page["by_place"](written, wanted).tolist() == pytest.approx([0, 1])
    assert page["by_edits"](written, wanted).tolist() == pytest.approx([0.75, 1])
    for a, b, distance in (
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("abc", "", 3),
        ("ab", "ba", 2),
    ):
        assert page["edits"]([*map(ord, a)], [*map(ord, b)]) == distance


def test_slopes_are_gradients_at_the_source(page: dict[str, Any]) -> None:
    model = page["Luong"](9, 11, 6)
    target = torch.cat([PREVIOUS, torch.tensor([[5], [8], [EOS]])], 1)
    task = page["Task"]((9, 11), SOURCE, target, SOURCE, target, torch.zeros(0, dtype=torch.bool))
    norms, weights = page["slopes"](model, task, rows=2)
    assert norms.shape == weights.shape == (2, 4, 5)
    assert not model.encode.embed._forward_hooks
    table = model.encode.embed(SOURCE[:2]).detach()

    def log_p(row: int, step: int, embedded: Tensor) -> Tensor:
        states, last = model.encode.gru(embedded[row, : (SOURCE[row] != PAD).sum()][None])
        memory = page["Memory"](states, torch.tensor([states.shape[1]]), last)
        logits, _, _ = model.step(target[row : row + 1, :-1], last, memory)
        return logits[0].log_softmax(-1)[step, target[row, step + 1]]

    for row, step in ((0, 0), (0, 3), (1, 1)):
        leaf = table.clone().requires_grad_()
        (found,) = torch.autograd.grad(log_p(row, step, leaf), leaf)
        words = SOURCE[row] > EOS
        assert_close(norms[row, step], found[row].norm(dim=-1) * words, 1e-5)


def test_the_diagram_says_its_numbers(page: dict[str, Any]) -> None:
    said = diagrams.ALT["looking_back"]
    assert "0.1, 0.8 and 0.1" in said and sum(looking.WEIGHTS) == pytest.approx(1)
    assert ", ".join(looking.WORDS) in said
    states = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert_close(torch.tensor(looking.WEIGHTS) @ states, torch.tensor([0.2, 0.9]), 1e-6)
