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
    ours = page["copied"](theirs).double()
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


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_copy_for_every_model(page, cell):
    layer = page["LIBRARY"][cell](4, 7)
    for p, q in zip(page["copied"](layer, 3).parameters(), page["copied"](layer).parameters()):
        assert_close(p, q.expand(3, -1, -1).detach())


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_open_gates_keep_the_state(page, cell):
    layer = page["LIBRARY"][cell](3, 5)
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()  # the candidate is 0: nothing is written
    network = page["copied"](page["begin"](layer, 60.0, "PyTorch's"))
    assert network.b_x.count_nonzero() == 5  # one gate, and no other
    start = tuple(torch.rand(1, 2, 5) for _ in range(network.states))
    _, state = network(torch.randn(1, 2, 30, 3), start)
    assert_close(state[-1], start[-1])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_start_is_orthogonal_part_by_part(page, cell):
    seed_everything(0)
    layer = page["begin"](page["LIBRARY"][cell](40, 20), 2.5)
    for part in layer.weight_hh_l0.split(20):
        assert_close(part @ part.T, torch.eye(20), 1e-5)
    for part in layer.weight_ih_l0.split(20):  # Xavier's bound for a matrix of its own
        bound = (6 / 60) ** 0.5
        assert 0.97 * bound < part.abs().max() <= bound
    assert not layer.bias_hh_l0.any()
    gate = layer.bias_ih_l0[20:40]
    assert layer.bias_ih_l0.count_nonzero() == (0 if cell == "rnn" else 20)
    assert cell == "rnn" or (gate == 2.5).all()


def test_pytorch_s_start_is_left_alone(page):
    layer = nn.RNN(3, 5)
    before = copy.deepcopy(layer.state_dict())
    page["begin"](layer, 4.0, "PyTorch's")
    for name, p in layer.state_dict().items():
        assert torch.equal(p, before[name])


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_models_move_at_their_own_rates(page, kind):
    """Three models at once, as three optimisers would move them, over several steps."""
    rates = (0.01, 0.1, 0.5)
    together = nn.Parameter(torch.randn(3, 2, 4, dtype=torch.double))
    alone = [nn.Parameter(together[m].detach().clone()) for m in range(3)]
    optimizer = kind([together], lr=1.0)
    singles = [kind([p], lr=rate) for p, rate in zip(alone, rates)]
    for _ in range(4):
        together.grad = torch.randn_like(together)
        for m, p in enumerate(alone):
            p.grad = together.grad[m].clone()
            singles[m].step()
        page["move"](optimizer, [together], torch.tensor(rates).view(-1, 1, 1))
    for m, p in enumerate(alone):
        assert_close(together[m], p.detach(), 1e-6)


def test_cost_of_answers_is_the_cross_entropy(page):
    """In bits, for each network by itself, read off the last state."""
    network, head = page["Recurrent"]("gru", 3, 5, models=2), torch.randn(2, 5, 4)
    X, y = torch.randn(7, 6, 3), torch.randint(0, 4, (7,))
    costs = page["bits_each"](network, head, X, y)
    hidden, _ = network(torch.stack([X, X]))
    for m in range(2):
        wanted = F.cross_entropy(hidden[m, :, -1] @ head[m], y, reduction="none")
        assert_close(costs[m], (wanted / torch.tensor(2.0).log()).detach())


def test_the_best_rate_is_chosen_on_one_half_and_told_on_the_other(page):
    costs = torch.tensor([[1.0, 3, 0, 0], [1, 1, 5, 7], [float("nan")] * 4])
    assert tuple(page["judged"](costs, 50)) == (1.0, 6.0, 50)


def test_cost_is_that_of_the_best_moment_within_the_updates(page):
    found = [page["Learned"](*row) for row in ((2.0, 1.9, 25), (0.5, 0.7, 50), (0.1, 0.2, 75))]
    assert page["cost"](found, 74) == 0.7
    assert page["cost"](found, 75) == 0.2
    assert page["cost"](found[::-1], 100) == 0.2


def test_tasks_ask_for_what_was_shown(page):
    for name, dim in (("recall", 4), ("marked", 5)):
        X, y = page[name](500, 12, torch.Generator().manual_seed(0))
        assert X.shape == (500, 12, dim)
        assert len(y.unique()) == 4
        again, _ = page[name](500, 12, torch.Generator().manual_seed(0))
        assert torch.equal(again, X)  # all of it is drawn from the generator
    assert_close(X[..., 4].sum(1), torch.ones(500))  # one mark, in the first quarter
    at = X[..., 4].argmax(1)
    assert sorted(at.unique().tolist()) == [0, 1, 2]
    assert torch.equal(X[torch.arange(500), at, :4].argmax(1), y)
    assert_close(X[..., :4].sum(-1), torch.ones(500, 12))
    X, y = page["recall"](500, 12, torch.Generator().manual_seed(0))
    assert torch.equal(X[:, 0], F.one_hot(y, 4).float())
    assert 0.29 < X[:, 1:].std() < 0.31


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_training_step_detaches_a_single_state(page, cell):
    model = RecurrentLM(7, 5, cell=cell)
    X, optimizer = torch.randint(0, 7, (2, 6)), torch.optim.SGD(model.parameters(), lr=0.1)
    state = page["training_step"](model, optimizer, X, X.roll(1), None)
    assert state.shape == (1, 2, 5)
    assert not state.requires_grad


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
        state = page["training_step"](model, optimizer, X, X.roll(1), state)
        assert not any(s.requires_grad for s in state)
        for p, q in zip(model.parameters(), twin.parameters()):
            assert_close(p.grad, q.grad)
            assert_close(p, q - 0.1 * q.grad)


def test_first_weights_are_as_the_librarys(page):
    for p in page["Recurrent"]("lstm", 40, 64).parameters():
        assert 0.95 / 8 < p.abs().max() <= 1 / 8
