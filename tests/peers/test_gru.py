"""The definitions of sequences/gru against torch and d2l, forward and backward."""

import copy

import pytest
import torch
from torch import nn

from utils import assert_close
from utils.compat import d2l

TOLERANCE = 1e-10  # in double precision


def drawn(size: int = 4, units: int = 7) -> list[torch.Tensor]:
    """W, U, b and c, as `torch.nn` stacks them."""
    shapes = (3 * units, size), (3 * units, units), (3 * units,), (3 * units,)
    return [torch.randn(shape, dtype=torch.double) for shape in shapes]


@pytest.mark.parametrize("time", [1, 2, 60])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from a state"])
def test_gru_is_the_library_s(page, given, time):
    layer = nn.GRU(4, 7, batch_first=True).double()
    start = torch.randn(3, 7, dtype=torch.double) * given
    X1 = torch.randn(3, time, 4, dtype=torch.double).requires_grad_()
    X2 = X1.detach().clone().requires_grad_()
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    ours, (theirs, last) = page["gru"](X1, start, *weights), layer(X2, start[None])
    assert_close(ours, theirs.detach(), TOLERANCE)
    assert_close(ours[:, -1], last[0].detach(), TOLERANCE)
    weight = torch.randn_like(theirs)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    assert_close(X1.grad, X2.grad, TOLERANCE)
    for p, q in zip(weights, layer.parameters()):
        assert_close(p.grad, q.grad, TOLERANCE)


def test_gru_is_d2l_s(page):
    peer = d2l.GRU(5, 8, 1)
    X, start = torch.randn(11, 3, 5), torch.randn(3, 8)
    outputs, _ = peer(X, start[None])
    ours = page["gru"](X.transpose(0, 1), start, *peer.rnn.parameters())
    assert_close(ours.transpose(0, 1).detach(), outputs.detach())


def by_the_papers(X, h, W, U, b, c):
    """Cho et al. (2014): the reset gate before the matrix."""
    (Wr, Wz, Wn), (Ur, Uz, Un) = W.chunk(3), U.chunk(3)
    (br, bz, bn), (cr, cz, cn) = b.chunk(3), c.chunk(3)
    states = []
    for x in X.unbind(1):
        r = torch.sigmoid(x @ Wr.T + h @ Ur.T + br + cr)
        z = torch.sigmoid(x @ Wz.T + h @ Uz.T + bz + cz)
        h = z * h + (1 - z) * torch.tanh(x @ Wn.T + (r * h) @ Un.T + bn + cn)
        states.append(h)
    return torch.stack(states, dim=1)


def test_reset_before_the_matrix_is_the_paper_s(page):
    X, h, weights = torch.randn(3, 9, 4).double(), torch.randn(3, 7).double(), drawn()
    ours = page["gru"](X, h, *weights, reset_after=False)
    assert_close(ours, by_the_papers(X, h, *weights), TOLERANCE)
    assert (ours - page["gru"](X, h, *weights)).abs().max() > 0.1


@pytest.mark.parametrize("after", [True, False])
def test_gates_are_those_that_make_the_step(page, after):
    X, h, (W, U, b, c) = torch.randn(3, 1, 4).double(), torch.randn(3, 7).double(), drawn()
    r, z, n = page["gates"](X[:, 0] @ W.T + b, h, U, c, after)
    assert_close(page["gru"](X, h, W, U, b, c, after)[:, 0], z * h + (1 - z) * n, TOLERANCE)
    for gate, rows in ((r, slice(0, 7)), (z, slice(7, 14))):
        wanted = torch.sigmoid(X[:, 0] @ W[rows].T + b[rows] + h @ U[rows].T + c[rows])
        assert_close(gate, wanted, TOLERANCE)
    assert_close(page["gru"](X, h, W, U, b, c), page["gru"](X, h, W, U, b, c, True))


@pytest.mark.parametrize(("gate", "place"), [("reset", 0), ("update", 1)])
def test_pinned_gates_stay_pinned(page, gate, place):
    layer = nn.GRU(4, 7, batch_first=True)
    before = copy.deepcopy(layer)
    assert page["pin"](layer, gate, 1.5) is layer
    W, U, b, c = layer.parameters()
    x = torch.randn(3, 4) @ W.T + b
    held = page["gates"](x, torch.randn(3, 7), U, c)[place]
    assert_close(held.detach(), torch.full((3, 7), 1.5).sigmoid())
    rows = slice(7 * place, 7 * place + 7)
    for p, q in zip(layer.parameters(), before.parameters()):
        same = (p == q).view(21, -1).all(1)
        assert not same[rows].any()
        same[rows] = True
        assert same.all()  # no other row is touched
    page["pin"](layer, gate, 50.0)
    layer(torch.randn(2, 5, 4))[0].square().sum().backward()
    for p in layer.parameters():
        assert not p.grad[rows].any()  # a saturated gate does not learn


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_start_is_orthogonal_part_by_part(page, kind):
    layer = page["begin"](kind(40, 20), 2.5)
    for part in layer.weight_hh_l0.split(20):
        assert_close(part @ part.T, torch.eye(20), 1e-5)
    for part in layer.weight_ih_l0.split(20):  # Xavier's bound for a matrix of its own
        bound = (6 / 60) ** 0.5
        assert 0.97 * bound < part.abs().max() <= bound
    assert not layer.bias_hh_l0.any()
    assert layer.bias_ih_l0.count_nonzero() == (0 if kind is nn.RNN else 20)
    assert kind is nn.RNN or (layer.bias_ih_l0[20:40] == 2.5).all()
    assert not page["begin"](kind(3, 5)).bias_ih_l0.any()


def test_pytorch_s_start_is_left_alone_but_for_the_gate(page):
    layer = nn.GRU(3, 5)
    before = copy.deepcopy(layer.state_dict())
    page["begin"](layer, 4.0, "PyTorch's")
    changed = layer.bias_ih_l0 - before["bias_ih_l0"]
    assert_close(changed, torch.tensor([0.0] * 5 + [4.0] * 5 + [0.0] * 5))
    assert torch.equal(layer.weight_hh_l0, before["weight_hh_l0"])


def test_the_later_tap_is_asked_for(page):
    for taps in (1, 2):
        rng = torch.Generator().manual_seed(0)
        X, y = page["latest"](500, 13, rng, taps)
        assert X.shape == (500, 13, 5)
        assert_close(X[..., :4].sum(-1), torch.ones(500, 13))
        assert_close(X[..., 4].sum(1), torch.full((500,), float(taps)))
        assert sorted(X[..., 4].nonzero()[:, 1].unique().tolist()) == list(range(6))
        last = (X[..., 4] * torch.arange(1, 14)).argmax(1)
        assert torch.equal(X[torch.arange(500), last, :4].argmax(1), y)
        again, _ = page["latest"](500, 13, torch.Generator().manual_seed(0), taps)
        assert torch.equal(again, X)  # all of it is drawn from the generator
        assert sorted(y.unique().tolist()) == [0, 1, 2, 3]
    assert torch.equal(page["latest"](5, 13, torch.Generator().manual_seed(0))[0],
                       page["latest"](5, 13, torch.Generator().manual_seed(0), 2)[0])  # fmt: skip


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_parameters_are_counted(page, kind):
    for inputs, units, outputs in ((5, 8, 4), (3, 2, 7)):
        layer = page["LIBRARY"][kind](inputs, units)
        modules = nn.ModuleList([layer, nn.Linear(units, outputs)])
        total = sum(p.numel() for p in modules.parameters())
        assert page["count"](kind, units, inputs, outputs) == total
    without = page["count"]("gru without reset", 8, 5, 4)
    assert without == page["count"]("gru", 8, 5, 4) - page["count"]("rnn", 8, 5, 4) + 36


def test_sizes_are_the_nearest(page):
    count, as_large = page["count"], page["as_large"]
    for kind in ("rnn", "gru", "lstm", "gru without reset"):
        for shape in ((32, 5, 4), (16, 32, 75)):
            units, wanted = as_large(kind, *shape), count("gru", *shape)
            off = abs(count(kind, units, *shape[1:]) - wanted)
            assert off < abs(count(kind, units + 1, *shape[1:]) - wanted)
            assert off < abs(count(kind, units - 1, *shape[1:]) - wanted)
    assert as_large("gru", 32, 5, 4) == 32


def test_cost_is_that_of_the_best_moment_within_the_updates(page):
    found = [page["Moment"](*row) for row in ((2.0, 1.9, 100), (0.5, 0.7, 300), (0.1, 0.2, 301))]
    assert page["cost"](found, 299) == 1.9
    assert page["cost"](found) == 0.7
    assert page["cost"](found[::-1], 301) == 0.2


def test_chrono_biases_spread_over_the_length(page):
    b = page["chrono"](20_000, 30)
    assert b.shape == (20_000,)
    assert b.min() >= 0
    spread = b.exp()
    assert 28.9 < spread.max() <= 29.001
    assert 14.8 < spread.mean() < 15.2


def test_mean_gates_are_those_along_the_way(page):
    layer = nn.GRU(5, 6, batch_first=True)
    X = torch.randn(4, 9, 5)
    W, U, b, c = layer.parameters()
    states = torch.cat([torch.zeros(4, 1, 6), layer(X)[0]], dim=1)
    seen = page["mean_gates"](layer, X)
    assert seen.shape == (2, 9)
    for t in (0, 1, 8):
        r, z, _ = page["gates"](X[:, t] @ W.T + b, states[:, t], U, c)
        assert_close(seen[:, t], torch.stack([r.mean(), z.mean()]).detach())


WAYS = ["as trained", "blind candidate", "update gate at 0", "update gate at 1"]


@pytest.mark.parametrize("how", WAYS)
def test_what_is_taken_away_late(page, how):
    layer = nn.GRU(5, 6, batch_first=True)
    X = torch.randn(4, 9, 5)
    W, U, b, c = (p.detach() for p in layer.parameters())
    wanted, kept = torch.zeros(4, 6), torch.ones(4, 6)
    for t in range(9):
        x = X[:, t] @ W.T + b
        _, z, n = page["gates"](x, wanted, U, c)
        if t >= 7 and how == "blind candidate":
            n = torch.tanh(X[:, t] @ W[12:].T + b[12:])
        if t >= 7 and how == "update gate at 0":
            z = torch.zeros_like(z)
        if t >= 7 and how == "update gate at 1":
            z = torch.ones_like(z)
        if t >= 7:
            kept = kept * z
        wanted = z * wanted + (1 - z) * n
    h, left = page["weakened"](layer, X, how, 7)
    assert_close(h, wanted)
    assert_close(left, kept)
    whole = page["weakened"](layer, torch.cat([X, X], 1), how)[0]
    assert_close(whole, page["weakened"](layer, torch.cat([X, X], 1), how, 10)[0])
    assert how != "as trained" or (h - layer(X)[0][:, -1]).abs().max() < 1e-5


@pytest.mark.parametrize("matrices", ["orthogonal", "PyTorch's"])
def test_without_the_reset_gate_it_is_one(page, matrices):
    torch.manual_seed(0)
    layer = page["begin_without_reset"](nn.GRU(5, 6, batch_first=True), 1.5, matrices)
    torch.manual_seed(0)
    other = page["begin"](nn.GRU(5, 6, batch_first=True), 1.5, matrices)
    W, U, b, c = layer.parameters()
    r, _, _ = page["gates"](torch.randn(3, 5) @ W.T + b, torch.randn(3, 6), U, c)
    assert_close(r.detach(), torch.ones(3, 6))
    for p, q in zip(layer.parameters(), other.parameters()):
        assert torch.equal(p[6:], q[6:])
