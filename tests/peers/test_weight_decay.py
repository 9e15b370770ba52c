"""The definitions of mlp/weight-decay against torch, scikit-learn and the formulas."""

import math
from itertools import islice

import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams
from utils.diagrams import decay as drawing

ALSO = ("train_images", "test_images", "PAIRS", "RATES", "LAMS", "EARLY", "NONE", "ARMS", "PATHS")


def regression(n: int = 50, d: int = 6) -> tuple[Tensor, Tensor]:
    """Features that are correlated and off the origin, and a target that is noisy and off 0."""
    X = torch.randn(n, d, dtype=torch.float64) @ torch.randn(d, d, dtype=torch.float64) + 1
    y = X @ torch.linspace(-1, 2, d, dtype=torch.float64) + torch.randn(n).double() + 5
    return X, y


@pytest.mark.parametrize("lam", [0.01, 0.3, 5.0])
def test_ridge_is_scikit_learns_with_a_free_intercept(page: dict, lam: float) -> None:
    X, y = regression()
    theirs = Ridge(alpha=50 * lam).fit(X, y)
    w, b = page["ridge"](X, y, lam)
    assert_close(w, torch.from_numpy(theirs.coef_), 1e-9)
    assert_close(b, float(theirs.intercept_), 1e-9)
    many = page["ridge"](torch.stack([X, 2 * X]), torch.stack([y, y + 1]), lam)
    assert_close(many[0][0], w, 1e-12)
    assert_close(many[1][0], b, 1e-12)
    again = page["ridge"](2 * X, y + 1, lam)
    assert_close(many[0][1], again[0], 1e-12)
    assert_close(many[1][1], again[1], 1e-12)


def test_powers_and_truth(page: dict) -> None:
    x = torch.tensor([0.5, -2.0], dtype=torch.float64)
    assert page["powers"](x).shape == (2, 15)
    assert page["powers"](x)[0, :3].tolist() == [0.5, 0.25, 0.125]
    assert page["powers"](x)[1, [0, 14]].tolist() == [-2.0, -(2.0**15)]
    assert_close(page["truth"](x), torch.sin(4 * x), 1e-12)
    X, y = page["noisy_sets"](400)
    assert X.shape == y.shape == (400, 40)
    assert X.min() >= -1 and X.max() <= 1 and abs(X.mean()) < 0.02
    assert_close((y - page["truth"](X)).std(), 0.5, 0.02)
    assert not torch.equal(page["noisy_sets"](1, seed=3)[0], page["noisy_sets"](1)[0])


def test_soft_threshold_is_softshrink(page: dict) -> None:
    z = torch.randn(200, dtype=torch.float64)
    for by in (0.0, 0.4, 1.5):
        assert_close(page["soft_threshold"](z, by), F.softshrink(z, by), 1e-12)


@pytest.mark.parametrize(("l1", "l2"), [(0.2, 0.0), (0.5, 0.3), (0.0, 0.5)])
def test_proximal_descent_is_the_elastic_net(page: dict, l1: float, l2: float) -> None:
    X, y = regression()
    X, y = X - X.mean(0), y - y.mean()
    found = page["proximal_descent"](X, y, l1, l2)
    if l1 == 0:
        expected = page["ridge"](X, y, l2)[0]
    else:
        peer = ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-12, max_iter=100_000)
        expected = torch.from_numpy(peer.fit(X, y).coef_)
    assert_close(found, expected, 1e-6)
    one = page["proximal_descent"](X, y, l1, l2, steps=1)
    A, b = X.T @ X / 50, X.T @ y / 50
    lr = 1 / (torch.linalg.eigvalsh(A)[-1] + l2)
    assert_close(one, F.softshrink(lr * b, float(lr * l1)), 1e-9)


def test_updates_are_torchs(page: dict) -> None:
    start, lr, lam = torch.randn(5, dtype=torch.float64), 0.03, 0.7
    gradients = torch.randn(30, 5, dtype=torch.float64) * torch.logspace(-2, 2, 5)
    cases = [
        (torch.optim.SGD, lambda w, g: page["sgd_with_penalty"](w, g, lr, lam)),
        (torch.optim.SGD, lambda w, g: page["sgd_with_decay"](w, g, lr, lam)),
        (torch.optim.Adam, page["Adam"](lr, l2=lam).step),
        (torch.optim.AdamW, page["Adam"](lr, decay=lam).step),
    ]
    for make, step in cases:
        theirs = nn.Parameter(start.clone())
        optimizer, ours = make([theirs], lr=lr, weight_decay=lam), start
        for g in gradients:
            theirs.grad = g.clone()
            optimizer.step()
            ours = step(ours, g)
            assert_close(ours, theirs.detach(), 1e-10)


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize(("rate", "start"), [("falling", "He"), ("constant", "PyTorch")])
@pytest.mark.parametrize("depth", [1, 2])
def test_stacked_networks_train_like_one(
    page: dict, rate: str, start: str, depth: int, optimizer: str
) -> None:
    options = dict(rate=rate, start=start, optimizer=optimizer)
    setting = page["Setting"](examples=50, width=8, depth=depth, steps=50, wrong=0.2, **options)
    stack = page["Stack"]((0.01, 0.05), (0.0, 0.1), (0.0, 0.3))
    runs = [[p.clone() for p in found] for found in page["training"](4, setting, stack)]
    assert len(runs) == 25
    (X, y), (X_val, y_val) = page["split"](4, setting)
    rng = page["generator"](5)
    first = [p.detach()[1] for p in page["started"](setting, 2, rng)]
    layers = []
    for W, b in zip(first[: depth + 1], first[depth + 1 :]):
        layers += [nn.Linear(*W.shape), nn.ReLU()]
        layers[-2].weight.data, layers[-2].bias.data = W.T.clone(), b[0].clone()
    model = nn.Sequential(*layers[:-1])
    groups = [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.3},
    ]
    left = torch.arange(0)
    if optimizer == "SGD":
        peer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    else:
        peer = torch.optim.AdamW(groups, lr=0.05)
    for step in range(50):
        if len(left) < 32:
            left = torch.randperm(50, generator=rng)
        batch, left = left[:32], left[32:]
        for group in peer.param_groups:
            group["lr"] = 0.05 * (1 - step / 50 if rate == "falling" else 1)
        peer.zero_grad()
        F.cross_entropy(model(X[batch]), y[batch]).backward()
        peer.step()
    logits = page["logits_of"](X_val, runs[-1])
    assert_close(logits[1], model(X_val), 1e-4 if optimizer == "SGD" else 1e-2)
    loss = F.cross_entropy(logits[1], y_val)
    assert_close(page["losses"](logits, y_val)[1], loss, 1e-6)
    wrong = (logits[1].argmax(1) != y_val).float().mean()
    assert_close(page["errors"](logits, y_val)[1], wrong, 1e-6)


def test_networks_start_as_he_recommends(page: dict) -> None:
    setting = page["Setting"](width=128, depth=2)
    W1, W2, W3, *biases = page["started"](setting, 3, page["generator"](0))
    assert [tuple(W.shape) for W in (W1, W2, W3)] == [(3, 196, 128), (3, 128, 128), (3, 128, 10)]
    assert all(torch.equal(W[0], W[2]) for W in (W1, W2, W3))
    assert not any(b.any() for b in biases) and [b.shape[2] for b in biases] == [128, 128, 10]
    assert_close(W1.std(), math.sqrt(2 / 196), 0.02)
    assert_close(W2.std(), math.sqrt(2 / 128), 0.02)


def test_networks_start_as_linear_layers_do(page: dict) -> None:
    setting = page["Setting"](width=300, depth=2, start="PyTorch")
    found = page["started"](setting, 2, page["generator"](0))
    peers = [nn.Linear(196, 300), nn.Linear(300, 300), nn.Linear(300, 10)]
    theirs = [layer.weight.T for layer in peers] + [layer.bias[None] for layer in peers]
    for at, (ours, peer) in enumerate(zip(found, theirs, strict=True)):
        assert ours.shape[1:] == peer.shape and torch.equal(ours[0], ours[1])
        bound = 1 / math.sqrt((196, 300, 300)[at % 3])
        for p in (ours, peer):
            assert p.abs().max() <= bound
        if p.numel() > 100:
            assert_close(ours.max(), bound, 0.05 * bound)
            assert_close(ours.min(), -bound, 0.05 * bound)
            assert_close(ours.std(), bound / math.sqrt(3), 0.1 * bound)


def test_splits_share_no_image_and_some_labels_are_wrong(page: dict) -> None:
    X, y = page["clothes"]("standardised")
    assert X.shape == (12_000, 196)
    assert_close(X[:7000].mean(0), torch.zeros(196), 1e-4)
    raw, _ = page["clothes"]("as they are")
    assert raw.min() >= 0 and raw.max() <= 1
    image = page["train_images"].tensors()[0][5, 0]
    assert_close(raw[5].view(14, 14)[3, 4], image[6:8, 8:10].mean(), 1e-5)
    setting = page["Setting"](examples=2000, wrong=0.3)
    (X1, y1), (X2, y2) = page["split"](1, setting)
    assert len(X1) == 2000 and len(X2) == 500
    assert torch.cdist(X1, X2).min() > 0
    clean = page["split"](1, page["Setting"](examples=2000))[0]
    assert torch.equal(clean[0], X1)
    assert_close((clean[1] != y1).float().mean(), 0.27, 0.03)  # a tenth is drawn right again


def test_arms_are_what_the_text_says(page: dict) -> None:
    stack, arms = page["stack_for"](page["Setting"]()), page["ARMS"]
    rates, decays, biases = stack.rates, stack.decays, stack.bias_decays
    early = arms["early stopping"]
    assert_close(
        torch.tensor(rates[early]), torch.logspace(math.log10(0.004), math.log10(0.128), 8)
    )
    assert not any(decays[early]) and not any(biases[early])
    for name in ("decay", "all decay"):
        tried = set(zip(rates[arms[name]], decays[arms[name]]))
        assert tried == {(r, lam) for r in (0.02, 0.08) for lam in (0.004, 0.012, 0.036, 0.108)}
    assert not any(biases[arms["decay"]])
    assert biases[arms["all decay"]] == decays[arms["all decay"]]
    high = page["stack_for"](page["Setting"](pixels="as they are"))
    assert high.decays == decays
    assert_close(torch.tensor(high.rates), 4 * torch.tensor(rates))
    adam = page["stack_for"](page["Setting"](optimizer="AdamW"))
    assert_close(torch.tensor(adam.rates), 0.1 * torch.tensor(rates))
    assert_close(torch.tensor(adam.decays), 100 * torch.tensor(decays))
    assert_close(torch.tensor(adam.bias_decays), 100 * torch.tensor(biases))


def test_paths_are_scikit_learns(page: dict) -> None:
    X = torch.randn(40, 8, dtype=torch.float64)
    y = X @ torch.linspace(-1, 2, 8).double() + torch.randn(40).double()
    for lam, w in zip(torch.logspace(3, -3, 30, dtype=torch.float64), page["ridge_path"](X, y)):
        peer = Ridge(40 * lam.item(), fit_intercept=False).fit(X, y)
        assert_close(w, torch.from_numpy(peer.coef_), 1e-6)
    top = (X.T @ y).abs().max().item() / 40
    for ratio in (1.0, 0.5):
        path = page["net_path"](X, y, ratio)
        assert path.shape == (30, 8) and path[0].abs().max() < 1e-9 < path[1].abs().max()
        strength = top / ratio * torch.logspace(0, -2, 30, dtype=torch.float64)[20].item()
        kind = Lasso(strength) if ratio == 1 else ElasticNet(strength, l1_ratio=ratio)
        peer = kind.set_params(fit_intercept=False, tol=1e-10).fit(X, y)
        assert_close(path[20], torch.from_numpy(peer.coef_), 0.01)


@pytest.mark.parametrize("kind", ["independent", "correlated", "one factor"])
def test_problems_are_what_they_are_said_to_be(page: dict, kind: str) -> None:
    p = page["Problem"](4, 20_000, 6, 0.5, kind)
    w, (X, y), (X2, y2) = page["drawn"](p, page["generator"](3))
    assert int((w != 0).sum()) == 4 and len(X) == len(X2) == 20_000
    assert kind != "one factor" or bool((w >= 0).all())
    shared = 0.0 if kind == "independent" else 0.7
    expected = torch.full((6, 6), shared).fill_diagonal_(1.0)
    assert_close(torch.corrcoef(X.T), expected.double(), 0.03)
    assert_close((X @ w).var(), 1.0, 0.04)
    assert_close(page["signal_error"](p, w), 1.0, 1e-9)
    e = torch.randn(6, dtype=torch.float64)
    assert_close((X2 @ e).square().mean(), page["signal_error"](p, e), 0.15)
    assert_close((y - X @ w).std(), 0.5, 0.02)
    assert_close((y2 - X2 @ w).std(), 0.5, 0.02)


def test_the_strength_is_chosen_on_other_examples(page: dict) -> None:
    p = page["Problem"](3, 30, 10, 0.5)
    w, (X, y), (X2, y2) = page["drawn"](p, page["generator"](2))
    for method, path in (
        ("ridge", page["ridge_path"](X, y)),
        ("lasso", page["net_path"](X, y, 1.0)),
    ):
        costs = [(X2 @ v - y2).square().sum().item() for v in path]
        chosen = path[costs.index(min(costs))]
        expected = page["signal_error"](p, chosen - w)
        assert_close(page["missed"](2, p, method), expected, 1e-9)


def test_every_effect_is_positive_where_the_claim_is_right(
    page: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def arms(seed: int, setting: object) -> dict[str, float]:
        seen.append(setting)
        return {"early stopping": 3.0, "decay": 2.0, "all decay": 2.1}

    monkeypatch.setitem(page, "arms", arms)
    assert page["stopping_costs"](0) == 1.5
    assert page["bias_decay_costs"](0) == pytest.approx(1.05)
    assert seen == 2 * [page["Setting"]()]
    some = dict(examples=300, width=8, depth=2, steps=50, rate="constant")
    page["stopping_costs"](0, **some)
    page["bias_decay_costs"](0, **some, wrong=0.1, pixels="as they are", optimizer="AdamW")
    assert seen[2] == page["Setting"](**some)
    other = dict(wrong=0.1, pixels="as they are", optimizer="AdamW")
    assert seen[3] == page["Setting"](**some, **other)

    errors = {("ridge", 5): 0.6, ("lasso", 5): 0.2, ("ridge", 9): 0.8, ("lasso", 9): 1.0}
    problems = []

    def missed(seed: int, p: object, method: str) -> float:
        problems.append(p)
        return errors[method, p.weights]

    monkeypatch.setitem(page, "missed", missed)
    options = dict(examples=30, features=9, noise=0.1, kind="correlated")
    assert page["bet"](0, few=5, **options) == pytest.approx(3 * 0.8)
    assert set(problems) == {page["Problem"](5, **options), page["Problem"](9, **options)}


def test_the_diagrams_numbers_are_the_updates(page: dict) -> None:
    w, g = torch.tensor(4.0).double(), torch.tensor(6.0).double()
    lam, rate, size = drawing.LAM, drawing.RATE, drawing.SIZE
    penalty = w - rate * (g + lam * w) / size
    decayed = page["sgd_with_decay"](w, g / size, rate, lam)
    shown = [t.get_text() for t in diagrams.decay_routes().axes[0].texts]
    assert [f"{penalty:.2f}", f"{decayed:.2f}"] == ["3.80", "3.65"]
    assert {"3.80", "3.65", "gradient 6", "weight 4"} <= set(shown)
    for number in ("makes 8;", "to 3.80.", "makes 3.8,", "to 3.65."):
        assert number in diagrams.ALT["decay_routes"]


def test_the_best_is_found_during_and_after_training(page: dict) -> None:
    setting = page["Setting"](examples=60, width=8, steps=200, rate="constant")
    found = page["arms"](7, setting)
    _, (X, y) = page["split"](7, setting)
    X_test, y_test = (part[7000:] for part in page["clothes"]("standardised"))
    valid, tested = [], []
    stack = page["stack_for"](setting)
    for parameters in islice(page["training"](7, setting, stack), 25):
        for kept, A, b in ((valid, X, y), (tested, X_test, y_test)):
            kept.append(page["losses"](page["logits_of"](A, parameters), b))
    V, T = torch.stack(valid), torch.stack(tested)
    at = V[:, :8].flatten().argmin()
    assert at < 24 * 8  # not at the end, where stopping early would make no difference
    assert_close(found["early stopping"], T[:, :8].flatten()[at].item(), 1e-5)
    assert_close(found["decay"], T[-1, 8:16][V[-1, 8:16].argmin()].item(), 1e-5)
    assert_close(found["all decay"], T[-1, 16:][V[-1, 16:].argmin()].item(), 1e-5)
