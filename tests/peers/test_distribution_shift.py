"""The definitions of mlp/distribution-shift against scikit-learn, SciPy, torch and plain loops."""

import inspect
import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close, diagrams, generator


def images(n: int = 5) -> Tensor:
    return torch.rand(n, 1, 28, 28)


def test_cameras(page: dict) -> None:
    X = images()
    assert_close(page["turned"](X, 0), X, 1e-5)
    assert_close(page["turned"](X, 90), X.rot90(1, (2, 3)), 1e-4)
    nearer = F.interpolate(X[..., 7:21, 7:21], size=28, mode="bilinear", align_corners=False)
    assert_close(page["turned"](X, 0, 2.0)[..., 2:-2, 2:-2], nearer[..., 2:-2, 2:-2], 1e-4)
    wanted = [ndimage.gaussian_filter(x[0].numpy(), 1.5, mode="constant", radius=4) for x in X]
    assert_close(page["blurred"](X, 1.5)[:, 0], torch.tensor(np.array(wanted)), 1e-4)
    shoot, rng = page["photographed"], generator(1)
    for camera, wanted in {
        "tilt 20": page["turned"](X, 20), "zoom 1.2": page["turned"](X, 0, 1.2),
        "blur 1.5": page["blurred"](X, 1.5), "exposure 2": (2 * X).clamp(0, 1),
        "exposure 0.5": X / 2, "noise 0": X,
    }.items():  # fmt: skip
        assert_close(shoot(X, camera, rng), wanted, 1e-6)
    grey = torch.full((200, 1, 28, 28), 0.5)
    noisy = shoot(grey, "noise 0.1", rng)
    again = [shoot(grey, "noise 0.1", generator(2)) for _ in range(2)]
    assert torch.equal(*again)
    assert noisy.std() == pytest.approx(0.1, rel=0.05)
    assert 0 <= shoot(grey, "noise 1", rng).min() <= shoot(grey, "noise 1", rng).max() <= 1
    bright = (1.5 * page["turned"](X, -8, zoom=1.2)).clamp(0, 1)
    assert_close(page["other_camera"](X), bright)


def test_networks(page: dict) -> None:
    X = page["inputs"](images())
    whole = page["inputs"](page["garments"]()[0])
    assert whole.mean().abs() < 0.01
    assert whole.std() == pytest.approx(1, abs=0.05)
    for hidden, weights in ((0, 1), (16, 2), ("convolutional", 3)):
        model = page["network"](hidden, generator(1))
        assert model(X).shape == (5, 10)
        matrices = [p for p in model.parameters() if p.ndim > 1]
        assert len(matrices) == weights
        for W in matrices:
            assert W.ndim == 2 or W.shape[2:] == (3, 3)
            fan_in = W[0].numel()
            assert W.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.25)
        assert all((p == 0).all() for p in model.parameters() if p.ndim == 1)
    assert model(X).shape == (5, 10)


def test_descent_is_weighted_momentum_with_a_falling_rate(page: dict) -> None:
    X, y, w = torch.randn(150, 4), torch.randint(3, (150,)), torch.rand(150)
    model = nn.Linear(4, 3)
    ours = nn.Linear(4, 3)
    ours.load_state_dict(model.state_dict())
    states = page["descent"](
        ours, X, y, generator(3), weights=w, epochs=2, learning_rate=0.3
    )  # fmt: skip
    count = sum(1 for _ in states)
    rng, velocity, step = generator(3), [0.0, 0.0], 0
    for _ in range(2):
        for rows in torch.randperm(150, generator=rng).split(64):
            losses = F.cross_entropy(model(X[rows]), y[rows], reduction="none")
            found = torch.autograd.grad((w[rows] * losses).mean(), list(model.parameters()))
            velocity = [0.9 * v + g for v, g in zip(velocity, found)]
            with torch.no_grad():
                for p, v in zip(model.parameters(), velocity):
                    p -= 0.3 * (1 - step / 6) * v
            step += 1
    assert count == 2
    assert_close(ours.weight, model.weight, 1e-5)
    plain, ones = nn.Linear(4, 3), nn.Linear(4, 3)
    ones.load_state_dict(plain.state_dict())
    for net, weights in ((plain, None), (ones, torch.ones(150))):
        *_, _ = page["descent"](net, X, y, generator(4), weights=weights, epochs=1)
    assert_close(plain.weight, ones.weight)


def test_splits_do_not_overlap(page: dict) -> None:
    parts = page["split"](7)
    assert [len(part) for part in parts] == [5000, 1000, 6000]
    assert torch.cat(parts).sort().values.tolist() == list(range(12_000))
    assert not torch.equal(page["split"](8)[0], parts[0])


@pytest.mark.parametrize(("n", "m"), [(60, 90), (120, 40)])
def test_domain_classifier_and_weights(page: dict, n: int, m: int) -> None:
    A, B, new = torch.randn(n, 5), torch.randn(m, 5) + 0.4, torch.randn(20, 5)
    t = torch.cat([torch.zeros(n), torch.ones(m)])
    theirs = LogisticRegression(C=1 / (0.02 * (n + m)), tol=1e-9).fit(torch.cat([A, B]), t)
    wanted = torch.tensor(theirs.decision_function(new)).float()
    assert_close(page["domain_logits"](A, B, new), wanted, 1e-3)
    w = page["importance_weights"](A, B)
    even = torch.arange(n) % 2 == 0
    for part in (even, ~even):
        z = page["domain_logits"](A[~part], B, A[part])
        assert_close(w[part], z.exp() * (~part).sum() / m, 1e-4)


def test_effective_sample_size(page: dict) -> None:
    size = page["effective_sample_size"]
    assert size(torch.full((7,), 3.0)).item() == pytest.approx(7)
    assert size(torch.tensor([1.0, 1, 1, 9])).item() == pytest.approx(144 / 84)


def test_label_shift(page: dict) -> None:
    y = torch.arange(400) % 4
    guess = torch.where(torch.rand(400) < 0.7, y, torch.randint(4, (400,)))
    C = page["joint_confusion"](guess, y, 4)
    assert_close(C * 400, torch.tensor(confusion_matrix(y, guess).T).float(), 1e-4)
    assert page["proportions"](y[:10], 5).tolist() == pytest.approx([0.3, 0.3, 0.2, 0.2, 0])
    times = torch.tensor([1, 5, 2, 3])
    new_y, new_guess = (v.repeat_interleave(times[y]) for v in (y, guess))
    found = page["black_box"](C, page["proportions"](new_guess, 4))
    assert_close(found, page["proportions"](new_y, 4), 1e-4)
    extreme = page["black_box"](C, torch.tensor([1.0, 0, 0, 0]))
    assert extreme.min() == 0
    assert extreme.sum().item() == pytest.approx(1)


def test_priors_move_as_bayes_says(page: dict) -> None:
    density = torch.rand(30, 3)  # p(x | y), of 30 possible images
    density = density / density.sum(0)
    old, new = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.6, 0.3, 0.1])
    before, after = ((density * q) / (density * q).sum(1, keepdim=True) for q in (old, new))
    assert_close(page["move_priors"](before, old, new), after, 1e-5)
    sample = torch.multinomial(density @ new, 4000, replacement=True, generator=generator(1))
    found = page["expectation_maximisation"](before[sample], old, 300)
    grid = torch.cartesian_prod(*2 * [torch.linspace(0.02, 0.96, 48)])
    grid = grid[grid.sum(1) < 0.99]
    q = torch.cat([grid, 1 - grid.sum(1, keepdim=True)], 1)
    likelihood = ((before[sample] / old) @ q.T).log().mean(0)
    reached = ((before[sample] / old) @ found).log().mean()
    assert reached >= likelihood.max() - 1e-5
    one = page["expectation_maximisation"](before, old, 1)
    assert_close(one, before.mean(0), 1e-6)


def test_statistic_and_permutations(page: dict) -> None:
    a, b = torch.randn(40, 3), torch.randn(70, 3) + torch.tensor([0, 0.2, 2.0])
    for x, z in ((a, b), (a.round(), b.round()), (b, a)):
        pairs = [ks_2samp(x[:, i].numpy(), z[:, i].numpy()) for i in range(3)]
        wanted = max(pair.statistic for pair in pairs)
        assert page["ks_statistic"](x, z).item() == pytest.approx(wanted, abs=1e-5)
    rng = generator(2)
    for i in range(2):
        wanted = ks_2samp(a[:, i].numpy(), b[:, i].numpy()).pvalue
        found = page["p_value"](a[:, i : i + 1], b[:, i : i + 1], rng, rounds=1500)
        assert found == pytest.approx(wanted, abs=0.05)
    assert page["p_value"](a, b, rng, rounds=99) == pytest.approx(0.01)
    assert page["p_value"](a, a, rng, rounds=20) == 1
    null = [page["p_value"](torch.randn(15, 4), torch.randn(15, 4), rng, rounds=39)
            for _ in range(150)]  # fmt: skip
    assert sum(p <= 0.05 for p in null) <= 15  # ties only make it more careful
    assert 0.4 < sum(null) / 150 < 0.75


def test_evening(page: dict) -> None:
    rows = torch.arange(3000)
    X, e = page["exposed"](rows, 0.7, generator(1))
    assert X.shape == (3000, 1, 14, 14)
    assert e.mean() == pytest.approx(-0.7, abs=0.05)
    assert e.std() == pytest.approx(0.5, rel=0.05)
    X, e = page["exposed"](rows, 0.7, generator(1), noise=0.0)
    wanted = (page["garments"]()[0][rows] * e.exp().view(-1, 1, 1, 1)).clamp(0, 1)
    assert_close(X, page["inputs"](wanted), 1e-5)
    normal = torch.distributions.Normal
    ratio = (normal(-0.7, 0.5).log_prob(e) - normal(0.0, 0.5).log_prob(e)).exp()
    assert_close(page["true_ratio"](e, 0.7), ratio, 1e-3)


def test_seasons(page: dict) -> None:
    y, use = page["garments"]()[1], page["split"](3)[2]
    rows = page["sold"](3, "winter", 5.0, 1500)
    assert len(rows.unique()) == len(rows)
    assert set(rows.tolist()) <= set(use.tolist())
    shares = page["proportions"](y[rows])
    assert shares[[2, 4, 9]].tolist() == pytest.approx(3 * [5 / 22], abs=0.002)
    assert shares[0].item() == pytest.approx(1 / 22, abs=0.002)


def test_temperature(page: dict) -> None:
    z = torch.randn(4000, 5) * 2
    y = torch.multinomial((z / 3).softmax(1), 1)[:, 0]
    assert page["temperature"](z, y) == pytest.approx(3, rel=0.1)


def test_two_by_two_the_rare_class_is_scored(page: dict) -> None:
    accuracy, coats, pullovers = page["rare_class"](1, "nothing").tolist()
    model, rows = page["coats_and_pullovers"](1, "nothing")
    X, y = page["garments"]()
    guess = model(page["inputs"](X[rows]))[:, [2, 4]].argmax(1) * 2 + 2
    assert balanced_accuracy_score(y[rows], guess) == pytest.approx((coats + pullovers) / 2)
    assert accuracy == pytest.approx(0.05 * coats + 0.95 * pullovers)
    moved = page["rare_class"](1, "moved priors")
    assert moved[1] > coats
    assert moved[2] < pullovers


def test_a_class_weighs_as_much_as_the_other(page: dict, monkeypatch) -> None:
    seen, plain = {}, page["descent"]

    def descent(model, X, y, rng, *, weights=None, **options):
        seen["y"], seen["w"] = y, weights
        return plain(model, X, y, rng, weights=weights, epochs=1, **options)

    monkeypatch.setitem(inspect.unwrap(page["coats_and_pullovers"]).__globals__, "descent", descent)
    for arm, coats in (("nothing", 50), ("class weights", 50), ("copies of coats", 950)):
        page["coats_and_pullovers"](77, arm)
        assert (seen["y"] == 4).sum() == coats
        if arm != "class weights":
            assert seen["w"] is None
        else:
            weighted = [seen["w"][seen["y"] == c].sum().item() for c in (2, 4)]
            assert weighted == pytest.approx([500, 500])


def test_shifts_do_what_they_say(page: dict) -> None:
    y = page["garments"]()[1]
    X, labels = page["shifted"](4, "nothing", 300)
    same, new = page["shifted"](4, "concept", 300)
    assert_close(X, same)
    assert new.tolist() == [0 if label == 6 else label for label in labels.tolist()]
    darker, _ = page["shifted"](4, "exposure 0.5", 300)
    assert_close(darker, page["inputs"](0 * images(1)) / 2 + X / 2, 1e-4)
    moved, _ = page["shifted"](4, "other camera", 300)
    assert moved.mean() > X.mean() + 0.1
    _, winter = page["shifted"](4, "winter", 600)
    assert (page["proportions"](winter)[[2, 4, 9]] > 0.18).all()
    assert page["proportions"](y)[2] < 0.11


def test_confidence_and_accuracy(page: dict) -> None:
    confidence, accuracy = page["confident_and_right"](2, "tilt 0", 500, 0, 3, 1)
    assert 0.6 < accuracy < 0.85
    assert confidence == pytest.approx(accuracy.item(), abs=0.06)
    options = dict(n=500, hidden=0, epochs=3)
    assert page["overconfidence"](2, camera="tilt 0", **options) == pytest.approx(
        (confidence - accuracy).item(), abs=1e-6
    )
    one = page["confident_and_right"](2, "tilt 20", 500, 0, 3, 1)
    two = page["confident_and_right"](2, "tilt 20", 500, 0, 3, 2)
    assert not torch.equal(one[0], two[0])


def test_the_diagram_says_what_changes() -> None:
    shown = [t.get_text() for t in diagrams.three_shifts().axes[0].texts]
    assert shown.count("changes") == 3
    assert {"covariate shift", "label shift", "concept shift", r"$p(y \mid x)$"} <= set(shown)
    assert r"$p(x \mid y)$" in shown
    assert "Concept shift: p(x), which stays" in diagrams.ALT["three_shifts"]
