"""The definitions of sequences/lstm against torch, d2l and utils.nn, forward and backward."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, seed_everything
from utils.compat import d2l
from utils.nn import RecurrentLM

TOLERANCE = 1e-10  # in double precision


@pytest.mark.parametrize("time", [1, 2, 60])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from a state"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_cells_are_the_library_s(page, cell, given, time):
    seed_everything(time)
    theirs = page["LIBRARY"][cell](4, 7, batch_first=True)
    ours = page["copied"](theirs, cell).double()
    theirs = theirs.double()
    X1 = torch.randn(3, time, 4, dtype=torch.double).requires_grad_()
    X2 = X1.detach().clone().requires_grad_()
    start = [torch.randn(1, 3, 7, dtype=torch.double) for _ in range(ours.states)]
    mine = tuple(start) if given else None
    yours = (tuple(start) if cell == "lstm" else start[0]) if given else None
    (A, state), (B, last) = ours(X1[None], mine), theirs(X2, yours)
    assert_close(A[0], B, TOLERANCE)
    for a, b in zip(state, last if cell == "lstm" else (last,)):
        assert_close(a, b, TOLERANCE)
    weight = torch.randn_like(B)
    (A[0] * weight).sum().backward()
    (B * weight).sum().backward()
    assert_close(X1.grad, X2.grad, TOLERANCE)
    for name, long in (("x", "ih"), ("h", "hh")):
        W, b = getattr(ours, f"W_{name}").grad[0], getattr(ours, f"b_{name}").grad[0, 0]
        assert_close(W.T, getattr(theirs, f"weight_{long}_l0").grad, TOLERANCE)
        assert_close(b, getattr(theirs, f"bias_{long}_l0").grad, TOLERANCE)


def test_plain_network_is_d2l_s(page):
    peer, ours = d2l.RNNScratch(5, 8, sigma=0.3), page["Recurrent"]("rnn", 5, 8)
    with torch.no_grad():
        ours.W_x[0], ours.W_h[0], ours.b_x[0, 0] = peer.W_xh, peer.W_hh, peer.b_h
        ours.b_h.zero_()
    X = torch.randn(3, 11, 5)
    outputs, last = peer(X.transpose(0, 1))
    assert_close(ours(X[None])[0][0], torch.stack(outputs, 1).detach())
    assert_close(ours(X[None])[1][0][0], last.detach())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_models_side_by_side_do_not_disturb_one_another(page, cell):
    many = page["Recurrent"](cell, 3, 5, models=4)
    X = torch.randn(4, 2, 9, 3)
    together, _ = many(X)
    together.square().sum().backward()
    for m in range(4):
        one = page["Recurrent"](cell, 3, 5)
        one.load_state_dict({name: p[m : m + 1] for name, p in many.state_dict().items()})
        alone, _ = one(X[m : m + 1])
        assert_close(together[m], alone[0].detach())
        alone.square().sum().backward()
        for name, p in one.named_parameters():
            assert_close(many.get_parameter(name).grad[m], p.grad[0], 1e-4)


@pytest.mark.parametrize("max_norm", [1e-3, 0.5, 1e6])
def test_clipping(page, max_norm):
    """Each model of two as `clip_grad_norm_` would clip it alone."""
    parameters = [nn.Parameter(torch.randn(2, 3, 4)), nn.Parameter(torch.randn(2, 1, 5))]
    for p in parameters:
        p.grad = torch.randn_like(p)
    alone = [[nn.Parameter(p[m].detach().clone()) for p in parameters] for m in range(2)]
    for m in range(2):
        for p, q in zip(parameters, alone[m]):
            q.grad = p.grad[m].clone()
    norms = page["clip_gradients"](parameters, max_norm)
    for m in range(2):
        assert_close(norms[m], nn.utils.clip_grad_norm_(alone[m], max_norm).item())
        for p, q in zip(parameters, alone[m]):
            assert_close(p.grad[m], q.grad, 1e-4)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_open_gates_keep_the_state(page, cell):
    network = page["Recurrent"](cell, 3, 5)
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()  # the candidate is 0: nothing is written
    page["open_gates"](network, 60.0)
    assert network.b_x.count_nonzero() == 5  # one gate, and no other
    start = tuple(torch.rand(1, 2, 5) for _ in range(network.states))
    _, state = network(torch.randn(1, 2, 30, 3), start)
    assert_close(state[-1], start[-1])


def test_training_step_detaches_and_clips(page):
    model = RecurrentLM(7, 5)
    model.head.weight.data *= 30  # so that there is something to clip
    for p in model.parameters():
        p.grad = torch.ones_like(p)  # left by an earlier batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    X, state = torch.randint(0, 7, (2, 6)), None
    for _ in range(3):
        twin = copy.deepcopy(model)
        twin.zero_grad()
        wanted = F.cross_entropy(twin(X, state)[0].flatten(0, 1), X.roll(1).flatten())
        wanted.backward()
        assert nn.utils.clip_grad_norm_(twin.parameters(), 1.0) > 1.3
        loss, state = page["training_step"](model, optimizer, X, X.roll(1), state)
        assert_close(loss, wanted)
        assert not any(s.requires_grad for s in state)
        for p, q in zip(model.parameters(), twin.parameters()):
            assert_close(p.grad, q.grad)
            assert_close(p, q - 0.1 * q.grad)


def test_first_weights_are_as_the_librarys(page):
    for p in page["Recurrent"]("lstm", 40, 64).parameters():
        assert 0.95 / 8 < p.abs().max() <= 1 / 8


def test_mixture_is_a_distribution(page):
    p, q = torch.rand(2, 6, dtype=torch.double).softmax(-1)
    mixed = page["mixed"](-p.log2(), -q.log2(), 0.3)
    assert_close(2.0**-mixed, 0.3 * p + 0.7 * q, TOLERANCE)
    assert_close((2.0**-mixed).sum(), 1.0, TOLERANCE)
