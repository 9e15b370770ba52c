"""A recurrent language model, and what any language model costs in bits per character."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
State = Tensor | tuple[Tensor, Tensor]


class RecurrentLM(nn.Module):
    """A language model: embedding, recurrent layers, and a logit for each token that may follow.

    Logits at step t come from the tokens up to t and speak about token t + 1. The state after the
    last step comes back, too, and may be handed in again to go on from there.

    >>> model = RecurrentLM(vocab_size=100, hidden_size=8, cell="gru")
    >>> logits, state = model(torch.tensor([[3, 1, 4, 1, 5]]))
    >>> logits.shape, state.shape
    (torch.Size([1, 5, 100]), torch.Size([1, 1, 8]))

    Args:
        vocab_size: how many tokens there are.
        hidden_size: units of each recurrent layer.
        cell: "rnn", "gru" or "lstm".
        embed_dim: numbers that stand for a token; as many as hidden units if None.
        num_layers: recurrent layers, one upon the other.
        dropout: on embeddings, between layers, and before the logits (Zaremba et al., 2014).
        tied: the logits' weights are the embedding's (Press and Wolf, 2017).

    Raises:
        ValueError: there is no such cell, or tied weights whose sizes differ.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int = 256,
        *,
        cell: str = "lstm",
        embed_dim: int | None = None,
        num_layers: int = 1,
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"There is no cell {cell!r}: {', '.join(CELLS)}.")
        embed_dim = embed_dim or hidden_size
        if tied and embed_dim != hidden_size:
            raise ValueError(f"Tied weights need one size: {embed_dim} and {hidden_size}.")
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.dropout = nn.Dropout(dropout)
        between = dropout if num_layers > 1 else 0.0
        self.cell = CELLS[cell](
            embed_dim, hidden_size, num_layers, batch_first=True, dropout=between
        )
        self.head = nn.Linear(hidden_size, vocab_size)
        if tied:
            self.head.weight = self.embedding.weight
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(embed_dim))

    def forward(
        self, tokens: Int[Tensor, "batch time"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time vocab_size"], State]:
        """Compute the logits of the token after each, and the state after the last."""
        hidden, state = self.cell(self.dropout(self.embedding(tokens)), state)
        return self.head(self.dropout(hidden)), state


@torch.inference_mode()
def token_bits(
    model: Callable[..., Any],
    tokens: Int[Tensor, " n"],
    *,
    window: int = 256,
    context: int = 64,
    batch_size: int = 64,
) -> Float[Tensor, " n"]:
    """What each token of a text costs a model, given those before it: -log2 of its probability.

    The text is read in overlapping windows. In each of them only tokens are counted that have at
    least ``context`` tokens before them (in the first window: all), so that each counts once. The
    very first token, which nothing comes before, costs what the uniform distribution gives it.

    >>> def uniform(tokens):  # a model that knows nothing about four tokens
    ...     return torch.zeros(*tokens.shape, 4)
    >>> token_bits(uniform, torch.tensor([3, 0, 2]))
    tensor([2., 2., 2.])

    Args:
        model: from tokens of shape (batch, time) to logits of shape (batch, time, vocab_size), or
            to a tuple that begins with them. A module is put into evaluation mode for this call.
        tokens: numbers of tokens in the order of the text.
        window: tokens that the model reads at once.
        context: the least number of tokens that a prediction is made from, but at the start.
        batch_size: windows at a time.

    Raises:
        ValueError: the windows would not advance.
    """
    if not 0 <= context < window:
        raise ValueError(f"A context of {context} in a window of {window} tokens.")
    training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
        first = next(model.parameters(), None)
        tokens = tokens if first is None else tokens.to(first.device)
    window, step = min(window, len(tokens) - 1), window - context
    ends = torch.arange(window, len(tokens) - 1 + step, step).clamp(max=len(tokens) - 1)
    bits = torch.zeros(len(tokens))
    for part in ends.split(batch_size):
        at = (part[:, None] - window + torch.arange(window)).to(tokens.device)
        output = model(tokens[at])
        logits = (output[0] if isinstance(output, tuple) else output).float()
        nats = F.cross_entropy(logits.transpose(1, 2), tokens[at + 1], reduction="none").cpu()
        for row, end in zip(nats, part.tolist()):
            new = window if end == window else min(step, window)
            bits[end + 1 - new : end + 1] = row[-new:] / math.log(2)
        bits[0] = math.log2(logits.shape[-1])
    if isinstance(model, nn.Module):
        model.train(training)
    return bits


def bits_per_character(model: Callable[..., Any], tokens: Tensor, text: str, **how: int) -> float:
    """The bits that a model spends on a text, for each of its characters.

    Models with tokens of any length can be compared by it: all have to encode the same text. The
    model and the options are those of `token_bits`.

    >>> def uniform(tokens):  # a model that knows nothing about four tokens
    ...     return torch.zeros(*tokens.shape, 4)
    >>> bits_per_character(uniform, torch.tensor([3, 0, 2]), "one token a word"[:12])
    0.5
    """
    return token_bits(model, tokens, **how).cpu().double().sum().item() / len(text)
