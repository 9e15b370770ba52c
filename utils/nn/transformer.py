"""Multi-head attention, positions, Transformer blocks, and a small language model made of them.

Parameters carry the names that PyTorch gives them, so that the state of `nn.MultiheadAttention`,
`nn.TransformerEncoderLayer`, `nn.TransformerDecoderLayer` and `nn.TransformerEncoder` loads into
the modules here, and back. Masks do not: here, as in `scaled_dot_product_attention`, True means
that a query may attend to a key.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from utils.nn.attention import Valid, attention_mask

Activation = Callable[[Tensor], Tensor]


def sinusoidal_positions(
    length: int, dim: int, base: float = 10_000.0
) -> Float[Tensor, "length dim"]:
    """The fixed position code: sines and cosines of geometrically growing wavelengths.

    In row i, column 2j is sin(i / base^(2j/dim)), column 2j + 1 the cosine of the same (Vaswani et
    al., 2017); the longest wavelength is about 2π · base. An odd ``dim`` ends with a sine. Angles
    are computed in double precision.

    >>> sinusoidal_positions(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    wave = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * wave
    code = torch.empty(length, dim, dtype=torch.get_default_dtype())
    code[:, 0::2] = angles.sin()
    code[:, 1::2] = angles.cos()[:, : dim // 2]
    return code


def rotate(
    X: Float[Tensor, "*batch length dim"], start: int = 0, base: float = 10_000.0
) -> Float[Tensor, "*batch length dim"]:
    """Rotary positions: turn each pair of features by an angle that grows with the position.

    Features 2j and 2j + 1 of position i are turned by i / base^(2j/dim), so that the dot product of
    a rotated query and a rotated key depends on their distance only (Su et al., 2024). The first
    row stands at position ``start``; ``dim`` is even.

    >>> q, k = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]])
    >>> near = rotate(q, start=5) @ rotate(k, start=2).T
    >>> far = rotate(q, start=105) @ rotate(k, start=102).T
    >>> torch.allclose(near, far, atol=1e-4)
    True
    """
    length, dim = X.shape[-2:]
    wave = base ** (-torch.arange(0, dim, 2, device=X.device, dtype=torch.float32) / dim)
    angles = torch.arange(start, start + length, device=X.device)[:, None] * wave
    sin, cos = angles.sin().to(X.dtype), angles.cos().to(X.dtype)
    even, odd = X[..., 0::2], X[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


@dataclass
class KeyValueCache:
    """The keys and values of the positions that one attention layer has already seen.

    >>> layer, X, cache = MultiHeadAttention(4, 2), torch.randn(1, 3, 4), KeyValueCache()
    >>> rows = [layer(X[:, i : i + 1], causal=True, cache=cache) for i in range(3)]
    >>> torch.allclose(torch.cat(rows, dim=1), layer(X, causal=True), atol=1e-6), len(cache)
    (True, 3)
    """

    keys: Float[Tensor, "batch heads past dim"] | None = None
    values: Float[Tensor, "batch heads past dim"] | None = None

    def __len__(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def append(
        self,
        keys: Float[Tensor, "batch heads new dim"],
        values: Float[Tensor, "batch heads new dim"],
    ) -> tuple[Float[Tensor, "batch heads total dim"], Float[Tensor, "batch heads total dim"]]:
        """Add new positions behind those that are there; all keys and all values come back."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=2)
            values = torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


class MultiHeadAttention(nn.Module):
    """Several scaled dot-product attentions side by side, by PyTorch's fused kernel.

    The state of an `nn.MultiheadAttention` with equal sizes loads into it (Vaswani et al., 2017).

    >>> attention = MultiHeadAttention(embed_dim=8, num_heads=2)
    >>> attention(torch.randn(3, 5, 8), causal=True).shape  # self-attention
    torch.Size([3, 5, 8])

    Args:
        embed_dim: features of queries, keys, values and outputs; each head has its share of them.
        num_heads: divides ``embed_dim``.
        dropout: the share of attention weights to drop in training.
        bias: whether the four projections have biases.
        rotary: whether queries and keys are rotated by their positions, see `rotate`.

    Raises:
        ValueError: the heads do not divide the features evenly.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads or (rotary and embed_dim // num_heads % 2):
            even = "an even number of features each" if rotary else "the same size"
            raise ValueError(f"{embed_dim} features do not give {num_heads} heads {even}.")
        self.num_heads, self.dropout, self.rotary = num_heads, dropout, rotary
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim)) if bias else None
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def _project(self, X: Tensor, first: int, last: int) -> list[Tensor]:
        """Some of query (0), key (1) and value (2) of every position, heads in front."""
        d = X.shape[-1]
        bias = None if self.in_proj_bias is None else self.in_proj_bias[first * d : last * d]
        out = F.linear(X, self.in_proj_weight[first * d : last * d], bias)
        # (batch, n, parts · d) → for each part (batch, heads, n, d / heads)
        return [
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in out.split(d, -1)
        ]

    def forward(
        self,
        queries: Float[Tensor, "batch queries dim"],
        keys: Float[Tensor, "batch keys dim"] | None = None,
        values: Float[Tensor, "batch keys dim"] | None = None,
        valid: Valid | None = None,
        *,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """Attend in every head, concatenate, project.

        Args:
            queries: what is looked for.
            keys: what it is compared with; None for self-attention.
            values: what stands beside each key; None for the keys.
            valid: what may be attended to: lengths, or a mask that is True where a query may
                attend, see `attention_mask`; None for everything. With a cache it speaks of all
                keys, the cached ones first.
            causal: whether a query sees no later key than its own position (as well).
            cache: for self-attention step by step: keys and values of earlier positions, to which
                those of the queries are added. The queries' positions follow on them.

        Raises:
            ValueError: a cache together with keys.
        """
        past = 0 if cache is None else len(cache)
        if keys is None:
            Q, K, V = self._project(queries, 0, 3)
        elif cache is not None:
            raise ValueError("A cache is for self-attention: leave out the keys.")
        else:
            (Q,) = self._project(queries, 0, 1)
            if values is None or values is keys:
                K, V = self._project(keys, 1, 3)
            else:
                (K,), (V,) = self._project(keys, 1, 2), self._project(values, 2, 3)
        if self.rotary:
            Q, K = rotate(Q, past), rotate(K, past)
        if cache is not None:
            K, V = cache.append(K, V)

        mask = None if valid is None else attention_mask(valid, K.shape[2])[:, None]
        causal = causal and Q.shape[2] > 1  # one query alone may see all keys there are
        if causal and (past or mask is not None):
            earlier = torch.ones(Q.shape[2], K.shape[2], dtype=torch.bool, device=Q.device)
            earlier = earlier.tril(past)
            mask, causal = earlier if mask is None else mask & earlier, False
        out = F.scaled_dot_product_attention(
            Q, K, V, mask, self.dropout if self.training else 0.0, is_causal=causal
        )
        return self.out_proj(out.transpose(1, 2).flatten(2))


class TransformerEncoderBlock(nn.Module):
    """Self-attention and a position-wise network, each with a residual connection and a norm.

    With ``causal=True`` in the forward pass it is the block of a decoder-only language model. The
    state of an `nn.TransformerEncoderLayer` loads into it.

    >>> block = TransformerEncoderBlock(8, 2, 32, activation=F.gelu, norm_first=True)
    >>> block(torch.randn(3, 5, 8), causal=True).shape
    torch.Size([3, 5, 8])

    Args:
        embed_dim: features of a position.
        num_heads: heads of the attention.
        ffn_dim: hidden units of the position-wise network.
        dropout: the share to drop, in training, of attention weights, of hidden units, and of what
            is added to the residual stream.
        activation: of the hidden units: ``F.relu``, ``F.gelu``, ...
        norm_first: whether the norm comes before each sublayer (pre-norm) or after its residual
            connection (post-norm, the original).
        rotary: whether queries and keys are rotated by their positions, see `rotate`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        ffn_dim: int,
        *,
        dropout: float = 0.0,
        activation: Activation = F.relu,
        norm_first: bool = False,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(embed_dim, num_heads, dropout=dropout, rotary=rotary)
        self.linear1, self.linear2 = nn.Linear(embed_dim, ffn_dim), nn.Linear(ffn_dim, embed_dim)
        self.norm1, self.norm2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def _feed_forward(self, X: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(X))))

    def forward(
        self,
        X: Float[Tensor, "batch length dim"],
        valid: Valid | None = None,
        *,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Let the positions look at each other, then work on each by itself.

        ``valid``, ``causal`` and ``cache`` are as in `MultiHeadAttention.forward`.
        """

        def attend(Y: Tensor) -> Tensor:
            return self.self_attn(Y, valid=valid, causal=causal, cache=cache)

        if self.norm_first:
            X = X + self.dropout(attend(self.norm1(X)))
            return X + self.dropout(self._feed_forward(self.norm2(X)))
        X = self.norm1(X + self.dropout(attend(X)))
        return self.norm2(X + self.dropout(self._feed_forward(X)))


class TransformerDecoderBlock(nn.Module):
    """Causal self-attention, attention to an encoder's outputs, and a position-wise network.

    The state of an `nn.TransformerDecoderLayer` loads into it. Its parameters are those of
    `TransformerEncoderBlock`; both attentions have ``num_heads`` heads.

    >>> block = TransformerDecoderBlock(8, 2, 32)
    >>> block(torch.randn(3, 5, 8), memory=torch.randn(3, 7, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        ffn_dim: int,
        *,
        dropout: float = 0.0,
        activation: Activation = F.relu,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.multihead_attn = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.linear1, self.linear2 = nn.Linear(embed_dim, ffn_dim), nn.Linear(ffn_dim, embed_dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(embed_dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def _feed_forward(self, X: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(X))))

    def forward(
        self,
        X: Float[Tensor, "batch length dim"],
        memory: Float[Tensor, "batch source dim"],
        valid: Valid | None = None,
        memory_valid: Valid | None = None,
        *,
        causal: bool = True,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Look at what has been written, then at the source, then work on each position.

        Args:
            X: one row a position of the target.
            memory: the encoder's outputs.
            valid: what may be attended to in the target, see `MultiHeadAttention.forward`.
            memory_valid: what may be attended to in the source.
            causal: whether a position sees no later one of the target.
            cache: keys and values of earlier target positions.
        """

        def attend(Y: Tensor) -> Tensor:
            return self.self_attn(Y, valid=valid, causal=causal, cache=cache)

        def read(Y: Tensor) -> Tensor:
            return self.multihead_attn(Y, memory, valid=memory_valid)

        if self.norm_first:
            X = X + self.dropout(attend(self.norm1(X)))
            X = X + self.dropout(read(self.norm2(X)))
            return X + self.dropout(self._feed_forward(self.norm3(X)))
        X = self.norm1(X + self.dropout(attend(X)))
        X = self.norm2(X + self.dropout(read(X)))
        return self.norm3(X + self.dropout(self._feed_forward(X)))


class TransformerEncoder(nn.Module):
    """A stack of encoder blocks; with pre-norm, a last norm behind them.

    The state of an `nn.TransformerEncoder` (for pre-norm: with a norm) loads into it. Its blocks
    are alike; all parameters but their number are those of `TransformerEncoderBlock`.

    >>> encoder = TransformerEncoder(num_layers=6, embed_dim=8, num_heads=2, ffn_dim=32)
    >>> lengths = torch.tensor([5, 2, 4])  # what follows in a row is padding
    >>> encoder(torch.randn(3, 5, 8), lengths).shape
    torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        ffn_dim: int,
        *,
        dropout: float = 0.0,
        activation: Activation = F.relu,
        norm_first: bool = False,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerEncoderBlock(
                embed_dim,
                num_heads,
                ffn_dim,
                dropout=dropout,
                activation=activation,
                norm_first=norm_first,
                rotary=rotary,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim) if norm_first else nn.Identity()

    def forward(
        self,
        X: Float[Tensor, "batch length dim"],
        valid: Valid | None = None,
        *,
        causal: bool = False,
        caches: list[KeyValueCache] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Apply the blocks in turn, each with a cache of its own."""
        for i, layer in enumerate(self.layers):
            cache = None if caches is None else caches[i]
            X = layer(X, valid, causal=causal, cache=cache)
        return self.norm(X)


class GPT(nn.Module):
    """A decoder-only language model: embedding, causal pre-norm blocks, logits of the next token.

    After GPT-2 (Radford et al., 2019): GELU, normal initialisation with standard deviation 0.02,
    smaller for what is added to the residual stream, and the embedding used again for the logits.
    It can look at ``context`` tokens; with ``rotary``, positions are rotated in place of learned.

    >>> model = GPT(vocab_size=100, context=16, embed_dim=8, num_heads=2, num_layers=1)
    >>> start = torch.tensor([[3, 1, 4]])
    >>> model(start).shape
    torch.Size([1, 3, 100])
    >>> model.generate(start, count=20).shape
    torch.Size([1, 23])
    """

    def __init__(
        self,
        vocab_size: int,
        context: int,
        *,
        embed_dim: int = 128,
        num_heads: int = 4,
        num_layers: int = 4,
        dropout: float = 0.0,
        rotary: bool = False,
    ) -> None:
        super().__init__()
        self.context = context
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.positions = None if rotary else nn.Embedding(context, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = TransformerEncoder(
            num_layers,
            embed_dim,
            num_heads,
            ffn_dim=4 * embed_dim,
            dropout=dropout,
            activation=F.gelu,
            norm_first=True,
            rotary=rotary,
        )
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.head.weight = self.embed.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                added = name.endswith(("out_proj.weight", "linear2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * num_layers) if added else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def new_caches(self) -> list[KeyValueCache]:
        """Empty caches, one for each block, as ``forward`` takes them."""
        return [KeyValueCache() for _ in self.blocks.layers]

    def forward(
        self, tokens: Int[Tensor, "batch length"], caches: list[KeyValueCache] | None = None
    ) -> Float[Tensor, "batch length vocab"]:
        """Compute the logits of the token after each position.

        With the ``caches`` of `new_caches`, which take up the new positions, the tokens are those
        that follow on what has been seen.

        Raises:
            ValueError: more tokens than the context holds.
        """
        past = len(caches[0]) if caches else 0
        end = past + tokens.shape[1]
        if end > self.context:
            raise ValueError(f"{end} tokens do not fit into a context of {self.context}.")
        X = self.embed(tokens)
        if self.positions is not None:
            X = X + self.positions.weight[past:end]
        return self.head(self.blocks(self.dropout(X), causal=True, caches=caches))

    @torch.inference_mode()
    def generate(
        self,
        tokens: Int[Tensor, "batch length"],
        count: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        cached: bool = True,
    ) -> Int[Tensor, "batch total"]:
        """Write on, token by token.

        When the context is full, the model goes on with the latter half of what it has seen.

        Args:
            tokens: what the text begins with, at least one token; it is returned as well.
            count: how many tokens to add.
            temperature: divides the logits; 0 takes the most likely token.
            generator: where chance comes from; None for PyTorch's own.
            cached: keep keys and values; False computes everything again at every step, with the
                same result.
        """
        was_training = self.training
        self.eval()
        caches, unseen = self.new_caches(), tokens[:, -self.context :]
        window = unseen
        for _ in range(count):
            logits = (self(unseen, caches) if cached else self(window))[:, -1]
            if temperature == 0:
                chosen = logits.argmax(-1, keepdim=True)
            else:
                weights = (logits / temperature).softmax(-1)
                chosen = torch.multinomial(weights, 1, generator=generator)
            tokens = torch.cat([tokens, chosen], dim=1)
            window, unseen = torch.cat([window, chosen], dim=1), chosen
            if window.shape[1] > self.context:
                window = unseen = window[:, -max(1, self.context // 2) :]
                caches = self.new_caches()
        self.train(was_training)
        return tokens
