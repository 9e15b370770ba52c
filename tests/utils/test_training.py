"""The training loop: what it does to a model, what it records, what it refuses."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from utils import evaluate, fit
from utils.training import History, accuracy


class Points:
    """Batches of a linear problem; the last is smaller than the others."""

    def __init__(self, n: int = 70, size: int = 32):
        g = torch.Generator().manual_seed(0)
        self.X, self.size = torch.randn(n, 4, generator=g), size
        self.y = (self.X[:, 0] > 0).long()

    def __len__(self):
        return -(-len(self.X) // self.size)

    def __iter__(self):
        yield from zip(self.X.split(self.size), self.y.split(self.size), strict=True)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))


def test_it_learns_and_records():
    net, data = model(), Points()
    optimizer = torch.optim.SGD(net.parameters(), 0.3)
    history = fit(net, data, optimizer, epochs=20, test=data)
    assert history.test_metric[-1] > 0.9 and history.train_loss[-1] < history.train_loss[0]
    assert len(history.seconds) == 20 and history.seconds == sorted(history.seconds)
    assert "20 epochs" in str(history) and "accuracy" in str(history)


def test_one_step_is_the_one_written_out_by_hand():
    data = Points(n=32)
    ours, theirs = nn.Linear(4, 2), nn.Linear(4, 2)
    theirs.load_state_dict(ours.state_dict())
    fit(ours, data, torch.optim.SGD(ours.parameters(), 0.1), epochs=1)
    F.cross_entropy(theirs(data.X), data.y).backward()
    with torch.no_grad():
        for p in theirs.parameters():
            p -= 0.1 * p.grad
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


def test_gradients_are_clipped_before_the_step():
    net, data = nn.Linear(4, 2), Points(n=32)
    before = [p.detach().clone() for p in net.parameters()]
    fit(net, data, torch.optim.SGD(net.parameters(), 1.0), epochs=1, clip_norm=1e-3)
    moved = torch.cat([(p - q).flatten() for p, q in zip(net.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_the_schedule_moves_every_step():
    net, data, seen = nn.Linear(4, 2), Points(), []
    optimizer = torch.optim.SGD(net.parameters(), 1.0)
    fit(
        net, data, optimizer, epochs=2,
        schedule=lambda opt, steps: LambdaLR(opt, lambda step: 1 - step / steps),
        after_step=lambda step: seen.append(optimizer.param_groups[0]["lr"]),
    )  # fmt: skip
    assert seen == pytest.approx([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])


def test_mixed_precision_computes_in_bfloat16():
    seen = []

    class Spy(nn.Linear):
        def forward(self, X):
            out = super().forward(X)
            seen.append(out.dtype)
            return out

    net, data = Spy(4, 2), Points(n=32)
    fit(net, data, torch.optim.SGD(net.parameters(), 0.1), epochs=1, amp=True)
    assert seen == [torch.bfloat16] and net.weight.dtype == torch.float32


def test_evaluation_weighs_rows_not_batches_and_restores_the_mode():
    net, data = model(), Points(n=70)
    net.train()
    loss, share = evaluate(net, data)
    assert net.training
    net.eval()
    torch.testing.assert_close(loss, F.cross_entropy(net(data.X), data.y).item(), rtol=1e-5, atol=0)
    assert share == pytest.approx(accuracy(net(data.X), data.y).item())


def test_nothing_to_do_is_an_error():
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with pytest.raises(ValueError, match="0 epochs"):
        fit(net, Points(), optimizer, epochs=0)
    with pytest.raises(ValueError, match="empty"):
        evaluate(net, [])


def test_a_loss_that_is_not_a_number_stops_the_training():
    net = nn.Linear(4, 2)
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        fit(
            net, Points(), torch.optim.SGD(net.parameters(), 0.1), epochs=5,
            loss=lambda logits, y: logits.sum() / 0,
        )  # fmt: skip


def test_a_history_draws_itself():
    history = History([1.0, 2.0], [0.5, 0.4], [0.6, 0.5], [0.7, 0.8])
    ax = history.plot(against="seconds", label="net")
    assert ax.get_xlabel() == "training time (s)" and ax.get_ylabel() == "test accuracy"
    assert list(ax.lines[0].get_ydata()) == [0.7, 0.8]
    with pytest.raises(ValueError, match="'epoch' or 'seconds'"):
        history.plot(against="minutes")
