"""The definitions of foundations/linear-regression against torch, d2l and scikit-learn."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.linear_model import LinearRegression, QuantileRegressor
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.notebook_code import notebook_definitions
from utils import assert_close, generator
from utils.compat import d2l
from utils.data import tabular

ALSO = ("NOISE", "SCALINGS", "METRICS", "FRACTIONS", "FALLS")
TOLERANCE = 1e-10


@pytest.fixture(scope="module")
def exercises() -> dict[str, Any]:
    """The page's definitions with those of its exercises."""
    return notebook_definitions("foundations/linear-regression", exercises=True)


@pytest.fixture(autouse=True)
def _double() -> Any:
    """The page computes in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def problem(n: int = 40, d: int = 3, noise: float = 0.3) -> tuple[Tensor, Tensor]:
    """Features of different sizes with a column of ones, and targets."""
    X = torch.cat([torch.randn(n, d) * 3 + torch.arange(d), torch.ones(n, 1)], dim=1)
    return X, X @ torch.arange(1.0, d + 2) + noise * torch.randn(n)


def test_loss_and_gradient_are_torchs_and_d2ls(page: dict) -> None:
    X, y = problem()
    w = torch.randn(4, requires_grad=True)
    loss = F.mse_loss(X @ w, y)
    (gradient,) = torch.autograd.grad(loss, w)
    assert_close(page["mse"](w, X, y), loss, TOLERANCE)
    assert_close(page["mse_gradient"](w.detach(), X, y), gradient, TOLERANCE)
    assert_close(2 * d2l.LinearRegressionScratch(4, lr=0.1).loss(X @ w, y), loss, TOLERANCE)
    assert_close(page["with_ones"](X[:, :3]), X, TOLERANCE)


def test_the_formula_is_that_of_the_libraries(page: dict) -> None:
    X, y = problem()
    found = page["solve_normal_equations"](X, y)
    assert_close(found, torch.linalg.lstsq(X, y).solution, TOLERANCE)
    peer = LinearRegression(fit_intercept=False).fit(X, y)
    assert_close(found, torch.tensor(peer.coef_), TOLERANCE)


def test_sgd_is_torchs(page: dict) -> None:
    X, y = problem(n=10)
    start = torch.randn(4)
    path = list(page["sgd"](start, X, y, 0.01, 4, 2, generator(3)))
    assert len(path) == 1 + 2 * 3
    assert torch.equal(path[0], start)
    w, rng = start.clone().requires_grad_(), generator(3)
    optimizer = torch.optim.SGD([w], lr=0.01)
    step = 0
    for _ in range(2):
        for rows in torch.randperm(10, generator=rng).split(4):
            optimizer.zero_grad()
            F.mse_loss(X[rows] @ w, y[rows]).backward()
            optimizer.step()
            step += 1
            assert_close(path[step], w.detach(), TOLERANCE)


def test_fit_linear_is_the_same_descent(page: dict) -> None:
    X, y = problem(n=12)
    model = nn.Linear(3, 1)
    start = torch.cat([model.weight[0], model.bias]).detach()
    batches = DataLoader(TensorDataset(X[:, :3], y), batch_size=12)
    page["fit_linear"](model, batches, learning_rate=0.01, epochs=5)
    *_, wanted = page["sgd"](start, X, y, 0.01, 12, 5, generator(0))
    assert_close(torch.cat([model.weight[0], model.bias]), wanted, TOLERANCE)


def test_the_least_absolute_error_is_scikit_learns(page: dict) -> None:
    X, y = problem(n=60, noise=2.0)
    y[:5] *= 10
    found = (X @ page["least_absolute"](X, y) - y).abs().mean()
    peer = QuantileRegressor(quantile=0.5, alpha=0, fit_intercept=False).fit(X, y)
    assert_close(found, (X @ torch.tensor(peer.coef_) - y).abs().mean(), 1e-4)


def test_data_are_generated_as_told(page: dict) -> None:
    true = torch.tensor([2.0, -3.4, 4.2])
    X, y = page["generate"](true, 20_000, 0.5, generator(0))
    assert X.shape == (20_000, 3)
    assert X[:, 0].mean().abs().item() < 0.05
    assert X[:, 0].std().item() == pytest.approx(1, rel=0.03)
    assert torch.equal(X[:, 2], torch.ones(20_000))
    assert (y - X @ true).std().item() == pytest.approx(0.5, rel=0.02)


def test_nearly_equal_columns_cost_the_formula_more(page: dict) -> None:
    normal, qr = page["weight_errors"](1e-5).values()
    assert qr < 1e-8 < normal
    assert max(page["weight_errors"](1.0).values()) < 1e-12


def test_noise_decides_between_the_losses(page: dict) -> None:
    def ratio(noise: str) -> float:
        found = [page["relative_error"](noise, seed) for seed in range(30)]
        return torch.stack(found).log().mean().exp().item()

    assert ratio("normal") > 1 > ratio("Student's t, 2 degrees")


# ------------------------------------------------------------------------------------ trials
def test_splits_do_not_overlap_and_keep_a_third(page: dict) -> None:
    (X, y), (X_new, y_new) = page["split"]("diabetes", 200, 3)
    assert (len(X), len(y), len(X_new), len(y_new)) == (200, 200, 242, 242)
    both = torch.cat([torch.cat([X, X_new]), torch.cat([y, y_new])[:, None]], dim=1)
    table = torch.cat([page["whole"]("diabetes")[0], page["whole"]("diabetes")[1][:, None]], dim=1)
    assert_close(both.sum(0), table.sum(0), TOLERANCE)
    assert len(page["split"]("wine", 200, 3)[0][0]) == 2 * 178 // 3
    assert [page["whole"](name)[0].shape[1] for name in ("wine", "breast-cancer")] == [12, 21]
    X, y = page["whole"]("images")
    assert X.shape == (10_000, 98)
    assert X.dtype == y.dtype == torch.float64
    assert y.shape == (10_000,)


def test_the_tables_predict_what_the_page_says(page: dict) -> None:
    for name in ("wine", "breast-cancer"):
        assert_close(page["whole"](name)[1], tabular(name, device="cpu").X[:, 0].double(), 1e-12)


def test_others_are_standardised_by_the_first(page: dict) -> None:
    X, Z = torch.randn(30, 2) * 5 + 3, torch.randn(4, 2)
    first, other = page["standardised"](X, Z)
    assert_close(first.mean(0), torch.zeros(2), 1e-9)
    assert_close(first.std(0, correction=0), torch.ones(2), 1e-9)
    assert_close(other * X.std(0, correction=0) + X.mean(0), Z, 1e-9)


def test_scalings(page: dict) -> None:
    X = torch.randn(30, 2) * 5 + 3
    ranged = page["SCALINGS"]["0 to 1"](X)
    assert_close(ranged.amin(0), torch.zeros(2), TOLERANCE)
    assert_close(ranged.amax(0), torch.ones(2), TOLERANCE)
    assert_close(page["SCALINGS"]["0 to 1, centred"](X).mean(0), torch.zeros(2), 1e-9)
    assert torch.equal(page["SCALINGS"]["none"](X), X)


def by_walking(page: dict, X: Tensor, y: Tensor, missing: float) -> int:
    """Steps of the best learning rate, one after the other."""
    A = page["with_ones"](X)
    least = page["mse"](torch.linalg.lstsq(A, y).solution, A, y)
    start = torch.zeros(A.shape[1])
    start[-1] = y.mean()
    goal = least + missing * (page["mse"](start, A, y) - least)
    largest = 2 / torch.linalg.eigvalsh(2 / len(y) * A.T @ A)[-1]
    counts = []
    for fraction in page["FRACTIONS"]:
        w, steps = start, 0
        while page["mse"](w, A, y) > goal:
            w, steps = w - fraction * largest * page["mse_gradient"](w, A, y), steps + 1
        counts.append(steps)
    return min(counts)


def test_steps_are_those_of_gradient_descent(page: dict) -> None:
    X, y = problem(n=30)
    for scaled in (X[:, :3], page["standardised"](X[:, :3])[0]):
        for missing in (0.3, 0.01):
            found = page["full_batch_steps"](scaled, y, missing)
            assert found == by_walking(page, scaled, y, missing)


def test_scaled_steps_are_compared_with_unscaled_ones(page: dict) -> None:
    X, y = page["split"]("diabetes", 60, 5)[0]
    effect = page["steps_without_scaling"]
    plain = page["full_batch_steps"](X - X.mean(0), y, 0.1)
    scaled = page["full_batch_steps"](page["standardised"](X)[0], y, 0.1)
    assert effect(5, n=60, missing=0.1) == plain / scaled
    raw = page["full_batch_steps"](X, y, 0.1)
    assert effect(5, n=60, missing=0.1, first="nothing") == raw / scaled
    ranged = page["full_batch_steps"](page["SCALINGS"]["0 to 1, centred"](X), y, 0.1)
    assert effect(5, n=60, missing=0.1, scaling="0 to 1") == plain / ranged


@pytest.mark.parametrize("fall", [0.0, 0.5])
def test_sgd_arrives_when_a_slow_loop_does(page: dict, fall: float) -> None:
    X, y = problem(n=30, noise=12.0)
    X = page["standardised"](X[:, :3])[0]
    A = page["with_ones"](X)
    H = 2 / 30 * A.T @ A
    best = torch.linalg.lstsq(A, y).solution
    start = torch.zeros(4)
    start[-1] = y.mean()
    largest = 2 / torch.linalg.eigvalsh(H)[-1].item()
    goal = 0.05 * (start - best) @ H @ (start - best)
    fewest = []
    for fraction in page["FRACTIONS"]:
        w, rng, steps = start, generator(0), []
        for passed in range(40):
            for i, rows in enumerate(torch.randperm(30, generator=rng).split(3)):  # ten a pass
                rate = fraction * largest / (1 + fall * (passed + i / 10))
                w = w - rate * page["mse_gradient"](w, A[rows], y[rows])
                steps.append((w - best) @ H @ (w - best))
        means = [sum(steps[i : i + 10]) / 10 for i in range(len(steps) - 9)]
        fewest.append(next((i + 1 for i, mean in enumerate(means) if mean < goal), 400) / 10)
    found = page["sgd_passes"](X, y, 0.05, 3, 39, generator(0), [fall])
    assert found == pytest.approx(min(fewest))
    both = page["sgd_passes"](X, y, 0.05, 3, 39, generator(0), [fall, 1e9])
    assert both == found  # a rate that falls to nothing at once doesn't arrive


def test_sgd_that_does_not_arrive_gets_the_most(page: dict) -> None:
    X, y = problem(n=30, noise=20.0)
    assert page["sgd_passes"](X[:, :3], y, 1e-9, 1, 3, generator(0), [0.0, 1.0]) == 3.0


def test_passes_are_compared(page: dict) -> None:
    (X, y), _ = page["split"]("diabetes", 60, 4)
    X = page["standardised"](X)[0]
    full = page["full_batch_steps"](X, y, 0.1)
    for schedule, falls in (("constant", [0.0]), ("falling", [2.0]), ("either", [0.0, 2.0])):
        few = page["sgd_passes"](X, y, 0.1, 4, 4 * full, generator(4), falls)
        effect = page["passes_of_the_full_batch"](
            4, task="diabetes, 60, 10 %", batch_size=4, schedule=schedule, tau=0.5
        )
        assert effect == pytest.approx(full / few)


def test_sgd_that_never_arrives_is_slower(page: dict) -> None:
    effect = page["passes_of_the_full_batch"]
    assert effect(4, task="wine, 60, 0.001 %", batch_size=1, schedule="constant") == 0.25


def test_targets_are_mismeasured_as_told(page: dict) -> None:
    y = torch.arange(1.0, 101.0)

    def moved(error: str) -> Tensor:
        return page["mismeasured"](y, error, 0.2, generator(0)) - y

    for error in ("times 3", "+ 5", "± 5"):
        assert (moved(error) != 0).sum() == 20
    assert_close(moved("times 3")[moved("times 3") != 0], 2 * y[moved("times 3") != 0], 1e-9)
    assert_close(moved("+ 5").sum(), 20 * 5 * y.std(), 1e-9)
    assert_close(moved("± 5").abs(), moved("+ 5"), 1e-9)
    assert -15 < (moved("± 5") / (5 * y.std())).sum() < 15
    few = page["robustness"](3, error="± 10 on 2 %")
    assert few == page["robustness"](3, error="± 10", wrong=0.02)
    assert few != page["robustness"](3, error="± 10")


def test_the_push_of_wrong_targets(page: dict) -> None:
    (X, y), _ = page["split"]("wine", 200, 3)
    peer = LinearRegression().fit(X, y)
    rmse = (y - torch.tensor(peer.predict(X))).square().mean().sqrt()
    wanted = round(0.05 * len(y)) / len(y) * 10 * y.std() / rmse
    assert page["push"](3, "wine", "± 10", 0.05) == pytest.approx(wanted.item())


def test_outliers_ruin_the_squared_loss_only(page: dict) -> None:
    effect = page["robustness"]
    assert effect(3, wrong=0.2) > 3
    assert effect(3, wrong=0.2, metric="RMSE") != effect(3, wrong=0.2)
    assert effect(3, wrong=0.2, error="times 1") == pytest.approx(effect(3, wrong=0.0))
    e = torch.tensor([3.0, -4.0])
    assert_close(page["METRICS"]["MAE"](e), 3.5, TOLERANCE)
    assert_close(page["METRICS"]["RMSE"](e), 12.5**0.5, TOLERANCE)


# ------------------------------------------------------- the exercises: what has to be refused
def by_qr(batches: Any) -> Tensor:
    R = None
    for X, y in batches:
        rows = torch.cat([X, y[:, None]], dim=1)
        R = torch.linalg.qr(rows if R is None else torch.cat([R, rows])).R
    return torch.linalg.solve_triangular(R[:-1, :-1], R[:-1, -1:], upper=True)[:, 0]


def test_an_unusual_right_stream_passes(exercises: dict) -> None:
    exercises["stream_spec"](by_qr)


def all_at_the_end(batches: Any) -> Tensor:
    parts = list(batches)
    X, y = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    return torch.linalg.lstsq(X, y, driver="gelsd").solution


def copies_of_all(batches: Any) -> Tensor:
    return all_at_the_end([(X.clone(), y.clone()) for X, y in batches])


def cat_by_cat(batches: Any) -> Tensor:
    X, y = next(batches)
    for more in batches:
        X, y = torch.cat([X, more[0]]), torch.cat([y, more[1]])
    return torch.linalg.lstsq(X, y, driver="gelsd").solution


def sums_at_the_end(batches: Any) -> Tensor:
    parts = list(batches)
    return torch.linalg.solve(sum(X.T @ X for X, _ in parts), sum(X.T @ y for X, y in parts))


def mean_of_solutions(batches: Any) -> Tensor:
    return torch.stack([torch.linalg.lstsq(X, y).solution for X, y in batches]).mean(0)


def mean_of_products(batches: Any) -> Tensor:
    pairs = [(X.T @ X / len(X), X.T @ y / len(X)) for X, y in batches]
    A, c = (torch.stack(part).mean(0) for part in zip(*pairs, strict=True))
    return torch.linalg.solve(A, c)


def last_batch(batches: Any) -> Tensor:
    *_, (X, y) = batches
    return torch.linalg.lstsq(X, y).solution


@pytest.mark.parametrize(
    "wrong",
    [
        all_at_the_end,
        copies_of_all,
        cat_by_cat,
        sums_at_the_end,
        mean_of_solutions,
        mean_of_products,
        last_batch,
    ],
)
def test_wrong_streams_are_refused(exercises: dict, wrong: Callable[..., Tensor]) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        exercises["stream_spec"](wrong)


def trained(
    model: nn.Linear, X: Tensor, y: Tensor, rate: float, steps: int, *, clear: bool, table: bool
) -> nn.Linear:
    for _ in range(steps):
        residual = model(X) - (y if table else y[:, None])
        if clear:
            model.zero_grad()
        residual.square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= rate * parameter.grad
    return model


def test_an_unusual_right_loop_passes(exercises: dict) -> None:
    exercises["fit_spec"](lambda *given: trained(*given, clear=True, table=False))


@pytest.mark.parametrize(("clear", "table"), [(False, False), (True, True), (False, True)])
def test_wrong_loops_are_refused(exercises: dict, clear: bool, table: bool) -> None:
    with pytest.raises(AssertionError):
        exercises["fit_spec"](lambda *given: trained(*given, clear=clear, table=table))


def test_a_trained_copy_is_refused(exercises: dict) -> None:
    with pytest.raises(AssertionError):
        exercises["fit_spec"](
            lambda model, *given: trained(copy.deepcopy(model), *given, clear=True, table=False)
        )
