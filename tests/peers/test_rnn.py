"""The definitions of sequences/rnn against torch, forward and backward."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, generator

TOLERANCE = 1e-10  # in double precision
ALSO = ("split", "vocab", "train_text", "held_out", "ACTIVATIONS", "STARTS", "TEXTS")


def weights(layer: nn.RNN) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    W_x, W_h = layer.weight_ih_l0.T, layer.weight_hh_l0.T
    b = layer.bias_ih_l0 + layer.bias_hh_l0
    return tuple(p.detach().clone().requires_grad_() for p in (W_x, W_h, b))


@pytest.mark.parametrize(("batch", "time"), [(3, 1), (1, 2), (4, 60)])
def test_network_and_gradients_are_the_library_s(page, batch, time):
    layer = nn.RNN(4, 7, batch_first=True).double()
    X = torch.randn(batch, time, 4, dtype=torch.double, requires_grad=True)
    W_x, W_h, b = weights(layer)
    ours, (theirs, _) = page["rnn"](X, W_x, W_h, b), layer(X)
    assert_close(ours, theirs.detach(), TOLERANCE)
    grad = torch.randn_like(theirs)
    library = (X, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0)
    wanted = torch.autograd.grad(theirs, library, grad)
    found = torch.autograd.grad(ours, (X, W_x, W_h, b), grad)
    assert_close(found[0], wanted[0], TOLERANCE)
    for a, g in zip(found[1:], wanted[1:]):
        assert_close(a, g.t(), TOLERANCE)
    by_hand = page["backward_through_time"](X.detach(), theirs.detach(), W_h.detach(), grad)
    for a, g in zip(by_hand, wanted[1:]):
        assert_close(a, g.t(), TOLERANCE)


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_unrolled_from_a_state(page, activation):
    layer = nn.RNN(4, 7, batch_first=True, nonlinearity=activation.__name__).double()
    X, h = torch.randn(3, 9, 4).double(), torch.randn(1, 3, 7).double()
    W_x, W_h, b = weights(layer)
    ours = page["unroll"](X @ W_x + b, W_h, h[0], activation=activation)
    assert_close(ours, layer(X, h)[0].detach(), TOLERANCE)


@pytest.mark.parametrize("truncate", [1, 3, 4, 20])
def test_truncation_is_a_detached_state_for_each_piece(page, truncate):
    """Values as without it; gradients of the pieces, each from the detached end of the last."""
    x = torch.randn(2, 10, 5, dtype=torch.double, requires_grad=True)
    W_h, weight = torch.randn(5, 5).double() / 2, torch.randn(2, 10, 5).double()
    state, pieces = torch.zeros(2, 5).double(), []
    for piece in x.split(truncate, dim=1):
        pieces.append(page["unroll"](piece, W_h, state))
        state = pieces[-1][:, -1].detach()
    wanted = torch.cat(pieces, dim=1)
    ours = page["unroll"](x, W_h, truncate=truncate)
    assert_close(ours, page["unroll"](x, W_h).detach(), TOLERANCE)
    for a, b in zip(*(torch.autograd.grad(h, x, weight) for h in (ours, wanted))):
        assert_close(a, b, TOLERANCE)


@pytest.mark.parametrize("truncate", [0, 2])
def test_language_model_is_a_stack_of_the_library_s_layers(page, truncate):
    model = page["CharRNN"](11, 6, truncate)
    nn.init.normal_(model.W_o)
    nn.init.normal_(model.c)
    nn.init.normal_(model.b)
    layer, tokens = nn.RNN(11, 6, batch_first=True), torch.randint(11, (3, 8))
    with torch.no_grad():
        layer.weight_ih_l0.copy_(model.W_x.T)
        layer.weight_hh_l0.copy_(model.W_h.T)
        layer.bias_ih_l0.copy_(model.b)
        layer.bias_hh_l0.zero_()
    hidden, state = [], None
    for piece in F.one_hot(tokens, 11).float().split(truncate or 8, dim=1):
        found, state = layer(piece, None if state is None else state.detach())
        hidden.append(found)
    wanted = torch.cat(hidden, dim=1) @ model.W_o.detach() + model.c.detach()
    assert_close(model(tokens), wanted.detach())
    weight = torch.randn(3, 8, 11)
    (model(tokens) * weight).sum().backward()
    (wanted * weight).sum().backward()
    assert_close(model.W_h.grad, layer.weight_hh_l0.grad.T, 1e-4)
    assert_close(model.W_x.grad, layer.weight_ih_l0.grad.T, 1e-4)


def test_language_model_starts_orthogonal_and_uniform(page):
    model = page["CharRNN"](30, 20)
    assert_close(model.W_h @ model.W_h.T, torch.eye(20))
    assert not model(torch.randint(30, (2, 5))).any()
    assert not model.b.any()
    assert 0.45 < model.W_x.std() < 0.55


@pytest.mark.parametrize("max_norm", [1e-3, 0.5, 1e6])
def test_clipping(page, max_norm):
    shapes = (3, 4), (5,)
    for ours, theirs in (
        ("clip_by_norm", nn.utils.clip_grad_norm_),
        ("clip_by_value", nn.utils.clip_grad_value_),
    ):
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for p in parameters:
            p.grad = torch.randn_like(p)
        grads = [p.grad.clone() for p in parameters]
        returned = page[ours](grads, max_norm)
        norm = theirs(parameters, max_norm)
        assert returned is norm or torch.isclose(returned, norm)
        for g, p in zip(grads, parameters):
            assert_close(g, p.grad, 1e-4)


def test_pieces_of_a_text(page):
    text = torch.randperm(40)
    X, Y = page["cut"](text, 5000, 6, generator(0))
    at = torch.argsort(text)[X]
    assert_close(at - at[:, :1], torch.arange(6).expand(5000, 6))
    assert torch.equal(torch.argsort(text)[Y], at + 1)
    assert sorted(at[:, 0].unique().tolist()) == list(range(34))
    again, _ = page["cut"](text, 5000, 6, generator(0))
    assert torch.equal(again, X)


@pytest.mark.parametrize("max_norm", [0.0, 0.3])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_training_is_the_usual_loop(page, optimizer, max_norm):
    kind = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[optimizer]
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())

    def loss(model: nn.Module, rng: torch.Generator) -> torch.Tensor:
        return 5 * model(torch.randn(4, 3, generator=rng)).square().mean()

    how = dict(optimizer=optimizer, max_norm=max_norm, seed=3)
    trained = page["train"](ours, loss, 5, 0.1, **how)
    assert trained is ours
    descent, rng = kind(theirs.parameters(), 0.1), generator(3)
    for update in range(5):
        for group in descent.param_groups:
            group["lr"] = 0.1 * (1 - 0.95 * update / 5)
        descent.zero_grad()
        loss(theirs, rng).backward()
        if max_norm:
            nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        descent.step()
    assert_close(ours.weight, theirs.weight.detach())
    assert_close(ours.bias, theirs.bias.detach())


def test_the_next_character_is_the_target(page):
    """The loss is a mean of cross-entropies over 32 pieces."""
    vocab_size = len(page["vocab"])
    table = nn.Embedding(vocab_size, vocab_size)
    X, Y = page["cut"](page["train_text"], 32, 16, generator(5))
    wanted = F.cross_entropy(table(X).flatten(0, 1), Y.flatten()).detach()
    assert_close(page["next_character"](table, generator(5), 32, 16), wanted)


def test_held_out_bits_leave_out_the_first_sixteen(page, monkeypatch):
    vocab_size = len(page["vocab"])
    monkeypatch.setitem(page["TEXTS"], "tell", torch.arange(400) % 7)

    class Sure(nn.Module):
        """Right from the seventeenth character on, and never before."""

        def forward(self, X):
            logits = F.one_hot((X + 1) % 7, vocab_size) * 100.0
            logits[:, :16] = -logits[:, :16]
            return logits

    assert_close(page["held_out_bits"](Sure(), "tell", 0), 0.0)

    class Uniform(nn.Module):
        def forward(self, X):
            return torch.zeros(*X.shape, vocab_size)

    assert_close(page["held_out_bits"](Uniform(), "tell", 0), math.log2(vocab_size))


def test_the_rate_is_chosen_on_one_part_and_told_on_the_other(page):
    costs = {0.1: (2.0, 1.0), 0.2: (1.0, 3.0), 0.3: (math.nan, 0.0)}
    seen = []

    def build():
        return nn.Linear(1, 1)

    def loss(model, rng):
        return model(torch.zeros(1, 1)).sum()

    def measure(model, part, seed):
        rate = (0.1, 0.2, 0.3)[len(seen) // 2]
        seen.append(part)
        assert seed == 7
        return costs[rate][part == "tell"]

    assert page["at_best_rate"](7, build, loss, measure, tuple(costs), updates=1) == 3.0


@pytest.mark.parametrize("start", ["orthogonal", "PyTorch's"])
def test_starts_of_the_language_model(page, start):
    model = page["started"](25, start, 4)
    assert model.truncate == 4
    if start == "orthogonal":
        assert_close(model.W_h @ model.W_h.T, torch.eye(25))
    else:
        for p in model.parameters():
            assert 0.8 / 5 < p.max() <= 1 / 5
            assert -1 / 5 <= p.min() < -0.8 / 5


def test_adding(page):
    X, y = page["adding"](2000, 11, generator(0))
    numbers, marks = X.unbind(2)
    assert_close((numbers * marks).sum(1), y)
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1
    assert_close(marks.sum(1), torch.full((2000,), 2.0))
    at = marks.nonzero()[:, 1].view(2000, 2)
    assert sorted(at[:, 0].unique().tolist()) == list(range(5))
    assert sorted(at[:, 1].unique().tolist()) == list(range(5, 11))
    again, _ = page["adding"](2000, 11, generator(0))
    assert torch.equal(again, X)

    class One(nn.Module):
        def forward(self, X):
            return torch.ones(len(X))

    mean = page["squared_error"](One(), generator(0), 50_000, 6)
    assert_close(mean, torch.tensor(1.0), 0.02)  # of the variance: guessing the mean


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("start", ["identity", "orthogonal"])
def test_starts_of_the_adder(page, activation, start):
    model = page["Adder"](activation, start, 40)
    W_h = model.rnn.weight_hh_l0
    if start == "identity":
        assert torch.equal(W_h, torch.eye(40))
    if start == "orthogonal":
        assert_close(W_h @ W_h.T, torch.eye(40))
    assert not model.rnn.bias_ih_l0.any()
    assert not model.rnn.bias_hh_l0.any()
    X = torch.randn(3, 5, 2)
    x = X @ model.rnn.weight_ih_l0.T
    f = {"relu": torch.relu, "tanh": torch.tanh}[activation]
    wanted = page["unroll"](x, W_h.T, activation=f)[:, -1] @ model.head.weight[0] + model.head.bias
    assert_close(model(X), wanted.detach())


def test_windows_and_what_follows_them(page):
    model = page["window_network"](3)
    assert model(torch.zeros(5, 3, dtype=torch.long)).shape == (5, len(page["vocab"]))
    X, Y = page["cut"](page["train_text"], 1024, 3, generator(4))
    wanted = F.cross_entropy(model(X), Y[:, -1])
    assert_close(page["after_window"](model, generator(4), 3), wanted.detach())


@pytest.mark.parametrize(("rho", "norm"), [(0.5, 0.5**35), (1.5, 1.5**35)])
def test_linear_gradients_grow_by_the_spectral_radius(page, rho, norm):
    Q = nn.init.orthogonal_(torch.empty(32, 32, dtype=torch.double))
    assert page["by_distance"](rho * Q, "linear")[35].item() == pytest.approx(norm, rel=1e-9)
