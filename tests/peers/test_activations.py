"""The definitions of mlp/activations against torch and the formulas."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import assert_close, diagrams
from utils.check import gradients
from utils.diagrams import slopes as drawing

ALSO = ("FUNCTIONS", "ADAM", "LONG", "GOAL_RATES", "ELU_RATES", "RATES", "SCRATCH", "FIVE", "GRID")
PEERS = {
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "silu": nn.SiLU(),
    "gelu": nn.GELU(),
    "gelu_by_tanh": nn.GELU("tanh"),
    "mish": nn.Mish(),
}


@pytest.mark.parametrize("name", PEERS)
def test_functions_and_slopes_are_torchs(page: dict, name: str) -> None:
    z = torch.cat([3 * torch.randn(200), torch.tensor([0.0, 8.0, -8.0])]).double()
    for ours, theirs in zip(gradients(page[name], z), gradients(PEERS[name], z), strict=True):
        assert_close(ours, theirs, 1e-12)
    assert_close(page["slope"](page[name], z), page["slope"](PEERS[name], z), 1e-12)


def test_other_slopes_and_depths(page: dict) -> None:
    z, a = torch.randn(30, 4).double(), torch.tensor([0.3, -1.0, 2.0, 0.0]).double()
    for ours, theirs in zip(gradients(page["leaky_relu"], z, a), gradients(F.prelu, z, a)):
        assert_close(ours, theirs, 1e-12)
    assert_close(page["elu"](z, 0.5), F.elu(z, 0.5), 1e-12)
    assert_close(page["centred"](z), torch.tanh(z / 2) / 2, 1e-12)


def test_step_is_heaviside_and_has_no_slope(page: dict) -> None:
    z = torch.tensor([-2.0, -0.0, 0.0, 1e-9, 3.0], dtype=torch.float64)
    assert_close(page["step"](z), torch.heaviside(z, torch.zeros(()).double()), 0)
    assert page["step"](z).dtype == torch.float64
    assert page["slope"](page["step"], z).tolist() == 5 * [0.0]


def test_maxout_is_the_largest_of_linear_layers(page: dict) -> None:
    layers = [nn.Linear(5, 3).double() for _ in range(4)]
    W = torch.stack([layer.weight.T for layer in layers])
    b = torch.stack([layer.bias for layer in layers])
    X = torch.randn(20, 5).double()
    expected = torch.stack([layer(X) for layer in layers]).amax(0)
    assert_close(page["maxout"](X, W, b), expected, 1e-12)
    assert_close(page["maxout_loop"](X, W, b), expected, 1e-12)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("start", "rate"), [("scaled", "falling"), ("PyTorch", "constant")])
def test_stacked_networks_train_like_one(page: dict, optimizer: str, start: str, rate: str) -> None:
    setting = page["Setting"](2, 8, 60, 16, 25, optimizer, start, rate=rate)
    given = torch.tanh, [0.01, 0.05], [1.0, 1.5]
    runs = [
        [p.detach().clone() for p in found] for _, found in page["training"](4, setting, *given)
    ]
    assert len(runs) == 25
    (X, y), (X_val, _) = page["split"](4, setting)
    rng = page["generator"](5)
    first = [p.detach()[1] for p in page["started"](setting, given[2], 0.0, rng)]
    layers: list[nn.Module] = []
    for W, b in zip(first[::2], first[1::2]):
        layers += [nn.Linear(*W.shape), nn.Tanh()]
        layers[-2].weight.data, layers[-2].bias.data = W.T.clone(), b[0].clone()
    model = nn.Sequential(*layers[:-1])
    peer = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[optimizer](model.parameters(), lr=1)
    left = torch.arange(0)
    for step in range(25):
        if len(left) < 16:
            left = torch.randperm(60, generator=rng)
        batch, left = left[:16], left[16:]
        peer.param_groups[0]["lr"] = 0.05 * (1 - step / 25 if rate == "falling" else 1)
        peer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        peer.step()
    *hidden, logits = page["forward"](X_val, runs[-1], torch.tanh)
    assert_close(logits[1], model(X_val), 1e-2)
    assert_close(hidden[1][1], model[:4](X_val), 1e-2)
    assert len(hidden) == 2 and not torch.equal(logits[0], logits[1])


def test_losses_are_means_for_each_network(page: dict) -> None:
    logits, y = torch.randn(3, 20, 10), torch.randint(10, (20,))
    expected = torch.stack([F.cross_entropy(one, y) for one in logits])
    assert_close(page["losses"](logits, y), expected, 1e-6)
    setting = page["Setting"](1, 4, 50)
    parameters = page["started"](setting, [1.0, 2.0], 0.0, page["generator"](0))
    (X, y), _ = page["split"](0, setting)
    expected = page["losses"](page["forward"](X, parameters, F.relu)[-1], y)
    assert_close(
        torch.tensor(page["training_loss"](0, setting, parameters, F.relu)), expected, 1e-6
    )


def test_starts(page: dict) -> None:
    setting = page["Setting"](depth=2, width=128)
    found = page["started"](setting, [1.0, 3.0], 0.0, page["generator"](0))
    shapes = [tuple(p.shape) for p in found[::2]]
    assert shapes == [(2, 196, 128), (2, 128, 128), (2, 128, 10)]
    assert not any(b.any() for b in found[1::2])
    assert_close(found[2][0].std(), 1 / math.sqrt(128), 0.003)
    assert_close(found[4][1], 3 * found[4][0], 1e-6)
    peers = [nn.Linear(196, 128), nn.Linear(128, 128), nn.Linear(128, 10)]
    theirs = [p for layer in peers for p in (layer.weight.T, layer.bias[None])]
    default = page["Setting"](depth=2, width=128, start="PyTorch")
    ours = page["started"](default, [1.0, 3.0], 0.0, page["generator"](0))
    for p, peer in zip(ours, theirs, strict=True):
        assert p.shape[1:] == peer.shape and torch.equal(p[0], p[1])
        if p.numel() > 100:
            assert_close(p.max(), peer.max(), 0.02)
            assert_close(p.std(), peer.std(), 0.01)


def test_the_shifted_start_computes_the_same_function(page: dict) -> None:
    setting = page["Setting"](depth=3, width=16)
    X = torch.randn(30, 196)
    plain = page["started"](setting, [2.0], 0.5, page["generator"](3))
    moved = page["started"](setting, [2.0], 0.0, page["generator"](3))
    logits = page["forward"](X, plain, torch.sigmoid)[-1]
    assert_close(logits, page["forward"](X, moved, page["centred"])[-1], 1e-4)
    assert (logits - page["forward"](X, moved, torch.sigmoid)[-1]).abs().max() > 0.1


def test_splits_share_no_image(page: dict) -> None:
    (X1, _), (X2, _) = page["split"](1, page["Setting"](examples=4000))
    assert len(X1) == 4000 and len(X2) == 1000
    assert torch.cdist(X1, X2).min() > 0
    X, y = page["clothes"]()
    assert X.shape == (12_000, 196) and len(y) == 12_000
    assert_close(X[:7000].mean(0), torch.zeros(196), 1e-4)
    raw, _ = page["clothes"]("as they are")
    assert raw.min() >= 0 and raw.max() <= 1 and not torch.equal(raw, X)


def test_steps_to_a_goal_are_those_of_the_first_network(page: dict) -> None:
    setting = page["Setting"](1, 16, 300, steps=200)
    rates, gains = (0.01, 0.1), (0.5, 1.5)
    found = page["steps_to"](2, setting, F.relu, 1.0, rates, gains)
    (X, y), _ = page["split"](2, setting)
    alone = []
    for rate in rates:
        for gain in gains:
            at = setting.steps
            for step, parameters in page["training"](2, setting, F.relu, [rate], [gain]):
                if step % 5 == 0:
                    loss = page["losses"](page["forward"](X[:250], parameters, F.relu)[-1], y[:250])
                    if loss.item() < 1.0:
                        at = step
                        break
            alone.append(at)
    assert found == min(alone) < max(alone)
    assert page["steps_to"](2, setting, F.relu, 0.0, (0.01,), (1.0,)) == 200


def test_dead_units_and_errors_by_rate(page: dict) -> None:
    setting = page["Setting"](2, 8, 100, steps=40)
    *dead, wrong = page["by_rate"](1, setting, "ReLU", [0.01, 0.3])
    *_, (_, last) = page["training"](1, setting, F.relu, [0.01, 0.3], 2 * [math.sqrt(2)])
    (X, _), _ = page["split"](1, setting)
    X_test, y_test = (part[7000:] for part in page["clothes"]())
    hidden = page["forward"](X, last, F.relu)[:-1]
    for k in range(2):
        for share, h in zip(dead, hidden, strict=True):
            assert_close(share[k], (h[k].amax(0) == 0).float().mean(), 1e-6)
        answers = page["forward"](X_test, last, F.relu)[-1][k].argmax(1)
        assert_close(wrong[k], (answers != y_test).float().mean(), 1e-6)


def test_dead_units_layer_by_layer_and_the_fastest_pair(page: dict) -> None:
    setting = page["Setting"](2, 8, 100)
    parameters = page["started"](setting, [1.0], 0.0, page["generator"](1))
    (X, _), _ = page["split"](1, setting)
    hidden = page["forward"](X, parameters, F.relu)[:-1]
    expected = torch.stack([(h[0].amax(0) == 0).float().mean() for h in hidden])
    assert_close(page["dead_by_layer"](1, setting, parameters), expected, 1e-6)
    assert page["winner"](1, F.relu, (1e-5, 0.1), (1e-3, 1.4)) == (0.1, 1.4)


def test_the_best_is_found_on_validation_images(page: dict) -> None:
    setting = page["Setting"](2, 8, 100, steps=100, optimizer="Adam")
    found = page["tuned"](3, setting, "ReLU")
    _, (X_val, y_val) = page["split"](3, setting)
    best, kept = math.inf, found
    for rate in page["RATES"]["Adam"]:
        run = page["training"](3, setting, F.relu, [rate], [math.sqrt(2)])
        for step, parameters in run:
            if step % 5 == 0:
                logits = page["forward"](X_val, parameters, F.relu)[-1]
                loss = page["losses"](logits, y_val).item()
                if loss < best:
                    best, kept = loss, [p.detach().clone() for p in parameters]
    for ours, theirs in zip(found, kept, strict=True):
        assert_close(ours, theirs, 1e-4)


def test_dead_units_are_counted_on_all_training_images(
    page: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = page["Setting"](2, 8, 100, optimizer="Adam")
    (X, _), _ = page["split"](3, setting)
    one = [p[:1] for p in page["started"](setting, [3.0], 0.0, page["generator"](5))]
    one[1] = one[1] - torch.tensor([100.0, 100.0, 0, 0, 0, 0, 0, 0])  # two dead units
    hidden = page["forward"](X, one, F.relu)[:-1]
    dead = torch.stack([(h[0].amax(0) == 0).float().mean() for h in hidden]).mean().item()
    assert 0.1 < dead < 0.5
    monkeypatch.setitem(page, "tuned", lambda *_: one)
    assert page["alive"](3, depth=2, width=8, examples=100) == pytest.approx(1 - dead)


def test_grids_are_six_rates_a_factor_of_two_apart(page: dict) -> None:
    assert page["RATES"].keys() == page["ELU_RATES"].keys() == page["GOAL_RATES"].keys()
    for grids in (page["RATES"], page["ELU_RATES"], page["GOAL_RATES"]):
        for grid in grids.values():
            assert len(grid) == 6 and all(b == pytest.approx(2 * a) for a, b in zip(grid, grid[1:]))


def test_signs_of_one_image(page: dict) -> None:
    assert page["units_with_one_sign"](torch.sigmoid, 1) == 1.0
    assert page["units_with_one_sign"](F.relu, 1) == 1.0
    assert page["units_with_one_sign"](torch.tanh, 1) == 0.0


def test_every_effect_is_positive_where_the_claim_is_right(
    page: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def steps_to(seed: int, setting: object, phi: object, *grid: object) -> int:
        seen.append((setting, phi, grid))
        return {torch.sigmoid: 300, page["centred"]: 100, torch.tanh: 60}.get(
            phi, 50 if phi is F.elu else 80
        )

    monkeypatch.setitem(page, "steps_to", steps_to)
    assert page["centring_gains"](0) == 3
    assert page["centring_gains"](0, rival="tanh") == 5
    rates = page["GOAL_RATES"]["SGD"]
    assert seen[0][2] == (0.3, rates, (4.0, 8.0, 16.0), 0.0)
    assert seen[1][1] is page["centred"] and seen[1][2][:3] == seen[0][2][:3]
    assert seen[3][2] == (0.3, tuple(rate / 4 for rate in rates), (1.0, 2.0, 4.0))
    some = dict(depth=2, width=8, examples=30, batch=4, optimizer="Adam")
    page["centring_gains"](0, **some, goal=0.1, start="same function")
    expected = page["Setting"](**some, steps=3000, start="same function")
    assert seen[4][0] == seen[5][0] == expected
    assert seen[4][2][0] == 0.1 and seen[4][2][3] == 0.5
    assert seen[5][2][3:] in ((), (0.0,))
    assert page["elu_gains"](0) == 1.6
    page["elu_gains"](0, **some, goal=0.1, rival="leaky ReLU")
    assert seen[-1][0] == page["Setting"](**some, steps=3000)
    assert seen[-2][1] is F.leaky_relu and seen[-1][1] is F.elu
    assert seen[-1][2] == seen[-2][2] == (0.1, page["ELU_RATES"]["Adam"], (1.0, math.sqrt(2)))

    settings = []

    def tuned(seed: int, setting: object, name: str) -> list[torch.Tensor]:
        settings.append((setting, name))
        return page["started"](setting, [1.0], 0.0, page["generator"](0))

    monkeypatch.setitem(page, "tuned", tuned)
    assert 0.5 < page["alive"](0) <= 1
    options = dict(steps=50, start="PyTorch", pixels="as they are", rate="falling")
    page["alive"](0, **some, **options)
    assert settings == [
        (page["Setting"](optimizer="Adam"), "ReLU"),
        (page["Setting"](**some, **options), "ReLU"),
    ]


def test_the_diagrams_numbers_are_right(page: dict) -> None:
    x, w = (torch.tensor(v).double() for v in (drawing.INPUT, drawing.WEIGHTS))
    shown = [t.get_text() for t in diagrams.unit_slopes().axes[0].texts]
    for name in ("sigmoid", "relu"):
        u = w.clone().requires_grad_()
        out = page[name](x @ u)
        (g,) = torch.autograd.grad(drawing.GRADIENT * out, u)
        assert {f"gradient {number:.3g}" for number in g.tolist()} <= set(shown)
        assert f"{out.item():.2g}" in shown
    assert "× slope 0.105" in shown and "0.42" in shown
    for words in ("makes 0.88", "slope 0.105", "0.42 arrives", "1.26", "4 and 12"):
        assert words in diagrams.ALT["unit_slopes"]
