"""The definitions of mlp/data-preprocessing against scikit-learn, torch and plain loops."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator

ALSO = ("PREPARATIONS", "CLASSIFIERS", "SCALERS", "MODELS", "OPTIMIZERS")


def mixed(n: int = 60, d: int = 5) -> Tensor:
    """Rows of correlated features of different scales and means."""
    scales = torch.logspace(-1, 1, d).double()
    return torch.randn(n, d).double() @ torch.randn(d, d).double() * scales + scales


def test_scalers(page: dict) -> None:
    X, X_new = mixed(), mixed(20)
    X[:, 2], X_new[:5, 2] = 7.0, 8.0  # a constant feature stays, shifted
    for ours, theirs in (
        ("min_max", MinMaxScaler()), ("standardiser", StandardScaler()), ("robust", RobustScaler()),
    ):  # fmt: skip
        wanted = torch.tensor(theirs.fit(X).transform(X_new))
        assert_close(page[ours](X)(X_new), wanted, 1e-9)
    assert_close(page["centred"](X)(X_new), X_new - X.mean(0), 1e-12)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (200, 12)])
def test_principal_axes_and_whitening(page: dict, n: int, d: int) -> None:
    X, X_new = mixed(n, d), mixed(20, d)
    theirs = PCA(svd_solver="full").fit(X)
    variances, V = page["principal"](X)
    assert_close(variances * n / (n - 1), torch.tensor(theirs.explained_variance_), 1e-8)
    assert_close(V.T.abs(), torch.tensor(theirs.components_).abs(), 1e-6)
    assert_close(
        page["pca"](X, 3)(X_new).abs(), torch.tensor(theirs.transform(X_new))[:, :3].abs(), 1e-6
    )
    white = torch.tensor(PCA(whiten=True, svd_solver="full").fit(X).transform(X_new))
    assert_close(page["pca_whitener"](X)(X_new).abs(), white.abs() * (n / (n - 1)) ** 0.5, 1e-5)
    covariance = torch.cov(X.T, correction=0)
    for eps in (0.0, 0.5):
        pca, zca = page["pca_whitener"](X, eps), page["zca_whitener"](X, eps)
        wanted = variances / (variances + eps)
        assert_close(torch.cov(pca(X).T, correction=0), wanted.diag(), 1e-7)
        assert_close(zca.matrix, zca.matrix.T, 1e-8)
        ridged = covariance + eps * torch.eye(d).double()
        assert_close(zca.matrix @ zca.matrix @ ridged, torch.eye(d), 1e-6)
        assert_close(zca(X_new), (X_new - X.mean(0)) @ zca.matrix, 1e-9)


def test_directions_without_variance_are_left_out(page: dict) -> None:
    X = mixed(8, 20)
    assert page["pca_whitener"](X).matrix.shape == (20, 7)
    Z = page["zca_whitener"](X)(X)
    assert_close((Z @ Z.T).trace(), torch.tensor(8.0 * 7), 1e-6)


def test_gaps_and_categories(page: dict) -> None:
    words, known = ["b", "x", "a", "b"], ["a", "b", "c"]
    encoder = OneHotEncoder(categories=[known], handle_unknown="ignore").fit([[w] for w in known])
    wanted = torch.tensor(encoder.transform([[w] for w in words]).toarray())
    assert_close(page["one_hot"](words, known), wanted)
    X = mixed()
    X[torch.rand(X.shape) < 0.3] = torch.nan
    imputer = SimpleImputer(add_indicator=True).fit(X[:40])
    ours = page["filled"](X[40:], X[:40].nanmean(0))
    assert_close(ours, torch.tensor(imputer.transform(X[40:])), 1e-9)


def test_patients_and_scores(page: dict) -> None:
    X, y = page["patients"](3, 0.2)
    assert X.shape == (442, 10)
    assert 0.17 < X.isnan().double().mean() < 0.23
    whole, same = page["patients"](3, 0.0)
    assert_close(same, y)
    assert not whole.isnan().any()
    assert_close(torch.where(X.isnan(), torch.nan, whole), X)
    rows = torch.arange(300) % 3 > 0
    scaler = StandardScaler().fit(whole[:300][rows])
    model = Ridge(alpha=10.0).fit(scaler.transform(whole[:300][rows]), y[:300][rows])
    wanted = model.score(scaler.transform(whole[300:]), y[300:])
    assert page["score"](whole, y, rows) == pytest.approx(wanted, abs=1e-9)
    assert page["scores"](3)[0] == pytest.approx(page["score"](whole, y, rows.new_ones(300)))


def test_selection(page: dict) -> None:
    X, y = mixed(40, 30).float(), torch.randint(2, (40,))
    wanted = np.argsort(-f_classif(X, y)[0])[:7]
    assert set(page["strongest"](X, y, 7).tolist()) == set(wanted.tolist())


def test_classifiers(page: dict) -> None:
    X, y, X_new = mixed(40).float(), torch.arange(40) % 2, mixed(30).float()
    X[y == 1] += 1
    assert (
        page["nearest_mean"](X, y, X_new).tolist()
        == NearestCentroid().fit(X, y).predict(X_new).tolist()
    )
    one = KNeighborsClassifier(1).fit(X, y).predict(X_new)
    assert page["nearest_neighbour"](X, y, X_new).tolist() == one.tolist()
    y[:8] = 1
    scaler = StandardScaler().fit(X)
    model = RidgeClassifier(alpha=10.0).fit(scaler.transform(X), y)
    assert page["ridge"](X, y, X_new).tolist() == model.predict(scaler.transform(X_new)).tolist()
    one, five = (KNeighborsClassifier(k).fit(X, y).predict(X_new) for k in (1, 5))
    assert page["neighbours"](X, y, X_new).tolist() == five.tolist()
    assert page["neighbours"](X, y, X_new, 1).tolist() == one.tolist()
    classes, A, A_new = torch.arange(40) % 3, X.double(), X_new.double()
    A, A_new = A - A.mean(0), A_new - A.mean(0)
    bordered = [F.pad(Z, (0, 1), value=1.0) for Z in (A, A_new)]
    fitted = Ridge(alpha=1.0, fit_intercept=False).fit(bordered[0], F.one_hot(classes).double())
    wanted = fitted.predict(bordered[1]).argmax(1)
    assert page["ridge_classes"](X.double(), classes, X_new.double()).tolist() == wanted.tolist()


def test_ridge_of_few_rows_shrinks_its_constant(page: dict) -> None:
    for _ in range(20):  # few rows, one class alone in most: the penalty on the constant matters
        X, y, X_new = torch.randn(5, 2).double(), torch.tensor([0, 0, 0, 0, 1]), torch.randn(200, 2)
        A, A_new = X - X.mean(0), X_new.double() - X.mean(0)
        rows = [F.pad(Z, (0, 1), value=1.0) for Z in (A, A_new)]
        target = F.one_hot(y).double()
        W = torch.linalg.solve(rows[0].T @ rows[0] + torch.eye(3).double(), rows[0].T @ target)
        wanted = (rows[1] @ W).argmax(1)
        assert torch.equal(page["ridge_classes"](X, y, X_new.double()), wanted)


def test_garments_keep_their_pixels(page: dict) -> None:
    (X, y), (pictures, labels) = page["rows_of"]("garments"), page["garments"]()
    assert torch.equal(y, labels)
    assert torch.equal(X, pictures.double())


def test_a_floor_under_the_scales(page: dict) -> None:
    X, X_new = mixed(), mixed(20)
    X[:, 0], X[:, 1] = 5.0, 5 + X[:, 1] / 1e6
    sizes = X.numpy().std(0)
    floor = 0.3 * np.sqrt((sizes**2).mean())
    assert (sizes < floor).any()
    assert (sizes > floor).any()
    wanted = (X_new.numpy() - X.numpy().mean(0)) / np.maximum(sizes, floor)
    assert_close(page["floored"](X)(X_new), torch.tensor(wanted), 1e-9)


def test_leading_axes(page: dict) -> None:
    X, X_new = mixed(200, 60), mixed(20, 60)
    theirs = torch.tensor(PCA(50, whiten=True, svd_solver="full").fit(X).transform(X_new))
    ours = page["leading"](X)(X_new)
    assert ours.shape == (20, 50)
    assert_close(ours.abs(), theirs.abs() * (200 / 199) ** 0.5, 1e-5)


def test_cross_validation_sees_what_it_may(page: dict) -> None:
    X, y = mixed(25, 40).float(), torch.randint(2, (25,))
    seen = []

    def classify(A: Tensor, a: Tensor, B: Tensor) -> Tensor:
        seen.append((A, a, B))
        return torch.ones(len(B), dtype=torch.long)

    for first in (True, False):
        seen.clear()
        score = page["cross_validated"](X, y, 6, classify, select_first=first)
        assert score == pytest.approx(y.double().mean().item())
        for f, (A, a, B) in enumerate(seen):
            test = torch.arange(25) % 5 == f
            kept = page["strongest"](X, y, 6) if first else page["strongest"](X[~test], y[~test], 6)
            assert_close(A, X[~test][:, kept])
            assert_close(B, X[test][:, kept])
            assert torch.equal(a, y[~test])


def test_photographs(page: dict) -> None:
    X, y, rest, labels = page["photographs"](5, "coat or pullover", 30)
    assert X.shape == (30, 784)
    assert y.tolist() == 15 * [1, 0]
    assert len(rest) == len(labels) == 2370
    both = torch.cat([X, rest]).sum(1).sort().values
    assert_close(both, page["two_classes"]("coat or pullover")[0].sum(1).sort().values, 1e-4)
    train = page["garments"]()[0]
    coats = page["garments"]()[1] == 4
    assert_close(torch.cat([X[y == 1], rest[labels == 1]]).sum(), train[coats].sum(), 1e-5)


def test_excess(page: dict) -> None:
    names = dict(labels="real", pair="coat or pullover", n=20, kept=4)
    nearest = page["nearest_mean"]
    X, y, X_new, y_new = page["photographs"](9, "coat or pullover", 20)
    one, other = torch.randint(784, (2, 5000), generator=generator(509))
    A, B = X[:, one] - X[:, other], X_new[:, one] - X_new[:, other]
    best = page["strongest"](A, y, 4)
    right = (nearest(A[:, best], y, B[:, best]) == y_new).double().mean().item()
    scored = page["cross_validated"](A, y, 4, nearest, select_first=True)
    assert page["excess_of"](9, **names, classify=nearest) == pytest.approx(scored - right)
    coins = page["excess_of"](9, **names | dict(labels="coin tosses"), classify=nearest)
    assert coins > 0


def test_optimism_of_a_scaler_that_fits_nothing(page: dict) -> None:
    page["SCALERS"]["nothing"] = lambda X: page["Affine"](0 * X[0], torch.eye(X.shape[1]).double())
    assert page["optimism"](1, scaler="nothing", splits=3) == 0
    other = page["optimism"](1, scaler="nothing", splits=3, against="other rows")
    assert other != 0
    assert abs(other) < 0.3


def test_optimism_is_that_of_a_loop(page: dict) -> None:
    X, y = page["rows_of"]("wine")
    rng, gains = generator(4), []
    for _ in range(3):
        train, test, _ = torch.randperm(178, generator=rng).split([30, 50, 98])
        scores = []
        for rows in (torch.cat([train, test]), train):
            scaler = StandardScaler().fit(X[rows])
            model = KNeighborsClassifier(1).fit(scaler.transform(X[train]), y[train])
            scores.append(model.score(scaler.transform(X[test]), y[test]))
        gains.append(scores[0] - scores[1])
    ours = page["optimism"](4, data="wine", n=30, splits=3)
    assert ours == pytest.approx(sum(gains) / 3, abs=1e-9)


def test_a_model_that_is_named_with_the_data(page: dict) -> None:
    options = dict(n=30, splits=3, scaler="robust")
    wanted = page["optimism"](4, data="wine", model="ridge", **options)
    assert page["optimism"](4, data="wine, ridge", **options) == wanted
    assert page["optimism"](4, data="wine", **options) != wanted


def test_networks_side_by_side_are_single_ones(page: dict) -> None:
    weights = page["he_start"]([6, 4, 10], 3, generator(0))
    assert [tuple(w.shape) for w in weights] == [(3, 6, 4), (3, 1, 4), (3, 4, 10), (3, 1, 10)]
    assert_close(weights[0][0], weights[0][2])
    assert not any(b.any() for b in weights[1::2])
    broken = [w.detach() * torch.nan for w in weights]
    lost = page["measured"](broken, torch.randn(4, 6), torch.arange(4))
    assert_close(lost[0], torch.full((3,), 99.0))
    wide = page["he_start"]([200, 500, 10], 1, generator(0))
    assert wide[0].std().item() == pytest.approx(0.1, rel=0.03)
    X, y = torch.randn(9, 6), torch.randint(10, (9,))
    with torch.no_grad():
        weights = [w + torch.randn_like(w) for w in weights]
    found = page["measured"](weights, X, y)
    for k in range(3):
        first, second = nn.Linear(6, 4), nn.Linear(4, 10)
        tensors = [w[k] for w in weights]
        for layer, (W, b) in zip((first, second), (tensors[:2], tensors[2:])):
            layer.load_state_dict({"weight": W.T, "bias": b[0]})
        logits = second(first(X).relu())
        assert_close(page["network"](X, weights)[k], logits, 1e-5)
        assert_close(found[0, k], F.cross_entropy(logits, y), 1e-5)
        assert_close(found[1, k], (logits.argmax(1) == y).float().mean())


@pytest.mark.parametrize("rule", ["Momentum", "Adam"])
def test_optimisers_are_torchs(page: dict, rule: str) -> None:
    theirs = {
        "Momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "Adam": partial(torch.optim.Adam, lr=0.01),
    }[rule]
    w, v = torch.randn(4, 3), nn.Parameter(torch.zeros(4, 3))
    with torch.no_grad():
        v.copy_(w)
    ours, optimizer = page[rule]([w]), theirs([v])
    for _ in range(5):
        gradient = torch.randn(4, 3)
        w = w - 0.1 * ours.directions((gradient,))[0]
        v.grad = gradient
        optimizer.step()
    assert_close(w, v.detach(), 1e-5)


def test_parts(page: dict) -> None:
    for data, n, sizes in (("garments", 300, (300, 500, 2000)), ("digits", 300, (300, 500, 997))):
        given = page["parts"](7, data, n, "standardised")
        assert tuple(len(X) for X, _ in given) == sizes
        X = given[0][0]
        assert_close(X.mean(0), torch.zeros(X.shape[1]), 1e-4)
        assert X.square().mean().item() == pytest.approx(1, abs=1e-4)
    white = page["parts"](7, "garments", 300, "PCA-whitened")[0][0]
    assert_close(white.T @ white / 300, torch.eye(white.shape[1]), 1e-3)


def test_training_and_choosing(page: dict) -> None:
    looks = page["trained"](3, "standardised", n=300, steps=60, rates=(0.01, 0.1))
    assert looks.shape == (6, 2, 2, 2)
    assert looks[-1, 0, 1].max() > 0.6
    one = page["trained"](3, "standardised", n=300, steps=60, rates=(0.1,))
    assert_close(looks[..., 1:], one, 1e-3)
    table = torch.zeros(3, 2, 2, 2)
    table[:, 0, 0], table[1, 0, 0, 1] = 2.0, 1.0  # least validation loss: second look and rate
    table[1, 1, 0, 1] = 0.7
    table[2, 0, 1, 0], table[2, 1, 1, 0] = 0.9, 0.8  # most accurate: third look, first rate
    assert page["tested"](table) == pytest.approx({"loss": 0.7, "accuracy": 0.8})
    table[0, 0, 1, 1], table[0, 0, 0, 1], table[0, 1, 1, 1] = 0.9, 1.5, 0.6  # a tie: by loss
    assert page["tested"](table)["accuracy"] == pytest.approx(0.6)


def test_the_diagram_says_what_is_fitted() -> None:
    shown = [t.get_text() for t in diagrams.split_fit_transform().axes[0].texts]
    assert {"fit the preparation", "transform", "1", "2", "3"} <= set(shown)
    assert "fitted on the training part" in diagrams.ALT["split_fit_transform"]
