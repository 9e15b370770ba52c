"""Tokenizers, vocabulary and BLEU."""

import math

import pytest
import torch

from utils.data import austen
from utils.text import CharTokenizer, Vocab, WordTokenizer, bleu


def test_characters_and_back():
    tokenize = CharTokenizer()
    assert tokenize("a b\n") == ["a", " ", "b", "\n"]
    text = austen("persuasion")[:5_000]
    assert tokenize.join(tokenize(text)) == text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's  a\nTRUTH!", ["it's", "a", "truth", "!"]),
        ("twenty-one, or 22.", ["twenty", "-", "one", ",", "or", "22", "."]),
        ("_Them_ (both)", ["_", "them", "_", "(", "both", ")"]),
        ("l’été à Zürich", ["l’été", "à", "zürich"]),
        ("", []),
    ],
)
def test_words(text, tokens):
    assert WordTokenizer()(text) == tokens


def test_case_can_be_kept():
    assert WordTokenizer(lower=False)("The End") == ["The", "End"]


def test_words_joined_read_well_and_cut_the_same():
    tokenize = WordTokenizer(lower=False)
    text = "Twenty-one (or more), it's true: who knows?"
    assert tokenize.join(tokenize(text)) == text
    tokens = tokenize(austen("emma"))
    assert tokenize(tokenize.join(tokens)) == tokens


def test_vocabulary_is_ordered_by_frequency_then_alphabet():
    vocab = Vocab("c a b b a d".split())
    assert vocab.tokens == ("<pad>", "<unk>", "<bos>", "<eos>", "a", "b", "c", "d")
    assert (vocab.pad, vocab.unk, vocab.bos, vocab.eos) == (0, 1, 2, 3)
    assert len(vocab) == 8
    assert "a" in vocab
    assert "e" not in vocab


def test_rare_tokens_become_unknown():
    vocab = Vocab("c a b b a".split(), min_freq=2)
    assert vocab.encode("a c z".split()).tolist() == [4, vocab.unk, vocab.unk]


def test_encode_and_decode():
    vocab = Vocab("the cat sat".split())
    numbers = vocab.encode("the cat".split(), bos=True, eos=True)
    assert numbers.dtype == torch.int64
    assert numbers.tolist() == [vocab.bos, vocab["the"], vocab["cat"], vocab.eos]
    assert vocab.decode(numbers) == ["the", "cat"]
    assert vocab.decode(numbers.tolist(), keep_specials=True) == ["<bos>", "the", "cat", "<eos>"]
    assert vocab.decode([vocab["the"], vocab.unk, vocab.eos, vocab["sat"]]) == ["the", "<unk>"]
    assert vocab.encode([]).shape == (0,)


def test_every_token_comes_back():
    tokens = WordTokenizer()(austen("emma")[:100_000])
    vocab = Vocab(tokens)
    assert vocab.decode(vocab.encode(tokens)) == tokens


def test_specials_in_the_text_keep_their_numbers():
    assert Vocab(["a", "<unk>", "<unk>"]).tokens[:2] == ("<pad>", "<unk>")
    assert len(Vocab(["a", "<unk>", "<unk>"])) == 5


def test_vocabulary_without_specials():
    vocab = Vocab("abc", specials=())
    assert vocab.tokens == ("a", "b", "c")
    with pytest.raises(ValueError, match="'z' is not in this vocabulary of 3 tokens"):
        vocab.encode("az")
    with pytest.raises(ValueError, match="no <pad>; its specials: none"):
        _ = vocab.pad


def test_bleu_of_the_same_text_is_100():
    texts = ["the cat sat on the mat .", "a second sentence, with a comma"]
    assert bleu(texts, texts) == pytest.approx(100)


def test_bleu_by_hand():
    """Precisions 5/6, 3/5, 1/4 and 0/3 smoothed to 1/(2·3); as long as the reference."""
    value = bleu(["the cat is on the mat"], ["the cat sat on the mat"])
    by_hand = 100 * math.exp(sum(map(math.log, (5 / 6, 3 / 5, 1 / 4, 1 / 6))) / 4)
    assert value == pytest.approx(by_hand)


def test_bleu_punishes_brevity():
    reference = "one two three four five six seven eight"
    value = bleu(["one two three four"], [reference])
    assert value == pytest.approx(100 * math.exp(1 - 8 / 4))


def test_bleu_cuts_chinese_if_told():
    assert bleu(["二万零三百零四"], ["二万零三百零五"], tokenize="zh") > 50
    assert bleu(["二万零三百零四"], ["二万零三百零五"]) < 50


def test_bleu_refuses_what_it_cannot_compare():
    with pytest.raises(ValueError, match="2 candidates for 1 references"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="0 candidates"):
        bleu([], [])
    with pytest.raises(ValueError, match="lists of texts"):
        bleu("a text", "a text")
