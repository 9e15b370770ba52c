"""The definitions of optimization/adam: every step against torch.optim, and the fair race."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, generator, seed_everything
from utils.compat import d2l

ALSO = ("IMAGES", "WORDS", "ARMS")
TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value
STEPS = 40

# On the page's side: class and settings; on torch's: class and arguments.
PAIRS: dict[str, tuple[str, dict, Any, dict]] = {
    "SGD": ("Momentum", {"momentum": 0.0}, torch.optim.SGD, {}),
    "Momentum": ("Momentum", {}, torch.optim.SGD, {"momentum": 0.9}),
    "Momentum 0.5": ("Momentum", {"momentum": 0.5}, torch.optim.SGD, {"momentum": 0.5}),
    "RMSProp": ("RMSProp", {}, torch.optim.RMSprop, {}),
    "RMSProp 0.9": ("RMSProp", {"alpha": 0.9}, torch.optim.RMSprop, {"alpha": 0.9}),
    "RMSProp, large eps": ("RMSProp", {"eps": 0.1}, torch.optim.RMSprop, {"eps": 0.1}),
    "Adam": ("Adam", {}, torch.optim.Adam, {}),
    "Adam, other betas": ("Adam", {"betas": (0.5, 0.9)}, torch.optim.Adam, {"betas": (0.5, 0.9)}),
    "Adam, large eps": ("Adam", {"eps": 0.1}, torch.optim.Adam, {"eps": 0.1}),
    "AdamW": ("AdamW", {}, torch.optim.AdamW, {}),
    "AdamW, other betas": (
        "AdamW", {"betas": (0.5, 0.9)}, torch.optim.AdamW, {"betas": (0.5, 0.9)},
    ),
}  # fmt: skip


def make_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_torchs(page: dict, name: str, weight_decay: float) -> None:
    ours, settings, theirs, arguments = PAIRS[name]
    nets, X, y = (make_net(), make_net()), torch.randn(20, 5).double(), torch.arange(20) % 3
    mine = page[ours](nets[0].parameters(), 0.02, weight_decay, **settings)
    other = theirs(nets[1].parameters(), lr=0.02, weight_decay=weight_decay, **arguments)
    for step in range(STEPS):
        for net, optimizer in zip(nets, (mine, other)):
            optimizer.zero_grad()
            (10.0 ** (step % 5 - 2) * F.cross_entropy(net(X), y)).backward()
            optimizer.step()
        for one, two in zip(*(net.parameters() for net in nets)):
            assert_close(one, two, TOLERANCE)
            assert_close(one.grad, two.grad, TOLERANCE)


@pytest.mark.parametrize("name", PAIRS)
def test_zero_gradients_are_no_trouble(page: dict, name: str) -> None:
    ours, settings, theirs, arguments = PAIRS[name]
    one, two = (torch.ones(4).double().requires_grad_() for _ in range(2))
    mine = page[ours]([one], 0.1, **settings)
    other = theirs([two], lr=0.1, weight_decay=0.0, **arguments)
    for step in range(6):
        for x, optimizer in ((one, mine), (two, other)):
            x.grad = torch.zeros_like(x) if step != 2 else torch.arange(4.0).double()
            optimizer.step()
        assert bool(one.isfinite().all())
        assert_close(one, two, TOLERANCE)


def test_sgd_is_d2ls(page: dict) -> None:
    one, two = (torch.ones(4).requires_grad_() for _ in range(2))
    mine, theirs = page["Momentum"]([one], 0.1, momentum=0.0), d2l.SGD([two], 0.1)
    for _ in range(3):
        for x, optimizer in ((one, mine), (two, theirs)):
            optimizer.zero_grad()
            assert x.grad is None or not x.grad.any()
            (x**3).sum().backward()
            with torch.no_grad():
                optimizer.step()
    assert_close(one, two)


def test_rates_and_decays_may_be_tensors(page: dict) -> None:
    rates = torch.tensor([0.1, 0.01]).double().view(2, 1)
    decays = torch.tensor([0.0, 0.5]).double().view(2, 1)
    for name in ("Momentum", "Adam", "AdamW"):
        both = torch.ones(2, 3).double().requires_grad_()
        together = page[name]([both], rates, decays)
        alone = [torch.ones(3).double().requires_grad_() for _ in range(2)]
        each = [page[name]([x], *pair) for x, *pair in zip(alone, rates, decays)]
        for step in range(4):
            both.grad = (both * (step + 1)).detach()
            for x, optimizer in zip(alone, each):
                x.grad = (x * (step + 1)).detach()
                optimizer.step()
            together.step()
        assert_close(both, torch.stack([x.detach() for x in alone]), TOLERANCE)


def test_without_correction_the_averages_start_at_zero(page: dict) -> None:
    optimizer, state = page["Adam"]([], 1.0, correct=False), {}
    first = optimizer.direction(torch.ones(1).double(), state)
    assert_close(first, torch.tensor([0.1 / 0.001**0.5]), 1e-6)
    assert_close(state["m"], torch.tensor([0.1]))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.95)])
def test_without_correction_adam_has_another_learning_rate(page: dict, betas: tuple) -> None:
    one, two = (page["Adam"]([], 1.0, betas=betas, eps=0.0) for _ in range(2))
    one.correct = False
    states: list[dict] = [{}, {}]
    for t in range(1, 40):
        g = torch.randn(3).double()
        length = page["uncorrected_length"](torch.tensor([float(t)]).double(), betas)
        plain, corrected = one.direction(g, states[0]), two.direction(g, states[1])
        assert_close(plain, length * corrected, TOLERANCE)


def test_decoupled_decay_ignores_the_gradient(page: dict) -> None:
    x = torch.ones(3).double().requires_grad_()
    optimizer = page["AdamW"]([x], 0.1, weight_decay=0.5)
    x.grad = torch.zeros_like(x)
    optimizer.step()
    assert_close(x, torch.full((3,), 0.95, dtype=torch.float64), TOLERANCE)


def test_noise_and_decay(page: dict) -> None:
    penalty, decoupled = (page["left_over"](page[name]) for name in ("Adam", "AdamW"))
    assert penalty[0].abs() < 0.05 and penalty[2] > 0.95
    assert_close(decoupled, torch.full((3,), 0.9997**2000), 0.05)


# ------------------------------------------------------------------------------------ the race
def test_batches_visit_every_example_once_an_epoch(page: dict) -> None:
    found = page["batches"](10, 4, 7, seed=3)
    assert [len(rows) for rows in found] == [4, 4, 2, 4, 4, 2, 4]
    assert sorted(torch.cat(found[:3]).tolist()) == list(range(10))
    assert sorted(torch.cat(found[3:6]).tolist()) == list(range(10))
    assert torch.cat(found[:3]).tolist() != list(range(10))


def test_image_data_are_apart_and_standardised_by_training_images(page: dict) -> None:
    class Labels:
        y = torch.arange(9500)

    page["pixels"], page["garments"] = torch.arange(19000.0).view(9500, 2), Labels
    data = page["image_data"](0, 900)
    assert [len(y) for _, y in data] == [900, 2000, 6000]
    assert len(torch.cat([y for _, y in data]).unique()) == 8900
    rows = page["pixels"][data.train[1]]
    X, y = data.test
    assert_close(X, (page["pixels"][y] - rows.mean(0)) / (rows.std(0) + 0.02), 1e-4)
    assert torch.equal(data.test[1], page["image_data"](0, 900).test[1])
    assert not torch.equal(data.test[1], page["image_data"](1, 900).test[1])


def test_word_data_are_eight_words_and_the_next(page: dict) -> None:
    page["words"] = torch.cat([torch.zeros(8, dtype=torch.long), torch.arange(1, 10001) % 5])
    places = torch.arange(8, len(page["words"]))
    page["places"] = places[page["words"][places] > 0]
    data = page["word_data"](0, 500)
    assert [len(y) for _, y in data] == [500, 1000, 2000]
    X, y = data.train
    assert X.shape == (500, 8) and (y > 0).all()
    after = X[:, -1] > 0
    assert torch.equal(y[after], (X[after, -1] + 1) % 5)
    page["words"] = torch.where(torch.rand(8000, generator=generator(0)) < 0.1, 2, 1)
    page["places"] = torch.arange(8, 8000)
    _, y = page["word_data"](0, 2000, balanced=True).train
    assert 0.45 < (y == 2).float().mean() < 0.55


def test_copies_start_alike_with_the_recommended_spread(page: dict) -> None:
    Setting = page["Setting"]
    params = page["parameters_of"](Setting(width=400, depth=2), 3, 0)
    assert [tuple(p.shape) for p in params] == [
        (3, 49, 400), (3, 1, 400), (3, 400, 400), (3, 1, 400), (3, 400, 10), (3, 1, 10),
    ]  # fmt: skip
    for p in params:
        assert p.requires_grad and torch.equal(p[0], p[2])
        if p.shape[1] > 1:
            assert_close(p.std(), math.sqrt(2 / p.shape[1]), 0.05)
        else:
            assert not p.any()
    plain = page["parameters_of"](Setting("words", width=16), 2, 0)
    head = page["parameters_of"](Setting("words", width=16, attention=True), 2, 0)
    assert [tuple(p.shape[1:]) for p in plain] == [(500, 16), (16, 500), (1, 500)]
    assert [tuple(p.shape[1:]) for p in head[3:]] == [(16, 16)] * 3 + [(8, 16)]
    assert_close(plain[0].std(), 1.0, 0.05)
    assert_close(plain[1].std(), 0.25, 0.05)


def test_logits_of_images_are_those_of_modules(page: dict) -> None:
    params = page["parameters_of"](page["Setting"](width=6, depth=2), 2, 0)
    for p in params:
        p.data += 0.1 * torch.randn_like(p)
    X = torch.randn(5, 49)
    for copy in range(2):
        layers: list[nn.Module] = []
        for W, b in zip(params[::2], params[1::2]):
            layers += [linear := nn.Linear(*W.shape[1:]), nn.ReLU()]
            linear.weight.data, linear.bias.data = W[copy].T.detach(), b[copy, 0].detach()
        assert_close(page["image_logits"](params, X)[copy], nn.Sequential(*layers[:-1])(X))


def test_logits_of_words_are_those_of_attention(page: dict) -> None:
    setting = page["Setting"]("words", width=4, attention=True)
    params = page["parameters_of"](setting, 2, 0)
    for p in params:
        p.data += 0.1 * torch.randn_like(p)
    X = torch.randint(500, (6, 8))
    plain, mixed = page["word_logits"](params[:3], X), page["word_logits"](params, X)
    for copy in range(2):
        E, W, b, Q, K, V, position = (p[copy] for p in params)
        assert_close(plain[copy], E[X[:, -1]] @ W + b)
        states = E[X] + position
        found = F.scaled_dot_product_attention(states[:, -1:] @ Q, states @ K, states @ V)
        assert_close(mixed[copy], (E[X[:, -1]] + found[:, 0]) @ W + b)


def test_losses_by_copy(page: dict) -> None:
    logits, y = torch.randn(2, 7, 10), torch.randint(10, (7,))
    found = page["losses"](logits, y)
    for copy in range(2):
        assert_close(found[copy], F.cross_entropy(logits[copy], y))


def test_tasks_have_logits_of_their_own(page: dict) -> None:
    for setting, X in ((page["IMAGES"], torch.randn(3, 49)),
                       (page["WORDS"], torch.randint(500, (3, 8)))):  # fmt: skip
        params = page["parameters_of"](setting, 2, 0)
        expected = page["image_logits" if setting.task == "images" else "word_logits"]
        assert_close(setting.logits(params, X), expected(params, X))


def test_what_diverges_counts_as_all_wrong(page: dict) -> None:
    X, y = torch.randn(7, 49), torch.randint(10, (7,))
    setting = page["Setting"](width=3)
    params = page["parameters_of"](setting, 3, 0)
    params[-1].data[1] = torch.nan
    params[-2].data[2] *= 1e6
    seen = page["seen_now"](setting, params, page["Data"]((X, y), (X[:5], y[:5]), (X, y)))
    assert set(seen) == {"validation loss", "validation error", "test loss", "test error"}
    assert seen["test loss"][1:].tolist() == [10.0, 10.0]
    assert seen["validation error"][1] == 1.0 and seen["test loss"][0] < 10
    assert_close(seen["validation loss"][0],
                 F.cross_entropy(page["image_logits"](params, X[:5])[0], y[:5]))  # fmt: skip
    wrong = (page["image_logits"](params, X)[0].argmax(1) != y).float().mean()
    assert_close(seen["test error"][0], wrong)


def test_every_rate_meets_every_decay_and_biases_do_not_decay(page: dict) -> None:
    arm = page["Arm"](page["AdamW"], (0.1, 0.2), (0.0, 1.0, 2.0), (("betas", (0.5, 0.5)),))
    params = page["parameters_of"](page["Setting"](), 6, 0)
    (weights, rates), (biases, again) = page["optimizers_of"](arm, params)
    assert rates.shape == again.shape == (6, 1, 1)
    assert_close(rates.flatten(), torch.tensor([0.1, 0.1, 0.1, 0.2, 0.2, 0.2]))
    assert weights.weight_decay.flatten().tolist() == [0.0, 1.0, 2.0] * 2
    assert biases.weight_decay == 0.0
    assert weights.betas == biases.betas == (0.5, 0.5)
    assert all(p.shape[1] > 1 for p in weights.parameters) and len(weights.parameters) == 2
    assert all(p.shape[1] == 1 for p in biases.parameters) and len(biases.parameters) == 2
    narrow = page["optimizers_of"](arm, page["parameters_of"](page["Setting"](width=2), 6, 0))
    assert all(len(optimizer.parameters) == 2 for optimizer, _ in narrow)


def test_copies_do_not_disturb_each_other(page: dict, small: Any) -> None:
    """Four copies side by side end where each ends alone."""
    together = page["trained"](1, page["Arm"](page["Momentum"], (0.05, 0.1), (0.0, 0.1)), small)
    for k, (rate, decay) in enumerate(((0.05, 0.0), (0.05, 0.1), (0.1, 0.0), (0.1, 0.1))):
        alone = page["trained"](1, page["Arm"](page["Momentum"], (rate,), (decay,)), small)
        assert_close(together["test loss"][:, k], alone["test loss"][:, 0], 1e-4)


@pytest.fixture
def small(page: dict) -> Any:
    """A setting whose data are few and known."""
    X, y = torch.randn(60, 49), torch.randint(10, (60,))
    parts = (X[:20], y[:20]), (X[20:40], y[20:40]), (X[40:], y[40:])

    class Small(page["Setting"]):  # type: ignore[name-defined]
        def data(self, seed: int) -> Any:
            return page["Data"](*parts)

    return Small(width=5, steps=12, batch=8)


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_training_is_torchs_with_the_same_batches(page: dict, small: Any, schedule: str) -> None:
    small = small._replace(schedule=schedule)
    arm = page["Arm"](page["AdamW"], (0.01, 0.03), (0.5,))
    seen = page["trained"](1, arm, small)
    assert {name: tuple(x.shape) for name, x in seen.items()} == dict.fromkeys(seen, (6, 2))
    (X, y), (X_valid, y_valid), _ = small.data(1)
    params = [p[:1].detach().requires_grad_() for p in page["parameters_of"](small, 1, 1)]
    groups = [{"params": params[::2], "weight_decay": 0.5},
              {"params": params[1::2], "weight_decay": 0.0}]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, lr=0.03)
    for step, rows in enumerate(page["batches"](20, 8, 12, 1)):
        for group in optimizer.param_groups:
            group["lr"] = 0.03 * (1 - step / 12 if schedule == "linear" else 1)
        optimizer.zero_grad()
        F.cross_entropy(page["image_logits"](params, X[rows])[0], y[rows]).backward()
        optimizer.step()
        if step % 2 == 1:
            loss = F.cross_entropy(page["image_logits"](params, X_valid)[0], y_valid)
            assert_close(seen["validation loss"][step // 2, 1], loss, 1e-4)


def test_looks(page: dict) -> None:
    setting = page["Setting"](steps=500)
    assert page["looks"](setting) == {83, 167, 250, 333, 417, 500}
    assert page["looks"](setting._replace(steps=12, looks=12)) == set(range(1, 13))


def test_rates_double(page: dict) -> None:
    assert page["doubling"](0.5, 3) == (0.5, 1.0, 2.0)
    for arms in page["ARMS"].values():
        assert set(arms) == {"SGD", "momentum", "Adam"}
        assert {len(arm.rates) for arm in arms.values()} == {8}
        assert {arm.decays for arm in arms.values()} == {(0.0,)}
        assert dict(arms["SGD"].options) == {"momentum": 0.0}
        assert 0.001 in arms["Adam"].rates
    grids = [page["ARMS"][task][name].rates[0] for task in ("images", "words") for name in
             ("SGD", "momentum", "Adam")]  # fmt: skip
    assert grids == [0.02, 0.0025, 0.0005, 0.2, 0.02, 0.001]


@pytest.mark.parametrize("metric", ["loss", "error"])
def test_validation_chooses_the_rate_and_the_stop(page: dict, metric: str) -> None:
    def seen(*_: Any) -> dict[str, torch.Tensor]:
        tables = {"validation": [[3.0, 1.0], [4.0, 2.0]], "test": [[5.0, 6.0], [8.0, 7.0]]}
        other = "error" if metric == "loss" else "loss"
        found = {f"{part} {metric}": torch.tensor(table) for part, table in tables.items()}
        return found | {f"{part} {other}": torch.zeros(2, 2) for part in tables}

    before, page["trained"] = page["trained"], seen
    arm, setting = page["ARMS"]["images"]["Adam"], page["IMAGES"]
    found = [page["outcome"](0, arm, setting, metric, stop) for stop in ("best", "last")]
    page["trained"] = before
    assert found == [6.0, 7.0]


def test_the_same_seed_gives_the_same_network(page: dict) -> None:
    seed_everything(0)
    first, second = page["network"](), page["network"]()
    assert [tuple(p.shape) for p in first.parameters()] == [(32, 49), (32,), (10, 32), (10,)]
    assert not torch.equal(first[0].weight, second[0].weight)
    assert not first[0].bias.any() and not first[2].bias.any()
    assert_close(first[0].weight.std(), math.sqrt(2 / 49), 0.05)


def test_steps_are_counted_to_the_loss_that_momentum_reaches(page: dict) -> None:
    tables = {
        0.02: [[9.0, 8.0], [7.0, 8.0], [7.5, 6.0], [6.5, 6.5]],  # momentum: 6 at the third look
        0.001: [[7.0, 9.0], [6.5, 5.5], [3.0, 4.0], [2.0, 2.0]],  # Adam: 5.5 at the second
        0.2: [[9.0, 9.0], [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]],
        0.002: [[9.0, 4.0], [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]],  # 0.99: 4 at the first
    }

    def seen(seed: int, arm: Any, setting: Any) -> dict[str, torch.Tensor]:
        assert setting.steps == 1600 and setting.attention and setting.task == "words"
        return {"validation loss": torch.tensor(tables[arm.rates[0]])}

    before, page["trained"] = page["trained"], seen
    settings = {"steps": 1600, "model": "attention"}
    found = [page["steps_saved"](0, momentum=m, **settings) for m in ("0.9", "tuned")]
    page["trained"] = before
    assert found == pytest.approx([3 / 2, 1 / 3])
