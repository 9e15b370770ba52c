"""From text to numbers and back: tokenizers, a vocabulary, and BLEU."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor


class CharTokenizer:
    """Every character is a token.

    >>> CharTokenizer()("tea")
    ['t', 'e', 'a']
    """

    def __call__(self, text: str) -> list[str]:
        """Cut a text into its characters."""
        return list(text)

    def join(self, tokens: Iterable[str]) -> str:
        """Put characters together again."""
        return "".join(tokens)


class WordTokenizer:
    """Words are tokens, in lower case unless told otherwise, and so is each punctuation mark.

    An apostrophe inside a word belongs to it; a hyphen is a token.

    >>> tokenizer = WordTokenizer()
    >>> tokenizer("Don't count to twenty-one!")
    ["don't", 'count', 'to', 'twenty', '-', 'one', '!']
    >>> tokenizer.join(["don't", "count", "to", "twenty", "-", "one", "!"])
    "don't count to twenty-one!"
    """

    _TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")
    _NO_SPACE_BEFORE = re.compile(r" ([.,;:!?…)\]}%])")
    _NO_SPACE_AFTER = re.compile(r"([(\[{]) ")
    _NO_SPACE_AROUND = re.compile(r" ([-–]) ")

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    def __call__(self, text: str) -> list[str]:
        """Cut a text into words and punctuation marks; white space only separates."""
        return self._TOKEN.findall(text.lower() if self.lower else text)

    def join(self, tokens: Iterable[str]) -> str:
        """Put tokens together again, as one would typeset them; cutting gives them back."""
        text = self._NO_SPACE_BEFORE.sub(r"\1", " ".join(tokens))
        return self._NO_SPACE_AROUND.sub(r"\1", self._NO_SPACE_AFTER.sub(r"\1", text))


class Vocab:
    """Tokens and their numbers: the specials first, then by frequency, then by alphabet.

    >>> vocab = Vocab("a rose is a rose".split(), min_freq=2)
    >>> vocab.tokens
    ('<pad>', '<unk>', '<bos>', '<eos>', 'a', 'rose')
    >>> vocab.encode(["a", "rare", "rose"], eos=True)
    tensor([4, 1, 5, 3])
    >>> vocab.decode([4, 1, 5, 3])
    ['a', '<unk>', 'rose']

    Args:
        tokens: of the training text.
        min_freq: rarer tokens are left out.
        specials: reserved; leave out those you do not need. ``<unk>`` stands for every token that
            is not in the vocabulary.

    Attributes:
        tokens: the tokens in order.
    """

    def __init__(
        self,
        tokens: Iterable[str],
        min_freq: int = 1,
        specials: Sequence[str] = ("<pad>", "<unk>", "<bos>", "<eos>"),
    ) -> None:
        counts = Counter(tokens)
        kept = [t for t, n in counts.items() if n >= min_freq and t not in specials]
        self.specials = tuple(specials)
        self.tokens = (*specials, *sorted(kept, key=lambda t: (-counts[t], t)))
        self._index = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._index

    def __getitem__(self, token: str) -> int:
        """The number of a token, or of ``<unk>``; ValueError if there is neither."""
        index = self._index.get(token, self._index.get("<unk>"))
        if index is None:
            raise ValueError(
                f"{token!r} is not in this vocabulary of {len(self)} tokens, which has no <unk>."
            )
        return index

    @property
    def pad(self) -> int:
        """The number of ``<pad>``."""
        return self._special("<pad>")

    @property
    def unk(self) -> int:
        """The number of ``<unk>``."""
        return self._special("<unk>")

    @property
    def bos(self) -> int:
        """The number of ``<bos>``, the beginning of a sequence."""
        return self._special("<bos>")

    @property
    def eos(self) -> int:
        """The number of ``<eos>``, the end of a sequence."""
        return self._special("<eos>")

    def encode(
        self, tokens: Iterable[str], *, bos: bool = False, eos: bool = False
    ) -> Int64[Tensor, " n"]:
        """Tokens as numbers, on the CPU, with ``<bos>`` before and ``<eos>`` after them if asked.

        Raises:
            ValueError: a token is not in the vocabulary, which has no ``<unk>`` either.
        """
        numbers = [self[token] for token in tokens]
        if bos:
            numbers.insert(0, self.bos)
        if eos:
            numbers.append(self.eos)
        return torch.tensor(numbers, dtype=torch.int64)

    def decode(
        self, numbers: Iterable[int] | Int64[Tensor, " n"], *, keep_specials: bool = False
    ) -> list[str]:
        """Numbers as tokens.

        Unless ``keep_specials``, the specials other than ``<unk>`` are left out, and so is
        everything after the first ``<eos>``.
        """
        indices = numbers.tolist() if isinstance(numbers, Tensor) else list(numbers)
        tokens = [self.tokens[i] for i in indices]
        if keep_specials:
            return tokens
        if "<eos>" in self.specials and "<eos>" in tokens:
            tokens = tokens[: tokens.index("<eos>")]
        return [t for t in tokens if t == "<unk>" or t not in self.specials]

    def _special(self, token: str) -> int:
        if token not in self.specials:
            kept = ", ".join(self.specials) or "none"
            raise ValueError(f"This vocabulary has no {token}; its specials: {kept}.")
        return self._index[token]


def bleu(candidates: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> float:
    """BLEU of a whole corpus, 0 to 100 (Papineni et al., 2002), by sacrebleu (Post, 2018).

    >>> round(bleu(["there is a cat on the mat"], ["the cat is on the mat"]), 1)
    27.8

    Args:
        candidates: translations, as text.
        references: the right translation of each.
        tokenize: how sacrebleu cuts the texts: "13a" for European languages, "zh" for Chinese,
            "char", or "none" for texts that are tokens with spaces between.

    Raises:
        ValueError: there are not as many candidates as references, or there are none.
    """
    if isinstance(candidates, str) or isinstance(references, str):
        raise ValueError("Give lists of texts, not one text.")
    if len(candidates) != len(references) or not candidates:
        raise ValueError(
            f"{len(candidates)} candidates for {len(references)} references: give one for each."
        )
    import sacrebleu

    return sacrebleu.corpus_bleu(list(candidates), [list(references)], tokenize=tokenize).score
