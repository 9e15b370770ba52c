"""The split of the novels, the smoothed n-gram, byte pairs, sampling, bits per character."""

import math
from collections import Counter

import pytest
import torch
from torch import nn

from utils.data import austen, austen_split
from utils.language import BytePairs, next_token
from utils.ngrams import NGram
from utils.nn import RecurrentLM, bits_per_character, token_bits
from utils.seed import generator


def test_split_is_fixed_and_its_parts_are_apart():
    split, full = austen_split(), austen_split(full=True)
    assert [len(part) for part in split] == [602_579, 98_159, 98_166]
    assert split[1:] == full[1:]
    assert len(full.train) > 3_800_000
    lines = [set(part.splitlines()) for part in full]
    long = [{line for line in part if len(line) > 60} for part in lines]
    assert not (long[0] & long[1] or long[0] & long[2] or long[1] & long[2])
    assert long[0] >= {line for line in split.train.splitlines() if len(line) > 60}
    assert not any(line.lower().startswith(("chapter ", "volume ")) for line in lines[0])
    assert "FINIS" not in split.test and "THE END" not in split.test
    assert split.test.splitlines()[-1] in " ".join(austen("sense-and-sensibility").split())


@pytest.fixture(scope="module")
def text():
    return torch.tensor(list(austen_split().train[:5000].encode()))


@pytest.mark.parametrize("order", [1, 2, 5])
def test_ngram_is_a_distribution_and_bits_are_its_logarithm(text, order):
    model = NGram(text, 256, order)
    new = torch.tensor(list("£ Emma and her father".encode()))
    for i, bits in enumerate(model.bits(new)):
        p = model.probabilities(new[:i].tolist())
        assert p.sum().item() == pytest.approx(1) and (p > 0).all()
        assert bits.item() == pytest.approx(-math.log2(p[new[i]]))


def test_bigram_by_hand():
    """Kneser-Ney with its three discounts, written out for the words of a tiny text."""
    text = torch.randint(0, 6, (200,), generator=generator(0))
    pairs = Counter(zip(text.tolist(), text.tolist()[1:]))

    def discounts(counts):
        n = [sum(c == k for c in counts.values()) for k in range(5)]
        y = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.5
        ratios = [n[k + 1] / n[k] if n[k] else 1.0 for k in (1, 2, 3)]
        d = [k - (k + 1) * y * r for k, r in enumerate(ratios, 1)]
        return [0.0, *(min(max(x, 0.05 * k), 0.95 * k) for k, x in enumerate(d, 1))]

    follows = Counter(w for _, w in pairs)  # different tokens before w
    D1, D2 = discounts(follows), discounts(pairs)
    total = sum(follows.values())
    saved = sum(D1[min(c, 3)] for c in follows.values()) / total
    for v in range(6):
        mine = {w: c for (u, w), c in pairs.items() if u == v}
        left = sum(D2[min(c, 3)] for c in mine.values()) / sum(mine.values())
        for w in range(6):
            short = (follows[w] - D1[min(follows[w], 3)]) / total + saved / 6
            c = mine.get(w, 0)
            p = (c - D2[min(c, 3)]) / sum(mine.values()) + left * short
            assert NGram(text, 6, 2).probabilities([v])[w].item() == pytest.approx(p)


@pytest.mark.parametrize(("order", "size"), [(0, 256), (6000, 256), (2, 20)])
def test_ngram_says_what_it_cannot_count(text, order, size):
    with pytest.raises(ValueError, match="Order|vocabulary"):
        NGram(text, size, order)


def test_byte_pairs():
    text = "low low low lower lowest newer newer wider"
    pairs = BytePairs(text, 260)
    assert pairs.tokens[256:] == [b"lo", b"low", b" low", b"er"]
    assert pairs.decode(pairs.encode(text)) == text
    assert len(pairs.encode("low low")) == 2
    assert pairs.decode(pairs.encode("a £ naïve\n\ntest — “so”")) == "a £ naïve\n\ntest — “so”"
    assert BytePairs(text, 256).encode("ab £").tolist() == list("ab £".encode())
    with pytest.raises(ValueError, match="256"):
        BytePairs(text, 100)


@pytest.mark.parametrize(
    ("logits", "temperature", "complaint"),
    [
        ([1.0, 2.0], 1e-40, "temperature 1e-40: too small for these logits"),
        ([1.0, 2.0], 1e-320, "temperature 1e-320: too small for these logits"),
        ([1.0, math.nan], 1.0, "row of logits holds nan or inf"),
        ([1.0, math.inf], 1.0, "row of logits holds nan or inf"),
        ([-math.inf, -math.inf], 1.0, "only -inf"),
        ([1.0, 2.0], math.nan, "temperature nan"),
        ([1.0, 2.0], -1.0, "temperature -1.0"),
    ],
)
def test_next_token_says_why_it_cannot_draw(logits, temperature, complaint):
    with pytest.raises(ValueError, match=complaint):
        next_token(torch.tensor([logits, [0.0, 0.0]]), temperature=temperature)


def test_next_token():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(4000, 4)

    def draw(**how):
        return next_token(logits, rng=generator(0), **how).bincount(minlength=4) / 4000

    assert torch.allclose(draw(), logits[0].exp(), atol=0.03)
    assert draw(temperature=0).tolist() == [1, 0, 0, 0]
    assert torch.allclose(draw(top_k=2), torch.tensor([0.625, 0.375, 0, 0]), atol=0.03)
    assert torch.allclose(draw(top_p=0.79), torch.tensor([0.625, 0.375, 0, 0]), atol=0.03)
    assert draw(top_p=0.4).tolist() == [1, 0, 0, 0]
    assert next_token(logits[0], rng=generator(1)).shape == ()
    with pytest.raises(ValueError, match="top_p"):
        draw(top_p=0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrent_model_goes_on_from_its_state(cell):
    model = RecurrentLM(11, 8, cell=cell, tied=True, num_layers=2, dropout=0.5).eval()
    tokens = torch.randint(0, 11, (3, 10))
    whole, _ = model(tokens)
    first, state = model(tokens[:, :6])
    rest, _ = model(tokens[:, 6:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    assert model.head.weight is model.embedding.weight


def test_recurrent_model_says_what_is_wrong():
    with pytest.raises(ValueError, match="no cell 'elman'"):
        RecurrentLM(5, 8, cell="elman")
    with pytest.raises(ValueError, match="one size: 4 and 8"):
        RecurrentLM(5, 8, embed_dim=4, tied=True)


@pytest.mark.parametrize("n", [2, 30, 33, 200])
@pytest.mark.parametrize(("window", "context"), [(32, 8), (32, 0), (7, 6), (500, 10)])
def test_each_token_is_counted_once_with_enough_context(n, window, context):
    """A model that needs 4 tokens of context costs the same in windows as in one piece."""
    weight = torch.randn(5, 9, 9, generator=generator(0))

    def model(tokens):
        seen = nn.functional.one_hot(tokens, 9).float()
        back = [nn.functional.pad(seen, (0, 0, k, 0))[:, : tokens.shape[1]] for k in range(5)]
        return sum(b @ w for b, w in zip(back, weight))

    tokens = torch.randint(0, 9, (n,), generator=generator(1))
    logp = model(tokens[None, :-1])[0].log_softmax(1)
    expected = -logp.gather(1, tokens[1:, None])[:, 0] / math.log(2)
    bits = token_bits(model, tokens, window=window, context=context, batch_size=3)
    assert bits[0].item() == pytest.approx(math.log2(9))
    if context >= 4:
        torch.testing.assert_close(bits[1:], expected)
    assert (bits > 0).all()


def test_bits_per_character_is_fair_to_long_tokens_and_keeps_the_mode():
    text = "abab" * 50
    pairs = BytePairs(text, 258)

    def uniform(tokens):
        return torch.zeros(*tokens.shape, 4)

    assert bits_per_character(uniform, torch.zeros(100, dtype=torch.long), text) == 1.0
    model = RecurrentLM(len(pairs), 4, dropout=0.5)
    tokens = pairs.encode(text)
    first = bits_per_character(model, tokens, text, window=8, context=2)
    assert first == bits_per_character(model, tokens, text, window=8, context=2)
    assert model.training


def test_no_token_is_lost_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """In single precision the sum reaches 1 before the rare ones are all in."""
    drawn_from = []
    monkeypatch.setattr(
        torch, "multinomial", lambda p, *_, **__: drawn_from.append(p) or torch.tensor([0])
    )
    next_token(torch.cat([torch.zeros(1), torch.full((5000,), -18.0)]))
    assert bool((drawn_from[0] > 0).all())
