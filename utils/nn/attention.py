"""Attention by scores: masked softmax, additive attention, scaled dot products."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

# What a query may attend to: a number of keys for each row of the batch, or for each query in it,
# or a mask that is True where it may.
Valid = Int[Tensor, " batch"] | Int[Tensor, "batch queries"] | Bool[Tensor, "batch #queries keys"]


def attention_mask(valid: Valid, num_keys: int) -> Bool[Tensor, "batch #queries keys"]:
    """Turn valid lengths into a mask; a mask passes through.

    Args:
        valid: how many keys, counted from the first, belong to each row of the batch or to each
            query; or a mask, True where a query may attend.
        num_keys: how many keys there are.

    Returns:
        True where a query may attend to a key.
    """
    if valid.dtype == torch.bool:
        return valid
    lengths = valid[:, None] if valid.ndim == 1 else valid
    return torch.arange(num_keys, device=valid.device) < lengths[..., None]


def _beside(mask: Bool[Tensor, "batch #queries keys"], ndim: int) -> Bool[Tensor, "..."]:
    """Give a mask the axes of length 1 that let it broadcast over heads."""
    return mask[(slice(None), *[None] * (ndim - mask.ndim))]


def masked_softmax(
    scores: Float[Tensor, "batch *heads queries keys"], valid: Valid | None = None
) -> Float[Tensor, "batch *heads queries keys"]:
    """Softmax over the keys that a query may attend to; the others get weight 0.

    Args:
        scores: how well each key matches each query; left as they are.
        valid: what may be attended to, see `attention_mask`; None for everything.

    Returns:
        Weights that sum to 1 over the keys, or are all 0 where there is nothing to attend to.
    """
    if valid is None:
        return scores.softmax(dim=-1)
    mask = _beside(attention_mask(valid, scores.shape[-1]), scores.ndim)
    # A row of nothing but -inf would become NaN, so rows without a key are not filled at all.
    empty = ~mask.any(dim=-1, keepdim=True)
    weights = scores.masked_fill(~(mask | empty), -torch.inf).softmax(dim=-1)
    return weights.masked_fill(~mask, 0.0)


class AdditiveAttention(nn.Module):
    """Attention with the score wᵀ tanh(W_q q + W_k k) (Bahdanau et al., 2015).

    Args:
        query_size: features of a query.
        key_size: features of a key.
        num_hiddens: features of the hidden layer in which the two are added.
        dropout: the share of attention weights to drop in training.
    """

    def __init__(
        self, query_size: int, key_size: int, num_hiddens: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.W_q = nn.Linear(query_size, num_hiddens, bias=False)
        self.W_k = nn.Linear(key_size, num_hiddens, bias=False)
        self.w_v = nn.Linear(num_hiddens, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def weights(
        self,
        queries: Float[Tensor, "batch queries query_size"],
        keys: Float[Tensor, "batch keys key_size"],
        valid: Valid | None = None,
    ) -> Float[Tensor, "batch queries keys"]:
        """The attention weights, before dropout.

        Args:
            queries: what is looked for.
            keys: what it is compared with.
            valid: what may be attended to, see `attention_mask`; None for everything.

        Returns:
            Weights that sum to 1 over the keys.
        """
        hidden = self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1)
        # (batch, queries, keys, num_hiddens) is the whole cost of this score: in place, one copy.
        return masked_softmax(self.w_v(hidden.tanh_()).squeeze(-1), valid)

    def forward(
        self,
        queries: Float[Tensor, "batch queries query_size"],
        keys: Float[Tensor, "batch keys key_size"],
        values: Float[Tensor, "batch keys value_size"],
        valid: Valid | None = None,
    ) -> Float[Tensor, "batch queries value_size"]:
        """Average the values with the attention weights.

        Args:
            queries: what is looked for.
            keys: what it is compared with.
            values: what stands beside each key.
            valid: what may be attended to, see `attention_mask`; None for everything.

        Returns:
            One average of values for each query.
        """
        return self.dropout(self.weights(queries, keys, valid)) @ values


class DotProductAttention(nn.Module):
    """Attention with the score qᵀk / √d, by PyTorch's fused kernel (Vaswani et al., 2017).

    Args:
        dropout: the share of attention weights to drop in training.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self,
        queries: Float[Tensor, "batch *heads queries dim"],
        keys: Float[Tensor, "batch *heads keys dim"],
        values: Float[Tensor, "batch *heads keys value_size"],
        valid: Valid | None = None,
    ) -> Float[Tensor, "batch *heads queries value_size"]:
        """Average the values with the attention weights.

        Args:
            queries: what is looked for, with or without an axis of heads.
            keys: what it is compared with.
            values: what stands beside each key.
            valid: what may be attended to, see `attention_mask`; None for everything.

        Returns:
            One average of values for each query; zeros where there is nothing to attend to.
        """
        # The fused kernels take four axes only: without one of heads, PyTorch falls back on a
        # computation that keeps all scores.
        one_head = queries.ndim == 3
        if one_head:
            queries, keys, values = (x.unsqueeze(1) for x in (queries, keys, values))
        mask = None if valid is None else _beside(attention_mask(valid, keys.shape[-2]), 4)
        out = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        return out.squeeze(1) if one_head else out
