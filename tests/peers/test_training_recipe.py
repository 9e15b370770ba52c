"""The definitions of mlp/training-recipe against torch.optim, plain loops and their own laws."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator
from utils.seed import seed_everything

ALSO = ("train_set", "test_set", "images", "labels", "Data")


def stacked(page: dict, optimizer: str, **knobs: float) -> tuple:
    """A stack of two networks, and the same two as modules with PyTorch's optimisers."""
    rate = torch.tensor([0.05, 0.1])
    stack = page["Stack"](3, [6, 5, 10], optimizer, rate, **knobs)
    peers = []
    for k in range(2):
        model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 10))
        for p, w in zip(model.parameters(), stack.weights):
            p.data = w.detach()[k].T.clone().reshape(p.shape)
        decay = knobs.get("decay", 0.0)
        groups = [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        lr = rate[k].item()
        make = {
            "SGD": lambda g, lr=lr: torch.optim.SGD(g, lr, momentum=0.9),
            "AdamW": lambda g, lr=lr: torch.optim.AdamW(g, lr),
        }[optimizer]
        peers.append((model, make(groups)))
    return stack, peers


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_stacked_updates_are_those_of_torch(page: dict, optimizer: str) -> None:
    stack, peers = stacked(page, optimizer, decay=0.03, gain=1.5)
    assert stack.weights[0].std().item() == pytest.approx(1.5 * math.sqrt(2 / 6), rel=0.4)
    assert_close(stack.weights[0][0], stack.weights[0][1])
    rng = generator(5)
    for t in range(4):
        X, y = torch.randn(20, 6, generator=rng), torch.randint(10, (20,), generator=rng)
        before = [w.detach().clone() for w in stack.weights]
        moved = page["update"](stack, X, y, 0.7)
        for w, old, change in zip(stack.weights, before, moved):
            assert_close(old - change, w.detach(), 1e-6)
        for k, (model, sgd) in enumerate(peers):
            if t == 0:
                for group in sgd.param_groups:
                    group["lr"] *= 0.7
            sgd.zero_grad()
            F.cross_entropy(model(X), y).backward()
            sgd.step()
            assert_close(stack(X)[k].detach(), model(X).detach(), 2e-4)
            assert stack.weights[1].shape == (2, 1, 5)
    losses, right = page["scored"](stack, X, y)
    for k, (model, _) in enumerate(peers):
        assert losses[k].item() == pytest.approx(F.cross_entropy(model(X), y).item(), abs=1e-4)
        assert right[k] == (model(X).argmax(1) == y).float().mean()
    stack.forget()
    assert stack.t == 0
    assert all(not s.any() for s in (*stack.m, *stack.v))


def test_gains_of_each_network(page: dict) -> None:
    gain = torch.tensor([1.0, 3.0])
    stack = page["Stack"](3, [6, 10], "SGD", torch.ones(2), gain=gain)
    assert_close(3 * stack.weights[0][0], stack.weights[0][1])
    assert not stack.weights[1].any()
    assert stack.weights[0][0].std().item() == pytest.approx(math.sqrt(2 / 6), rel=0.3)


def test_the_start_is_that_of_he(page: dict) -> None:
    stack = page["Stack"](3, [400, 100], "SGD", torch.ones(1))
    assert stack.weights[0].std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.03)


def test_losses_that_are_no_numbers_count_as_large(page: dict) -> None:
    stack = page["Stack"](3, [6, 10], "SGD", torch.ones(2))
    with torch.no_grad():
        stack.weights[0][0].fill_(torch.nan)
        stack.weights[0][1].mul_(1e6)
    X, y = torch.randn(50, 6, generator=generator(1)), torch.arange(50) % 10
    assert page["scored"](stack, X, y)[0].tolist() == [99.0, 99.0]


def test_loading(page: dict) -> None:
    X, y, X_val, y_val = page["aligned_load"]()
    images, labels = page["images"], page["labels"]
    kept = [i for i in range(8000) if images[i].mean() > 20]
    assert torch.equal(X, images[kept])
    assert torch.equal(y, labels[kept])
    assert torch.equal(X_val, images[8000:])
    assert torch.equal(y_val, labels[8000:])
    wrong, more, *_ = page["hasty_load"]()
    assert torch.equal(wrong, X)
    assert torch.equal(more, labels[:8000])
    scaled, _, scaled_val, _ = page["load"]()
    assert_close(scaled, (X - X.mean()) / X.std(), 1e-6)
    assert_close(scaled_val, (X_val - X.mean()) / X.std(), 1e-6)


def test_networks(page: dict) -> None:
    assert len(list(page["HastyNet"](16).parameters())) == 2
    model = page["Net"](16)
    shapes = {tuple(p.shape) for p in model.parameters() if p.ndim > 1}
    assert shapes == {(16, 784), (16, 16), (10, 16)}
    layers = [nn.Flatten(), model.hidden[0], nn.ReLU(), model.hidden[1], nn.ReLU(), model.head]
    X = torch.randn(5, 784)
    assert_close(model(X), nn.Sequential(*layers)(X), 1e-6)
    y = model(X).argmax(1)
    y[:2] = (y[:2] + 1) % 10
    assert page["accuracy"](model, X, y) == pytest.approx(0.6)


def test_training(page: dict) -> None:
    X, y = torch.randn(150, 784), torch.randint(10, (150,))
    first, second, rates = page["Net"](8), None, []

    def step(model, optimizer, X, y):
        rates.append(optimizer.param_groups[0]["lr"])
        return page["clean_step"](model, optimizer, X, y)

    second = copy.deepcopy(first)
    options = dict(rate=0.02, epochs=2, decay=0.1, order=torch.arange, falling=True)
    losses, scores, optimizer = page["train"]((X, y, X[:30], y[:30]), first, step, **options)
    assert rates == pytest.approx([0.02 * (1 - t / 6) for t in range(6)])
    sgd = torch.optim.SGD(second.parameters(), 0.02, momentum=0.9, weight_decay=0.1)
    for t in range(6):
        rows = slice(64 * (t % 3), 64 * (t % 3) + 64)
        sgd.param_groups[0]["lr"] = rates[t]
        sgd.zero_grad()
        loss = F.cross_entropy(second(X[rows]), y[rows])
        assert losses[t] == pytest.approx(loss.item(), abs=1e-5)
        loss.backward()
        sgd.step()
    assert len(scores) == 2
    assert scores[-1] == page["accuracy"](second, X[:30], y[:30])
    assert optimizer.param_groups[0]["params"][0] is next(first.parameters())
    moments = [optimizer.state[p]["momentum_buffer"] for p in first.parameters()]
    for kept, p in zip(moments, second.parameters()):
        assert_close(kept, sgd.state[p]["momentum_buffer"], 1e-5)
    rates.clear()
    page["train"]((X, y, X, y), first, step, rate=0.5, epochs=1)
    assert rates == [0.5] * 3


def test_steps_with_and_without_zero_grad(page: dict) -> None:
    X, y = torch.randn(9, 784), torch.arange(9)
    for name, twice in (("hasty_step", 2.0), ("clean_step", 1.0)):
        model = page["Net"](8)
        frozen = torch.optim.SGD(model.parameters(), lr=0.0)
        page[name](model, frozen, X, y)
        once = model.head.weight.grad.clone()
        page[name](model, frozen, X, y)
        assert_close(model.head.weight.grad, twice * once, 1e-6)


def test_overfitting_one_batch(page: dict) -> None:
    X, y = torch.randn(9, 784), torch.arange(9)
    model = page["Net"](16)
    losses = page["overfit"](model, page["clean_step"], X, y, rate=0.05, steps=60)
    assert len(losses) == 60
    assert losses[0] > 1.5
    assert losses[-1] < 0.01
    assert len(page["overfit"](page["Net"](4), page["clean_step"], X, y)) == 150


def test_the_range_test(page: dict) -> None:
    values, seen = iter([4.0, 2.0, 1.0, 8.0, 90.0, 1.0, 1.0]), []

    def step(model, optimizer, X, y):
        seen.append((optimizer.param_groups[0]["lr"], X.shape, optimizer.defaults["momentum"]))
        return next(values)

    model = nn.Linear(784, 10)
    rates, losses = page["range_test"](
        model, step, torch.randn(9, 784), torch.arange(9), low=1e-3, high=1e3, steps=7
    )
    assert rates == pytest.approx([10.0 ** (k - 3) for k in range(5)])
    assert [s[0] for s in seen] == pytest.approx(rates)
    assert seen[0][1:] == ((64, 784), 0.9)
    mean = 0.0
    for t, loss in enumerate([4.0, 2.0, 1.0, 8.0, 90.0]):
        mean = 0.9 * mean + 0.1 * loss
        assert losses[t] == pytest.approx(mean / (1 - 0.9 ** (t + 1)))
    assert page["a_tenth_of_the_least"]([1.0, 2.0, 3.0], [5.0, 1.0, 2.0]) == 0.2
    nan = iter([1.0, math.nan, 1.0])
    rates, _ = page["range_test"](model, lambda *_: next(nan), torch.randn(9, 784), torch.arange(9))
    assert len(rates) == 2
    before = copy.deepcopy(model.state_dict())
    page["range_test"](model, page["clean_step"], torch.randn(9, 784), torch.arange(9))
    assert torch.equal(model.weight, before["weight"])


def test_update_ratios(page: dict) -> None:
    layers = [nn.Linear(2, 1, bias=False), nn.Linear(2, 1)]
    layers[0].weight.data = torch.tensor([[3.0, 4.0]])

    def update() -> None:
        layers[0].weight.data += torch.tensor([[0.006, -0.008]])

    assert page["update_ratios"](layers, update) == pytest.approx([0.002, 0.0], abs=1e-6)


def test_a_run_is_restored_but_for_what_is_left_out(page: dict) -> None:
    X, y = torch.rand(120, 784), torch.randint(10, (120,))
    run = page["Run"](X, y, seed=1)
    assert run.position == 0
    start, order = torch.get_rng_state(), run.order
    for _ in range(4):
        run.step()
    assert run.position == 50
    assert not torch.equal(run.order, order)
    assert run.order.sort().values.tolist() == list(range(120))
    wanted = 0.003 * (1 + math.cos(math.pi * 4 / 120)) / 2
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(wanted)
    saved = copy.deepcopy(page["state"](run))
    assert not torch.equal(saved["generator of dropout"], start)
    for without in ("", *saved):
        other = page["Run"](X, y, seed=2)
        page["restore"](other, saved, without)
        for key, value in page["state"](other).items():
            same = str(value) == str(saved[key]) and _equal(value, saved[key])
            assert same == (key != without), key


def _equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return all(_equal(a[k], b[k]) for k in a)
    return all(_equal(*p) for p in zip(a, b)) if isinstance(a, tuple) else a == b


def test_groups(page: dict) -> None:
    sgd = page["grouped"](nn.Linear(2, 3), nn.Linear(3, 4), (0.1, 0.2))
    assert [g["lr"] for g in sgd.param_groups] == [0.1, 0.2]
    assert [g["momentum"] for g in sgd.param_groups] == [0.9, 0.9]
    assert [g["params"][0].shape for g in sgd.param_groups] == [(3, 2), (4, 3)]


def test_draws_are_log_uniform(page: dict) -> None:
    logs = torch.tensor(page["draws"](4000, (0.01, 1e-4), 4.0, 3)).log10()
    assert_close(logs.mean(0), torch.tensor([-2.0, -4.0]), 0.1)
    assert_close(logs.amin(0), torch.tensor([-4.0, -6.0]), 0.02)
    assert_close(logs.amax(0), torch.tensor([0.0, -2.0]), 0.02)
    assert torch.corrcoef(logs.T)[0, 1].abs() < 0.1


def test_parts(page: dict) -> None:
    for data, n, sizes in (("garments", 300, (300, 1000, 2000)), ("digits", 700, (700, 400, 697))):
        given = page["parts"](7, data, n)
        assert tuple(len(X) for X, _ in given) == sizes
        assert given[0][0].mean().abs() < 1e-4
        assert given[0][0].std().item() == pytest.approx(1, abs=1e-4)
        rows = {tuple(x) for X, _ in given for x in X[:100].tolist()}
        assert len(rows) == 300
    X, y = page["rows_of"]("garments")
    assert X.shape == (12_000, 196)
    assert torch.equal(y[:10_000], page["labels"])
    assert_close(X[3, 0:2], F.avg_pool2d(page["images"][3].view(1, 28, 28), 2).flatten()[:2])


def test_networks_side_by_side_are_trained_alone_as_well(page: dict) -> None:
    options = dict(n=300, steps=30, schedule="falling", width=8, depth=2)
    rates = torch.tensor([0.01, 0.1])
    watched: list[int] = []
    both = page["side_by_side"](
        4, rates, watch=lambda t, stack, moved: watched.append(len(moved)), **options
    )
    alone = page["side_by_side"](4, rates[1:], **options)
    for a, b in zip(both, alone):
        assert_close(a[1:], b, 5e-3)
    assert watched == [6] * 30
    assert both[3].max() > 0.25
    anew = page["side_by_side"](4, rates, forget=(15,), **options)
    assert (anew[2] - both[2]).abs().max() > 1e-4
    constant = page["side_by_side"](4, rates, **(options | dict(schedule="constant")))
    assert (constant[2] - both[2]).abs().max() > 1e-3


def test_of_digits_800_are_learned_from_at_most(page: dict) -> None:
    options = dict(data="digits", steps=2, width=4)
    many = page["side_by_side"](4, torch.tensor([0.1]), n=2000, **options)
    wanted = page["side_by_side"](4, torch.tensor([0.1]), n=800, **options)
    for a, b in zip(many, wanted):
        assert torch.equal(a, b)


def test_random_minus_grid(page: dict) -> None:
    rng = generator(3)
    score = torch.zeros(4, 2, 2)
    score[1] = 1.0  # two grids of two rates: one has it, one has not; 8 runs of 16
    test = score + 0.5
    found = page["random_minus_grid"](score, test, [2, 2, 2], rng)
    hit = 1 - math.comb(12, 8) / math.comb(16, 8)
    assert found == pytest.approx(hit - 0.5, abs=0.02)
    assert page["random_minus_grid"](score, test, [4, 2, 2], rng) == pytest.approx(0, abs=1e-6)
    assert page["chosen"](torch.tensor([[1.0, 3.0], [2.0, 0.0]]), torch.arange(4.0)) == 1.0


def test_the_diagram_names_the_checks() -> None:
    shown = " ".join(t.get_text() for t in diagrams.training_recipe().axes[0].texts)
    for i, check in enumerate(("look at a batch", "loss before the first step"), start=1):
        assert f"{i}. {check}" in shown
    assert "Range test" in diagrams.ALT["training_recipe"]


def test_ratios_are_those_of_the_training_itself(page: dict) -> None:
    X, y = torch.randn(150, 784), torch.randint(10, (150,))
    model, step = page["Net"](8), page["clean_step"]
    page["data"] = data = (X, y, X[:30], y[:30])
    other = copy.deepcopy(model)
    found = page["ratios_after_training"](model, 0.01)
    seed_everything(0)
    *_, sgd = page["train"](data, other, step, rate=0.01, epochs=1)
    before = [layer.weight.detach().clone() for layer in (*other.hidden, other.head)]
    step(other, sgd, data[0][:64], data[1][:64])
    for ratio, W, layer in zip(found, before, (*other.hidden, other.head)):
        moved = sgd.state[layer.weight]["momentum_buffer"]
        assert_close(W - layer.weight.detach(), 0.01 * moved, 1e-6)
        assert ratio == pytest.approx((0.01 * moved.norm() / W.norm()).item(), rel=1e-3)
