"""The definitions of attention/attention-pooling against torch, scikit-learn and the formulas."""

import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor
from torch.nn import functional as F

from utils import assert_close, diagrams
from utils.check import gradients
from utils.diagrams import lookup

ALSO = ("SHAPES",)
TOLERANCE = 1e-10
WIDTH = 0.7


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Five queries, seven keys with three features, seven values with two numbers."""
    return tuple(torch.randn(n, d, dtype=torch.float64) for n, d in ((5, 3), (7, 3), (7, 2)))


def one_by_one(Q: Tensor, K: Tensor, V: Tensor, width: Tensor | float = WIDTH) -> Tensor:
    """Nadaraya's and Watson's formula: kernels over their sum."""
    rows = []
    for q in Q:
        kernel = torch.stack([torch.exp(-((q - k) ** 2).sum() / (2 * width**2)) for k in K])
        rows.append(sum(w * v for w, v in zip(kernel, V)) / kernel.sum())
    return torch.stack(rows)


def test_pooling_is_the_formula(page: dict) -> None:
    width = torch.tensor(WIDTH, dtype=torch.float64)
    given = *inputs(), width
    theirs = gradients(one_by_one, *given)
    for ours in (
        lambda Q, K, V, w: page["pool"](page["gaussian_scores"](Q, K, w), V),
        page["kernel_attention"],
    ):
        for a, b in zip(gradients(ours, *given), theirs, strict=True):
            assert_close(a, b, TOLERANCE)


def test_leave_one_out_leaves_out_each_its_own(page: dict) -> None:
    _, K, V = inputs()
    found = page["kernel_attention"](K, K, V, WIDTH, leave_out=True)
    for i in range(len(K)):
        others = [j for j in range(len(K)) if j != i]
        assert_close(found[i : i + 1], one_by_one(K[i : i + 1], K[others], V[others]), TOLERANCE)
    value = gradients(lambda v: page["kernel_attention"](K, K, v, 1.0, True)[:1], V)[1]
    assert_close(value[0], torch.zeros(2), TOLERANCE)  # its own value has no say
    assert bool((value[1:] != 0).all())


def test_far_queries_get_the_nearest_value(page: dict) -> None:
    Q, K, V = inputs()
    for far in (Q + 1e3, Q - 1e3):
        nearest = V[torch.cdist(far, K).argmin(1)]
        assert_close(page["pool"](page["gaussian_scores"](far, K, 1.0), V), nearest, 1e-6)


def test_scikit_learns_neighbours_agree(page: dict) -> None:
    Q, K, V = (x.float() for x in inputs())
    kernel = {
        "Gaussian": lambda u: torch.exp(-(u**2) / 2),
        "triangular": lambda u: (1 - u).clamp(min=0),
        "Epanechnikov": lambda u: (1 - u**2).clamp(min=0),
        "boxcar": lambda u: (u <= 1).float(),
    }
    D = torch.cdist(Q, K)
    width = D.median(1).values.max()  # no query is without a key
    for name, f in kernel.items():
        weights = lambda d, f=f: f(torch.from_numpy(d) / width).numpy()  # noqa: E731
        model = KNeighborsRegressor(7, weights=weights).fit(K.numpy(), V.numpy())
        wanted = torch.from_numpy(model.predict(Q.numpy())).float()
        assert_close(page["shaped"](name, width, D, V), wanted, 1e-4)


def test_a_query_without_keys_asks_the_nearest(page: dict) -> None:
    Q, K, V = (x.float() for x in inputs())
    D = torch.cdist(Q, K) + 1
    for name in ("boxcar", "triangular", "Epanechnikov"):
        found = page["shaped"](name, torch.tensor(0.5), D, V)
        assert_close(found, V[D.argmin(1)])
    D = torch.tensor([[1.0, 1.0, 2.0]])  # two of them
    found = page["shaped"]("boxcar", torch.tensor(0.5), D, torch.tensor([[1.0], [3], [9]]))
    assert_close(found, torch.tensor([[2.0]]))


@pytest.mark.parametrize("name", ["best_width", "best_shape_width"])
def test_the_best_width_is_the_best(page: dict, name: str) -> None:
    K = torch.randn(60, 2)
    V = K[:, :1].sin() + 0.3 * torch.randn(60, 1)
    data = page["Data"](K, V, K, V)
    if name == "best_width":
        width = page["best_width"](K, V)
        error = lambda w: page["kernel_attention"](K, K, V, w, True)  # noqa: E731
    else:
        width = page["best_shape_width"]("Gaussian", data, "RMSE").item()
        D = torch.cdist(K, K).fill_diagonal_(torch.inf)
        error = lambda w: page["shaped"]("Gaussian", torch.tensor(w), D, V)  # noqa: E731
    least = page["rmse"](error(width), V)
    for factor in (0.2, 0.5, 0.8, 1.25, 2, 5):
        assert page["rmse"](error(width * factor), V) > least
    assert 0.1 < width < 2


def test_rmse_is_the_root_of_the_mean_square(page: dict) -> None:
    found = page["rmse"](torch.tensor([[1.0], [2], [5]]), torch.tensor([[1.0], [1], [1]]))
    assert found.item() == pytest.approx((17 / 3) ** 0.5)


def test_a_metric_is_learned_without_the_irrelevant(page: dict) -> None:
    K = torch.randn(200, 4)
    V = (2 * K[:, :1]).sin()
    start = torch.ones(4)
    learned = page["learned_metric"](K, V, start)
    assert learned.shape == (4,)
    assert learned[0] > 2 * learned[1:].abs().max()
    matrix = page["learned_metric"](K, V, torch.eye(4))
    assert matrix.shape == (4, 4)
    assert torch.equal(start, torch.ones(4))
    # without a step it is one width, chosen on the last three quarters
    width = page["best_width"](K[50:], V[50:])
    assert_close(page["learned_metric"](K, V, start, steps=0), start / width)
    # the rate is relative to where it starts: Adam's five steps of 0.02 are a tenth at most
    moved = page["learned_metric"](K, V, start, rates=(0.02,), steps=5) * width - start
    assert 0.08 < moved.abs().max() < 0.101


def test_compared_scales_or_projects(page: dict) -> None:
    X = torch.randn(3, 4)
    w, W = torch.randn(4), torch.randn(4, 2)
    assert_close(page["compared"](X, w), page["compared"](X, w.diag()))
    assert_close(page["compared"](X, W), X @ W)


def test_draws_are_standardised(page: dict) -> None:
    for name, features in (("sine", 1), ("BMI", 1), ("diabetes", 10), ("Friedman", 10)):
        data = page["draw"](name, 100, 100, extra=3)
        assert data.K.shape == (100, features + 3)
        assert data.V.shape == (100, 1)
        assert len(data.Q) == len(data.truth) == (342 if name in ("BMI", "diabetes") else 500)
        assert_close(data.K.mean(0), torch.zeros(features + 3), 1e-4)
        assert_close(data.K.std(0), torch.ones(features + 3), 1e-4)
        assert_close(data.V.std(0), torch.ones(1), 1e-4)
        again = page["draw"](name, 100, 100, extra=3)
        assert torch.equal(data.Q, again.Q)
        plain = page["draw"](name, 100, 100)
        assert_close(plain.K, data.K[:, :features], 1e-4)  # the same examples


def test_arms_predict_what_they_say(page: dict) -> None:
    data = page["draw"]("Friedman", 150, 100)
    nearest = data.V[torch.cdist(data.Q, data.K).argmin(1)]
    assert_close(page["predict"]("nearest key", data), nearest)
    width = page["best_width"](data.K, data.V)
    one = page["kernel_attention"](data.Q, data.K, data.V, width)
    assert_close(page["predict"]("one width", data), one, 1e-4)
    linear = page["predict"]("ridge regression", data)
    coordinates = torch.cat([data.Q, torch.ones(len(data.Q), 1)], 1)
    fit = torch.linalg.lstsq(coordinates, linear)[0]
    assert_close(coordinates @ fit, linear, 1e-3)
    errors = [page["rmse"](page["predict"](arm, data), data.truth)
              for arm in ("a scale a feature", "learned matrix", "one width")]  # fmt: skip
    assert errors[0] < errors[1] < errors[2]


def test_the_diagrams_numbers_are_the_pages(page: dict) -> None:
    query, keys, width, values = lookup.POOLED
    K, V = (torch.tensor(x).float()[:, None] for x in (keys, values))
    scores = page["gaussian_scores"](torch.tensor([[float(query)]]), K, width)
    said = diagrams.ALT["kernel_pooling"]
    for weight in scores.softmax(-1)[0]:
        assert f"{weight:.2f}" in said
    assert f"{page['pool'](scores, V).item():.1f}" in said


def test_unit_keys_need_no_bias(page: dict) -> None:
    Q, K, V = inputs()
    K = F.normalize(K, dim=1)
    theirs = F.scaled_dot_product_attention(Q, K, V, scale=1 / WIDTH**2)
    assert_close(page["kernel_attention"](Q, K, V, WIDTH), theirs, TOLERANCE)
