"""Attention by scores: masked softmax, additive attention, scaled dot products."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

# What a query may attend to: a number of keys for each row of the batch, or for each query in it,
# or a mask that is True where it may.
Valid = Int[Tensor, " batch"] | Int[Tensor, "batch queries"] | Bool[Tensor, "batch #queries keys"]


def attention_mask(valid: Valid, num_keys: int) -> Bool[Tensor, "batch #queries keys"]:
    """Turn valid lengths into a mask, True where a query may attend; a mask passes through.

    Lengths say how many of the ``num_keys`` keys, counted from the first, belong to each row of the
    batch or to each query.

    >>> attention_mask(torch.tensor([2, 3]), num_keys=4)
    tensor([[[ True,  True, False, False]],
    <BLANKLINE>
            [[ True,  True,  True, False]]])
    """
    if valid.dtype == torch.bool:
        return valid
    lengths = valid[:, None] if valid.ndim == 1 else valid
    return torch.arange(num_keys, device=valid.device) < lengths[..., None]


def _beside(mask: Bool[Tensor, "batch #queries keys"], ndim: int) -> Bool[Tensor, "..."]:
    """Give a mask the axes of length 1 that let it broadcast over heads."""
    while mask.ndim < ndim:
        mask = mask.unsqueeze(1)
    return mask


def masked_softmax(
    scores: Float[Tensor, "batch *heads queries keys"], valid: Valid | None = None
) -> Float[Tensor, "batch *heads queries keys"]:
    """Softmax over the keys that a query may attend to, see `attention_mask`; the others get 0.

    Where there is nothing to attend to, all weights are 0.

    >>> masked_softmax(torch.zeros(2, 1, 4), torch.tensor([2, 0]))
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000]],
    <BLANKLINE>
            [[0.0000, 0.0000, 0.0000, 0.0000]]])
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

    Queries and keys of any two sizes are added in a hidden layer of ``num_hiddens`` features. In
    training, the share ``dropout`` of the attention weights is dropped.

    >>> attention = AdditiveAttention(query_size=20, key_size=2, num_hiddens=8)
    >>> queries, keys, values = torch.randn(3, 1, 20), torch.randn(3, 10, 2), torch.randn(3, 10, 4)
    >>> attention(queries, keys, values, torch.tensor([2, 6, 10])).shape
    torch.Size([3, 1, 4])
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
        """The attention weights, before dropout; for ``valid`` see `attention_mask`."""
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
        """Average the values with the attention weights; for ``valid`` see `attention_mask`."""
        return self.dropout(self.weights(queries, keys, valid)) @ values


class DotProductAttention(nn.Module):
    """Attention with the score qᵀk / √d, by PyTorch's fused kernel (Vaswani et al., 2017).

    In training, the share ``dropout`` of the attention weights is dropped.

    >>> keys = torch.eye(2).unsqueeze(0)
    >>> attention = DotProductAttention()
    >>> attention(100 * keys, keys, torch.tensor([[[1.0], [2.0]]]))  # each query finds its key
    tensor([[[1.],
             [2.]]])
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
        """Average the values with the attention weights, with or without an axis of heads.

        For ``valid`` see `attention_mask`. Where there is nothing to attend to, zeros come out.
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
