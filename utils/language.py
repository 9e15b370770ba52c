"""From text to the tokens of a language model, and from its logits to a token again."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

_BYTES = 256
# a word with the space before it, a run of other marks likewise, or what is left of white space
_PIECE = re.compile(r" ?[^\W_]+(?:['’][^\W_]+)*| ?(?:[^\w\s]|_)+|\s")


class BytePairs:
    """Byte-pair encoding (Gage, 1994; Sennrich, Haddow and Birch, 2016), on bytes as GPT-2 has it.

    Tokens 0 to 255 are the bytes, so that every text can be written; each later token joins two
    earlier ones, the pair that was most frequent in the training text when it was made. Merges do
    not cross words; the space before a word belongs to it. ``vocab_size=256`` makes no merges.

    >>> pairs = BytePairs("low lower lowest slow", vocab_size=258)
    >>> pairs.tokens[256:]
    [b'lo', b'low']
    >>> pairs.encode("slow").tolist()
    [115, 257]
    >>> pairs.decode([115, 257])
    'slow'

    Attributes:
        tokens: the bytes of each token.
    """

    def __init__(self, text: str, vocab_size: int) -> None:
        if vocab_size < _BYTES:
            raise ValueError(f"A vocabulary of {vocab_size}: the bytes alone are {_BYTES}.")
        self.tokens = [bytes([i]) for i in range(_BYTES)]
        self._rank: dict[tuple[int, int], int] = {}
        self._cache: dict[str, list[int]] = {}
        if vocab_size > _BYTES:
            self._learn(Counter(_PIECE.findall(text)), vocab_size)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> Int64[Tensor, " n"]:
        """A text as numbers of tokens, on the CPU."""
        numbers: list[int] = []
        for piece in _PIECE.findall(text):
            if piece not in self._cache:
                self._cache[piece] = self._merge(list(piece.encode()))
            numbers += self._cache[piece]
        return torch.tensor(numbers, dtype=torch.int64)

    def decode(self, numbers: Iterable[int] | Int[Tensor, " n"]) -> str:
        """Numbers of tokens as a text; bytes that are no character become �."""
        numbers = numbers.tolist() if isinstance(numbers, Tensor) else numbers
        return b"".join(self.tokens[i] for i in numbers).decode(errors="replace")

    def _learn(self, pieces: Counter[str], vocab_size: int) -> None:
        words = [list(piece.encode()) for piece in pieces]
        counts = list(pieces.values())
        pairs: Counter[tuple[int, int]] = Counter()
        where: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for i, word in enumerate(words):
            for pair in zip(word, word[1:]):
                pairs[pair] += counts[i]
                where[pair].add(i)
        while len(self.tokens) < vocab_size and pairs:
            # the most frequent; of those that are level, the first by alphabet
            best = min(pairs, key=lambda p: (-pairs[p], self.tokens[p[0]], self.tokens[p[1]]))
            if pairs[best] < 2:
                break
            new = len(self.tokens)
            self._rank[best] = new
            self.tokens.append(self.tokens[best[0]] + self.tokens[best[1]])
            for i in list(where[best]):
                for pair in zip(words[i], words[i][1:]):
                    pairs[pair] -= counts[i]
                    if not pairs[pair]:
                        del pairs[pair]
                words[i] = _join(words[i], best, new)
                for pair in zip(words[i], words[i][1:]):
                    pairs[pair] += counts[i]
                    where[pair].add(i)

    def _merge(self, word: list[int]) -> list[int]:
        """Apply the merges in the order in which they were learned."""
        while len(word) > 1:
            rank, pair = min((self._rank.get(p, len(self)), p) for p in zip(word, word[1:]))
            if rank == len(self):
                break
            word = _join(word, pair, rank)
        return word


def next_token(
    logits: Float[Tensor, "*batch vocab_size"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    rng: torch.Generator | None = None,
) -> Int64[Tensor, "*batch"]:
    """Draw the number of the next token, for each row of logits.

    >>> p = torch.tensor([0.1, 0.6, 0.3])
    >>> next_token(p.log(), temperature=0)
    tensor(1)
    >>> next_token(p.log().expand(1000, 3), top_p=0.7).unique()
    tensor([1, 2])

    Args:
        logits: one for each token that may follow; logarithms of probabilities do as well.
        temperature: logits are divided by it; 0 takes the largest.
        top_k: only so many of the most probable tokens may be drawn (Fan et al., 2018).
        top_p: only the most probable tokens that together first reach this probability may be drawn
            (nucleus sampling, Holtzman et al., 2020).
        rng: where chance comes from.

    Raises:
        ValueError: a setting that leaves no token to draw, or logits without a largest that is
            finite.
    """
    if not temperature >= 0 or not 0 < top_p <= 1 or (top_k is not None and top_k < 1):
        raise ValueError(f"temperature {temperature}, top_k {top_k}, top_p {top_p}")
    if temperature == 0:
        return logits.argmax(-1)
    p, order = (logits / temperature).softmax(-1).sort(descending=True, stable=True)
    if p.isnan().any():
        if logits.amax(-1).isfinite().all():
            raise ValueError(
                f"temperature {temperature}: too small for these logits, which overflow when they "
                "are divided by it; 0 takes the largest."
            )
        raise ValueError("A row of logits holds nan or inf, or only -inf: there is no largest.")
    if top_k is not None:
        p[..., top_k:] = 0
        p = p / p.sum(-1, keepdim=True)
    if top_p < 1:  # at 1 nothing is to go, whatever rounding makes of the sum
        p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0)
    drawn = torch.multinomial(p.flatten(0, -2) if p.ndim > 1 else p, 1, generator=rng)
    return order.gather(-1, drawn.view(*p.shape[:-1], 1)).squeeze(-1)


def _join(word: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """Write a new token wherever the pair stands, from left to right."""
    joined: list[int] = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            joined.append(new)
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return joined
