"""The definitions of optimization/gradient-descent against torch.optim, torch.func and d2l."""

import math
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, hessian
from torch.nn import functional as F

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator, seed_everything
from utils.compat import d2l

EXACT = 1e-12  # double precision, relative to the larger of 1 and the value


@pytest.fixture(scope="module")
def page():
    """The page's definitions; as on the page, in double precision."""
    torch.set_default_dtype(torch.float64)
    yield notebook_definitions("optimization/gradient-descent", also=("RATES",))
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def problem(page) -> tuple[Tensor, Tensor]:
    seed_everything(0)
    return torch.randn(40, 5) * torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0]), torch.randn(40)


@pytest.fixture
def images(page) -> dict[str, Any]:
    """The page, with 30 small pictures of its own in place of Fashion-MNIST, and four rates."""
    seed_everything(1)
    X, y = 3 + 2 * torch.randn(60, 4).float(), torch.randint(10, (60,))
    X[:, 3] = 5.0  # a pixel that never changes
    page["SOURCES"] = {"garments": (X, y), "digits": (X + 1, y)}
    page["RATES"] = (0.01, 0.04, 0.16, 1e6)
    return page


def test_linear_gradient_is_autograds(page: dict, problem: tuple) -> None:
    X, y = problem
    w = torch.randn(5)
    loss = page["half_squared_loss"](w, X, y)
    assert_close(loss, F.mse_loss(X @ w, y) / 2, EXACT)
    assert_close(page["linear_gradient"](w, X, y), grad(page["half_squared_loss"])(w, X, y), EXACT)
    theirs = d2l.squared_loss(d2l.linreg(X, w[:, None], 0.0), y).mean()
    assert_close(loss, theirs, EXACT)


def test_tables_are_standardised(page: dict) -> None:
    X, y = page["standardised"]("digits")
    assert X.shape == (1797, 61)
    for column in (*X.T, y):
        assert_close(column.mean(), 0.0, 1e-9)
        assert_close(column.square().mean(), 1.0, 1e-9)


def test_curvatures_are_the_hessians_eigenvalues(page: dict, problem: tuple) -> None:
    X, y = problem
    H = hessian(page["half_squared_loss"])(torch.randn(5), X, y)
    assert_close(page["curvatures"](X), torch.linalg.eigvalsh(H), EXACT)
    assert_close(page["kappa"](X), torch.linalg.cond(H), 1e-8)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("learning_rate", [0.0, 0.1])
def test_gradient_descent_is_torchs_sgd(
    page: dict, problem: tuple, learning_rate: float, momentum: float
) -> None:
    X, y = problem

    def gradient(w: Tensor) -> Tensor:
        return page["linear_gradient"](w, X, y)

    path = page["gradient_descent"](gradient, torch.ones(5), learning_rate, 20, momentum)
    w = torch.ones(5, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=learning_rate, momentum=momentum)
    assert len(path) == 21
    for point in path:
        assert_close(point, w, EXACT)
        optimizer.zero_grad()
        page["half_squared_loss"](w, X, y).backward()
        optimizer.step()
    if not momentum:
        plain = page["gradient_descent"](gradient, torch.ones(5), learning_rate, 20)
        assert torch.equal(plain, path)


def test_errors_shrink_by_their_factors(page: dict, problem: tuple) -> None:
    X, y = problem
    curvature, axes = torch.linalg.eigh(X.T @ X / len(X))
    best = torch.linalg.lstsq(X, y).solution
    rate = 1.9 / curvature[-1].item()
    path = page["gradient_descent"](
        lambda w: page["linear_gradient"](w, X, y), torch.zeros(5), rate, steps=10
    )
    factors = (1 - rate * curvature) ** torch.arange(11)[:, None]
    assert_close((path - best) @ axes, factors * ((-best) @ axes), EXACT)


@pytest.mark.parametrize("heavy", [False, True])
def test_the_best_setting_is_the_best(page: dict, problem: tuple, heavy: bool) -> None:
    X, _ = problem
    curvature = torch.linalg.eigvalsh(X.T @ X / len(X))

    def radius(rate: float, momentum: float) -> float:
        """By what the error shrinks a step in the long run: of (w, v) → (w − ηv', v')."""
        sizes = []
        for value in curvature.tolist():
            step = [[1 - rate * value, -rate * momentum], [value, momentum]]
            sizes.append(torch.linalg.eigvals(torch.tensor(step)).abs().max().item())
        return max(sizes)

    rate, momentum = page["best_setting"](X, heavy=heavy)
    root = page["kappa"](X) ** (0.5 if heavy else 1.0)
    found = radius(rate, momentum)
    assert found == pytest.approx((root - 1) / (root + 1), rel=1e-6)
    for factor in (0.97, 1.03):
        assert radius(factor * rate, momentum) > found
        if heavy:
            assert radius(rate, factor * momentum) > found
    assert (momentum > 0) == heavy


@pytest.mark.parametrize("heavy", [False, True])
def test_steps_are_counted(page: dict, problem: tuple, heavy: bool) -> None:
    X, _ = problem
    H, (rate, momentum) = X.T @ X / 40, page["best_setting"](X, heavy=heavy)
    steps = page["steps_needed"](X, 7, heavy=heavy)
    ends = []
    for start in torch.randn(20, 5, generator=generator(7)):
        path = page["gradient_descent"](lambda e: H @ e, start, rate, steps, momentum)
        excess = (path @ H * path).sum(1) / (start @ H @ start)
        ends.append(excess[-2:] <= 1e-6)
    last_but_one, last = torch.stack(ends).T
    assert last.all() and not last_but_one.all()
    assert page["steps_needed"](torch.linalg.qr(X).Q, 7, heavy=False) <= 1


def test_two_weights(page: dict) -> None:
    assert_close(page["two_weights"](torch.tensor([3.0, 2.0])), 12.5, EXACT)
    assert page["sharpness"](torch.tensor([4.0, 0.25])) == pytest.approx(16.0625)
    assert page["sharpness"](torch.zeros(2)) == pytest.approx(1)


def test_sgd_is_torchs_and_d2ls(page: dict, problem: tuple) -> None:
    X, y = problem
    batches = list(islice(page["shuffled"](40, 8, seed=0), 15))
    path = page["sgd"](
        lambda w, b: page["linear_gradient"](w, X[b], y[b]), torch.zeros(5), batches, 0.05
    )
    w, v = torch.zeros(5, requires_grad=True), torch.zeros(5, 1, requires_grad=True)
    ours, theirs = torch.optim.SGD([w], lr=0.05), d2l.SGD([v], lr=0.05)
    assert len(path) == 16 and not path[0].any()
    for batch, point in zip(batches, path[1:], strict=True):
        ours.zero_grad(), theirs.zero_grad()
        page["half_squared_loss"](w, X[batch], y[batch]).backward()
        d2l.squared_loss(d2l.linreg(X[batch], v, 0.0), y[batch]).mean().backward()
        ours.step()
        with torch.no_grad():
            theirs.step()
        assert_close(w, point, EXACT)
        assert_close(v[:, 0], point, EXACT)


def test_batches_cover_every_epoch(page: dict) -> None:
    batches = list(islice(page["shuffled"](10, 4, seed=0), 6))
    assert [len(b) for b in batches] == [4, 4, 2] * 2
    for half in (batches[:3], batches[3:]):
        assert sorted(torch.cat(half).tolist()) == list(range(10))
    assert torch.cat(batches[:3]).tolist() != torch.cat(batches[3:]).tolist()


def test_noise_is_that_of_single_examples(page: dict, problem: tuple) -> None:
    X, y = problem
    page["X"], page["y"] = torch.randn(442, 10), torch.randn(442)
    page["best"] = torch.linalg.lstsq(page["X"], page["y"]).solution
    page["H"] = page["X"].T @ page["X"] / 442
    found = page["single_example_sgd"](lambda t: 0.03 / (1 + t), 5, runs=2, epochs=1)
    drawn = torch.randint(442, (442, 2), generator=generator(5))
    excess = torch.zeros(2, 442)
    for run in range(2):
        w = torch.zeros(10)
        for t, i in enumerate(drawn[:, run]):
            w = w - 0.03 / (1 + t) * (page["X"][i] @ w - page["y"][i]) * page["X"][i]
            loss = page["half_squared_loss"]
            parts = [loss(v, page["X"], page["y"]) for v in (w, page["best"])]
            excess[run, t] = parts[0] - parts[1]
    assert_close(found, excess.mean(0)[[220, 441]], 1e-10)
    constant = page["single_example_sgd"](lambda t: 0.0, 5)
    assert constant.shape == (30,)


def test_examples_are_standardised(images: dict) -> None:
    X, y = images["examples_of"]("garments", 3, 30)
    assert X.shape == (30, 4) and X.dtype == torch.float32
    assert_close(X.mean(0), torch.zeros(4), 1e-5)
    assert X.std(0)[:3].min() > 0.8 and X.std(0).max() < 1 and not X[:, 3].any()
    again, other = (
        images["examples_of"]("garments", 3, 30)[1],
        images["examples_of"]("garments", 4, 30)[1],
    )
    assert torch.equal(y, again) and not torch.equal(y, other)


def test_copies_start_alike_with_the_recommended_variance(page: dict) -> None:
    params = page["copies_of_a_network"](0, [200, 300, 10], 3, 2.0)
    assert [tuple(p.shape) for p in params] == [
        (3, 200, 300),
        (3, 1, 300),
        (3, 300, 10),
        (3, 1, 10),
    ]
    for p in params:
        assert torch.equal(p[0], p[2]) and p.is_leaf and p.requires_grad
        assert p.dtype == torch.float32
    assert_close(params[0].var(), 2 / 200, 1e-3)
    assert_close(params[2].var(), 2 / 300, 1e-3)
    assert not params[1].any()
    assert_close(page["copies_of_a_network"](0, [200, 300, 10], 1, 1.0)[0].var(), 1 / 200, 1e-3)
    assert_close(page["copies_of_a_network"](0, [200, 300, 10], 1)[0].var(), 2 / 200, 1e-3)


def network(params: list, copy: int, activation: str) -> nn.Sequential:
    """One of the copies as PyTorch writes it."""
    act, layers = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation], []
    for W, b in zip(params[::2], params[1::2], strict=True):
        linear = nn.Linear(*W.shape[1:])
        linear.weight = nn.Parameter(W[copy].detach().T.clone())
        linear.bias = nn.Parameter(b[copy, 0].detach().clone())
        layers += [linear, act()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
def test_losses_are_torchs(images: dict, loss: str, activation: str) -> None:
    setting = images["Setting"](30, hidden=(6, 5), loss=loss, activation=activation)
    X, y = images["examples_of"]("garments", 0, 30)
    params = images["copies_of_a_network"](0, [4, 6, 5, 10], 2)
    with torch.no_grad():
        for p in params:
            p.add_(0.3 * torch.randn(p.shape).float())
    found = images["losses"](params, X, y, setting)
    for copy in range(2):
        logits = network(params, copy, activation)(X)
        theirs = (
            F.cross_entropy(logits, y)
            if loss == "cross-entropy"
            else F.mse_loss(logits, F.one_hot(y, 10).float()) * 5
        )
        assert_close(found[copy], theirs, 1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.8, "loss": "squared"},
        {"warmup": 4, "activation": "tanh"},
        {"last": 0.2, "hidden": (5, 5)},
        {"data": "digits"},
    ],
)
def test_training_is_torchs_sgd_for_every_rate(images: dict, options: dict) -> None:
    setting = images["Setting"](**{"examples": 20, "hidden": (6,)} | options)
    X, y = images["examples_of"](setting.data, 2, 20)
    sizes, gain = [4, *setting.hidden, 10], 2.0 if setting.activation == "relu" else 1.0
    params = images["copies_of_a_network"](2, sizes, 4, gain)
    with torch.no_grad():
        params[-2].mul_(setting.last)
    seen = [
        (step, [p.detach().clone() for p in now], at, labels)
        for step, now, at, labels in islice(images["trained"](2, 8, setting), 7)
    ]
    assert [step for step, *_ in seen] == list(range(1, 8))
    assert torch.equal(seen[0][2], X) and torch.equal(seen[0][3], y)
    for copy in range(3):
        model, lr = network(params, copy, setting.activation), images["RATES"][copy]
        optimizer = torch.optim.SGD(
            model.parameters(), lr * (1 - setting.momentum), momentum=setting.momentum
        )
        scale = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda t: min(1, (t + 1) / setting.warmup) if setting.warmup else 1
        )
        for batch, (_, now, *_) in zip(images["shuffled"](20, 8, 2), seen, strict=False):
            logits, optimizer_loss = model(X[batch]), F.cross_entropy
            loss = (
                5 * F.mse_loss(logits, F.one_hot(y[batch], 10).float())
                if setting.loss == "squared"
                else optimizer_loss(logits, y[batch])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scale.step()
            theirs = [p.T if p.ndim == 2 else p[None] for p in model.parameters()]
            for ours, other in zip(now, theirs, strict=True):
                assert_close(ours[copy], other, 1e-4)


def test_courses_and_the_best_rate(images: dict) -> None:
    setting = images["Setting"](examples=24, hidden=(6,))
    at, seen = images["course"](1, 4, 5, setting)
    assert at == [0.5 * k for k in range(1, 11)] and seen.shape == (10, 4)
    wanted = []
    for step, params, X, y in islice(images["trained"](1, 4, setting), 30):
        if step % 3 == 0:
            wanted.append(images["losses"](params, X, y, setting)[:3].tolist())
    assert_close(seen[:, :3], torch.tensor(wanted), 1e-5)
    assert seen[:, 3].max() == 10  # what diverges counts as 10
    place, loss = images["best_of"](1, 4, 5, setting)
    late = seen[-4:].mean(0)
    assert (place, loss) == (late.argmin().item(), late.min().item())
    at, seen = images["course"](1, 24, 3, setting)
    assert at == [1, 2, 3]


def test_sharpness_is_the_largest_eigenvalue(images: dict) -> None:
    setting = images["Setting"](30, hidden=(3,), loss="squared", activation="tanh")
    X, y = images["examples_of"]("garments", 0, 30)
    params = images["copies_of_a_network"](0, [4, 3, 10], 2)
    with torch.no_grad():
        params[2][1].mul_(3)
    v = None
    for _ in range(40):
        found, v = images["sharpnesses"](params, X, y, setting, v)
    for copy in range(2):
        parts = [p[copy : copy + 1].detach() for p in params]
        shapes, sizes = [p.shape for p in parts], [p.numel() for p in parts]

        def loss(flat: Tensor, shapes: list = shapes, sizes: list = sizes) -> Tensor:
            pieces = [x.view(s) for x, s in zip(flat.split(sizes), shapes, strict=True)]
            return images["losses"](pieces, X, y, setting)[0]

        H = hessian(loss)(torch.cat([p.flatten() for p in parts]))
        assert_close(found[copy], torch.linalg.eigvalsh(H)[-1], 1e-3)


def test_sharpening_looks_fifteen_times(images: dict) -> None:
    setting = images["Setting"](30, hidden=(3,), loss="squared", activation="tanh")
    seen, last = images["sharpening"](0, 60, setting)
    assert seen.shape == (15, 4) and last[3] == 10
    *_, (_, params, X, y) = islice(images["trained"](0, 30, setting), 60)
    assert_close(last[:3], images["losses"](params, X, y, setting)[:3], 1e-5)
    v = None
    for _ in range(20):
        value, v = images["sharpnesses"](params, X, y, setting, v)
        v = [part.nan_to_num(1.0) for part in v]
    rates = torch.tensor(images["RATES"])[:3]
    *_, (_, at_four, X, y) = islice(images["trained"](0, 30, setting), 4)
    first, _ = images["sharpnesses"](at_four, X, y, setting)
    assert_close(seen[0, :3], first[:3] * rates / 2, 1e-5)
    assert_close(seen[-1, :3], value[:3] * rates / 2, 0.05)
    edge = images["at_the_edge"](0, width=3, examples=30, steps=60)
    wide = images["Setting"](30, "garments", (3, 3), "squared", "tanh")
    seen, last = images["sharpening"](0, 60, wide)
    assert edge == pytest.approx(seen[8:, last.argmin()].mean().item())


def test_the_effect_of_full_batches(images: dict) -> None:
    setting = images["Setting"](24, hidden=(6,))
    full = images["course"](0, 24, 20, setting)[1][-1].min().item()
    needed = images["epochs_to"](full, 0, 4, 20, setting)
    step = next(
        step
        for step, params, X, y in images["trained"](0, 4, setting)
        if images["losses"](params, X, y, setting).nan_to_num(10).min() <= full
    )
    assert needed == pytest.approx(step * 4 / 24)
    assert images["epochs_to"](-1.0, 0, 4, 3, setting) == 3
    effect = images["epochs_saved"](0, size=4, goal=20, examples=24, hidden=6)
    assert effect == pytest.approx(20 / needed)
    images["RATES"] = (0.01, 0.04)  # both too low, so that the last steps count
    arms = [setting, setting._replace(momentum=0.9)]
    full = min(images["course"](5, 24, 20, arm)[1][-1].min().item() for arm in arms)
    needed = [images["epochs_to"](full, 5, 4, 20, arm) for arm in arms]
    both = images["epochs_saved"](5, size=4, goal=20, examples=24, hidden=6, momentum="tuned")
    assert both == pytest.approx(20 / min(needed))


def test_the_effect_of_warmup(images: dict) -> None:
    plain = images["Setting"](30, "garments", (3, 3), "squared")
    ends = []
    for setting in (plain, plain._replace(warmup=4)):
        *_, (_, params, X, y) = islice(images["trained"](0, 30, setting), 20)
        ends.append(images["losses"](params, X, y, setting)[:3].min().item())
    found = images["without_over_with_warmup"](0, width=3, examples=30, steps=20)
    assert found == pytest.approx(ends[0] / ends[1])


def test_the_effect_of_scaling(images: dict) -> None:
    images["RATES"] = tuple(0.01 * 2**k for k in range(8))
    setting = images["Setting"](momentum=0.9)
    X, y = torch.randn(1000, 4).float(), torch.randint(10, (1000,))
    images["SOURCES"]["garments"] = X, y
    tuned, loss = images["best_of"](0, 50, 2, setting)
    for warmup, steps in (("none", 0), ("a fifth", 4)):
        late = images["course"](0, 100, 2, setting._replace(warmup=steps))[1][-4:]
        found = images["scaled_loss"](0, size=50, k=2, epochs=2, warmup=warmup)
        assert found == pytest.approx(late[:, min(tuned + 1, 7)].mean().item() / loss)
    assert math.isfinite(found)
