"""The definitions of mlp/multilayer-perceptron against torch.nn, and what its trials stand on."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, seed_everything

TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value
ALSO = ("TASKS",)


def shifted(model: nn.Module) -> nn.Module:
    """In double precision, with biases that are not 0."""
    for parameter in model.double().parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return model


# --------------------------------------------------------------------------------- from scratch
@pytest.mark.parametrize("sizes", [(7, 3), (7, 5, 3), (7, 1, 3), (7, 6, 5, 4, 3)])
def test_forward_and_backward_are_autograds(page: dict, sizes: tuple[int, ...]) -> None:
    theirs = shifted(page["network"](*sizes))
    ours = page["mlp_of"](theirs)
    X, y = torch.randn(9, 7).double(), torch.randint(3, (9,))
    logits = theirs(X)
    assert_close(ours.forward(X), logits, TOLERANCE)
    F.cross_entropy(logits, y).backward()
    delta = (logits.softmax(1) - F.one_hot(y, 3)).detach() / 9
    layers = [layer for layer in theirs if isinstance(layer, nn.Linear)]
    for (dW, db), layer in zip(ours.backward(delta), layers, strict=True):
        assert_close(dW, layer.weight.grad.T, TOLERANCE)
        assert_close(db, layer.bias.grad, TOLERANCE)


def test_mlp_starts_as_kaiming_does(page: dict) -> None:
    model = page["MLP"](400, 300, 200)
    assert [tuple(W.shape) for W in model.weights] == [(400, 300), (300, 200)]
    assert [tuple(b.shape) for b in model.biases] == [(300,), (200,)]
    assert not any(b.any() for b in model.biases)
    for W in model.weights:
        assert abs(W.std().item() / (2 / len(W)) ** 0.5 - 1) < 0.02


def test_relu_and_its_gradient(page: dict) -> None:
    Z = torch.tensor([-torch.inf, -2.0, -1e-30, 0.0, 1e-30, 3.0, torch.inf])
    assert_close(page["relu"](Z), F.relu(Z))
    found = []
    for relu in (page["relu"], F.relu):
        leaf = Z.clone().requires_grad_()
        found += torch.autograd.grad(relu(leaf).sum(), leaf)
    assert_close(*found)
    assert found[0][3] == 0  # clamp would give 1


def test_parameters_are_counted(page: dict) -> None:
    for sizes in ((5, 3), (5, 4, 3), (9, 1, 6, 2)):
        total = sum(p.numel() for p in page["network"](*sizes).parameters())
        assert page["number_of_parameters"](*sizes) == total


@pytest.mark.parametrize(("name", "gain"), [("ReLU", 1.0), ("tanh", 5 / 3), ("sigmoid", 1.0)])
def test_networks_start_as_is_recommended(page: dict, name: str, gain: float) -> None:
    model = page["network"](400, 300, 200, activation=name, gain=gain)
    kind = getattr(nn, {"tanh": "Tanh", "sigmoid": "Sigmoid"}.get(name, name))
    assert [type(layer) for layer in model] == [nn.Linear, kind, nn.Linear]
    for layer in model[::2]:
        rows, columns = layer.weight.shape
        variance = 2 / columns if name == "ReLU" else gain**2 * 2 / (rows + columns)
        assert abs(layer.weight.std().item() / variance**0.5 - 1) < 0.02
        assert not layer.bias.any()


def test_folds_unfold_to_regions(page: dict) -> None:
    X = 2 * torch.rand(500, 2) - 1
    U = X
    for times in range(4):
        assert torch.equal(page["folded"](X, times), U.sum(1) < -0.4)
        U = 2 * U.abs() - 1
    assert_close(page["fold"](X), X.abs() - 0.5)


# ------------------------------------------------------------------------------- the experiments
def test_rows_are_labelled_by_the_parity_of_bags(page: dict) -> None:
    photographs = torch.stack([torch.zeros(5, 49), torch.ones(5, 49)])
    photographs += torch.arange(5.0)[:, None] / 10
    for m in (2, 4):
        X, odd = page["rows_of"](photographs, m, 500, torch.Generator().manual_seed(0))
        assert X.shape == (500, 49 * m)
        firsts = X.view(500, m, 49)[:, :, 0]
        assert torch.equal(odd, (firsts >= 1).sum(1) % 2)
        assert len((firsts % 1).round(decimals=1).unique()) == 5  # all photographs occur
        assert 0.4 < odd.float().mean() < 0.6


def test_parity_uses_other_photographs_to_judge(page: dict) -> None:
    for name, value in (("SHOP", 0.0), ("HELD_OUT", 10.0), ("NEW", 20.0)):
        page[name] = torch.stack([torch.full((3, 49), value), torch.full((3, 49), value + 1)])
    data = page["parity"](3, 50, 7)
    for X, y, value, count in (
        (data.X, data.y, 0, 50),
        (data.X_val, data.y_val, 10, 1000),
        (data.X_test, data.y_test, 20, 4000),
    ):
        assert X.shape == (count, 147)
        assert torch.equal(((X.view(count, 3, 49)[:, :, 0] - value).sum(1) % 2).long(), y)


def test_clothes_keep_their_sets_apart(page: dict) -> None:
    page["X_pool"] = torch.arange(7000.0)[:, None].expand(-1, 196)
    page["y_pool"] = torch.arange(7000) % 10
    page["X_judge"], page["y_judge"] = torch.zeros(1, 196), torch.zeros(1).long()
    data = page["clothes"](300, 3)
    rows, held_out = data.X[:, 0].long(), data.X_val[:, 0].long()
    assert len(rows) == 300 and len(held_out) == 500
    assert not set(rows.tolist()) & set(held_out.tolist())
    assert torch.equal(data.y, rows % 10) and torch.equal(data.y_val, held_out % 10)
    noisy = page["clothes"](1000, 3, 0.3)
    changed = noisy.y != noisy.X[:, 0].long() % 10
    assert not changed[300:].any() and 0.8 < changed[:300].float().mean() < 0.98
    assert torch.equal(page["y_pool"], torch.arange(7000) % 10)  # the pool is not changed
    page["clothes"].cache_clear()
    again, other = page["clothes"](300, 3), page["clothes"](300, 4)
    assert torch.equal(again.X, data.X) and not torch.equal(other.X, data.X)


def test_batches_are_epochs(page: dict) -> None:
    found = list(page["batches"](10, 5, 4))
    assert [len(rows) for rows in found] == [4] * 5
    assert len(set(torch.cat(found[:2]).tolist())) == 8
    assert len(set(torch.cat(found[2:4]).tolist())) == 8


def small_data(page: dict) -> Any:
    def rows(n: int) -> tuple[Tensor, Tensor]:
        X = torch.randn(n, 3)
        return X, (X[:, 0] + 0.5 * torch.randn(n) > 0).long()

    return page["Data"](*rows(64), *rows(200), *rows(50))


def test_fit_keeps_the_best_step(page: dict) -> None:
    data = small_data(page)
    run = page["fit"](page["network"](3, 50, 2), data, 300, 3e-2)
    best = page["judge"](run.best, data.X_val, data.y_val)["loss"]
    assert best == pytest.approx(run.validation)
    last = page["judge"](run.last, data.X_val, data.y_val)["loss"]
    assert last > best and 10 <= run.step < 300
    once = page["fit"](page["network"](3, 2), data, 40, 1e-3)
    assert once.step == 40  # still falling: the last step is looked at


def test_fit_is_adamw(page: dict) -> None:
    data, model = small_data(page), page["network"](3, 4, 2)
    theirs = copy.deepcopy(model)
    groups = [
        {"params": [theirs[0].weight, theirs[2].weight], "weight_decay": 0.3},
        {"params": [theirs[0].bias, theirs[2].bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, 1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(theirs(data.X), data.y).backward()
        optimizer.step()
    last = page["fit"](model, data, 20, 1e-2, 0.3, 64).last  # all rows in each step
    for mine, other in zip(last.parameters(), theirs.parameters(), strict=True):
        assert_close(mine, other, 1e-4)


def test_only_weights_decay(page: dict) -> None:
    model = shifted(page["network"](3, 4, 2)).float()
    before = [p.detach().clone() for p in model.parameters()]
    data = small_data(page)._replace(X=torch.zeros(64, 3))
    page["fit"](model, data, 10, 1e-2, 0.5)
    first = before[0]  # no gradient reaches it: it only decays
    assert_close(model[0].weight, first * (1 - 1e-2 * 0.5) ** 10)
    still = page["fit"](model, data, 10, 0.0, 0.5).last
    assert_close(still[0].weight, first * (1 - 1e-2 * 0.5) ** 10)


def test_judging(page: dict) -> None:
    model = nn.Identity()
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
    y = torch.tensor([0, 1, 1, 0])
    found = page["judge"](model, logits, y)
    assert found["error"] == 0.25
    assert found["loss"] == pytest.approx(F.cross_entropy(logits, y).item())


def test_widths_for_a_number_of_parameters(page: dict) -> None:
    for depth in (1, 2, 3):
        width = page["width_for"](depth, 196, 10, 20_000)
        sizes = [(196, *depth * [w], 10) for w in (width - 1, width, width + 1)]
        off = [abs(page["number_of_parameters"](*s) - 20_000) for s in sizes]
        assert min(off) == off[1]


def test_the_best_rate_is_chosen_by_validation(page: dict) -> None:
    data, tried = small_data(page), []
    fit = page["fit"]

    def watched(model: nn.Module, data: Any, steps: int, rate: float, *rest: Any) -> Any:
        tried.append((rate, steps, fit(model, data, steps, rate, *rest)))
        return tried[-1][2]

    page["fit"] = watched
    found = page["tuned"](3, data, 2, 100, 20)
    page["fit"] = fit
    assert [rate for rate, _, _ in tried] == [1e-3, 5e-3, 2.5e-2]
    assert {steps for _, steps, _ in tried} == {20}
    assert found is min((run for _, _, run in tried), key=lambda run: run.validation)
    assert sum(isinstance(layer, nn.Linear) for layer in found.best) == 3


def test_shares_of_starts(page: dict) -> None:
    share = page["share_solved"]
    assert share(0, 2, 16, "tanh", 0.1, 300) == 1.0
    assert share(0, 2, 1, "tanh", 0.1, 100) == 0.0  # one line does not solve XOR
    few, many = (share(1, 2, n, "ReLU", 0.03, 400) for n in (2, 8))
    assert few < 0.35 and many > 0.7
    assert share(1, 2, 8, "ReLU", 0.0, 5) < 0.2


def test_steps_are_counted(page: dict) -> None:
    data = small_data(page)
    model = page["network"](3, 20, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.3)
    before = page["judge"](model, data.X, data.y)["loss"]
    assert page["steps_until"](model, data, optimizer, before + 1, 100) == 5
    count = page["steps_until"](model, data, optimizer, 0.8 * before, 100)
    assert 5 <= count < 100 and page["judge"](model, data.X, data.y)["loss"] < 0.8 * before
    assert page["steps_until"](model, data, optimizer, -1.0, 17) == 17


def test_effects_are_what_they_say(page: dict) -> None:
    losses = {1: (0.6, 0.2), 3: (0.3, 0.05)}
    page["TASKS"] = {"parity of 4": lambda examples, seed: small_data(page)}
    tuned, judge = page["tuned"], page["judge"]
    page["tuned"] = lambda seed, data, depth, *rest: page["Fit"](0, 0, depth, depth)
    page["judge"] = lambda depth, X, y: dict(zip(("loss", "error"), losses[depth]))
    gain = page["depth_gain"](0)
    page["tuned"], page["judge"] = tuned, judge
    assert gain == {"loss": pytest.approx(2), "error": pytest.approx(4)}
    steps = page["fewest_steps"]
    page["fewest_steps"] = lambda seed, name, gain, *rest: {"tanh": 90, "ReLU": 60}[name]
    assert page["speed_up"](0) == 1.5
    page["fewest_steps"] = steps
    share = page["share_solved"]
    best = {0.01: 0.5, 0.03: 1.0, 0.1: 0.7}
    page["share_solved"] = lambda seed, bits, n, name, rate, steps: best[rate] * n / 10
    assert page["easier"](0) == pytest.approx(0.8 - 0.2)
    page["share_solved"] = share


def test_the_fewest_steps_are_those_of_the_best_rate(page: dict) -> None:
    needed, asked = {0.4: 90, 0.8: 70, 0.2: 200, 1.6: 300, 3.2: 500, 0.1: 400}, []

    def steps(model: nn.Module, data: Any, optimizer: Any, goal: float, most: int) -> int:
        (group,) = optimizer.param_groups
        sizes = [layer.out_features for layer in model if isinstance(layer, nn.Linear)]
        asked.append((group["lr"], sizes, goal, most, type(optimizer)))
        return min(needed[group["lr"]], most)

    steps_until, clothes = page["steps_until"], page["clothes"]
    page["steps_until"], page["clothes"] = steps, lambda examples, seed: None
    assert page["fewest_steps"](0, "ReLU", 1.0, 3, 12, 0.2) == 70
    page["steps_until"], page["clothes"] = steps_until, clothes
    assert {rate for rate, *_ in asked} == set(needed)
    assert {(*sizes, goal) for _, sizes, goal, *_ in asked} == {(12, 12, 12, 10, 0.2)}
    assert [most for *_, most, _ in asked] == [3000, 90, 70, 70, 70, 70]
    assert {kind for *_, kind in asked} == {torch.optim.SGD}


# ------------------------------------------------------- the exercises: what has to be refused
@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("mlp/multilayer-perceptron", exercises=True)


def built(inputs: int, width: int, depth: int, classes: int) -> nn.Sequential:
    model = nn.Sequential()
    for i in range(depth):
        model.append(nn.Linear(width if i else inputs, width)).append(nn.ReLU())
    return model.append(nn.Linear(width, classes))


def still_shared(inputs: int, width: int, depth: int, classes: int) -> nn.Sequential:
    hidden = [nn.Linear(width, width), nn.ReLU()] * (depth - 1)
    first = [nn.Linear(inputs, width), nn.ReLU()]
    return nn.Sequential(*first, *hidden, nn.Linear(width, classes))


def still_clipped(inputs: int, width: int, depth: int, classes: int) -> nn.Sequential:
    return built(inputs, width, depth, classes).append(nn.ReLU())


def one_too_many(inputs: int, width: int, depth: int, classes: int) -> nn.Sequential:
    return built(inputs, width, depth + 1, classes)


def without_relu(inputs: int, width: int, depth: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        *(m for m in built(inputs, width, depth, classes) if m.__class__ != nn.ReLU)
    )


def test_a_right_builder_passes(exercises: dict) -> None:
    exercises["builder_spec"](built)


@pytest.mark.parametrize("wrong", [still_shared, still_clipped, one_too_many, without_relu])
def test_wrong_builders_are_refused(exercises: dict, wrong: Callable[..., nn.Module]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        exercises["builder_spec"](wrong)


def test_parity_networks(exercises: dict) -> None:
    right = exercises["parity_mlp"]

    def backwards(n: int) -> Any:
        """Units in another order, and rescaled, compute the same."""
        model = right(n)
        model.weights[0] = 2 * model.weights[0].flip(1)
        model.biases[0] = 2 * model.biases[0].flip(0)
        model.weights[1] = model.weights[1].flip(0) / 2
        return model

    exercises["parity_spec"](backwards)

    def all_twos(n: int) -> Any:
        model = right(n)
        model.weights[1][0] = 2
        return model

    def late(n: int) -> Any:
        model = right(n)
        model.biases[0] -= 1
        return model

    def only_three(n: int) -> Any:
        return right(n) if n <= 3 else right(3)

    for wrong in (all_twos, late, only_three, lambda n: exercises["MLP"](n, n, 1)):
        seed_everything(1)
        with pytest.raises((AssertionError, RuntimeError)):
            exercises["parity_spec"](wrong)


def test_shapes_are_checked(page: dict) -> None:
    with pytest.raises(Exception, match="Type-check error"):
        page["MLP"](4, 3, 2).forward(torch.zeros(4))
