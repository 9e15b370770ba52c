"""The definitions of mlp/perceptron against torch, scikit-learn and the theorem."""

from itertools import islice, repeat

import pytest
import torch
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.svm import SVC
from torch import Tensor

from utils import assert_close, diagrams, generator
from utils.check import gradients
from utils.diagrams import perceptron as drawing

ALSO = ("PAIRS", "digits", "pixels")
TOLERANCE = 1e-10


@pytest.fixture(autouse=True)
def _double() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def rows(n: int = 60, d: int = 4, gap: float = 0.2) -> tuple[Tensor, Tensor]:
    """Points and labels of ±1 that a plane separates, with a gap."""
    X = torch.randn(4 * n, d)
    z = X @ torch.linspace(-1, 1, d) + 0.3
    keep = z.abs() > gap
    return X[keep][:n], z[keep][:n].sign()


def test_the_rule_is_scikit_learns(page: dict) -> None:
    for epochs, noise in ((1, 0.0), (3, 0.3), (7, 0.3)):
        X, y = rows()
        y = torch.where(torch.rand(len(y)) < noise, -y, y)
        S = y[:, None] * page["with_constant"](X)
        options = dict(max_iter=epochs, tol=None, shuffle=False)
        theirs = Perceptron(**options).fit(X, y)
        w, mistakes = page["perceptron"](S, epochs)
        assert_close(w, torch.tensor([*theirs.coef_[0], *theirs.intercept_]), TOLERANCE)
        *_, state = islice(page["training"](S, repeat(torch.arange(len(S)))), epochs)
        assert_close(state.w, w, TOLERANCE)
        assert state.updates == sum(mistakes)
        assert state.epochs == len(mistakes)
        averaging = SGDClassifier(
            loss="perceptron", penalty=None, learning_rate="constant", eta0=1.0, average=True,
            **options | dict(max_iter=state.epochs),
        ).fit(X, y)  # fmt: skip
        mean = state.total / (state.epochs * len(S))
        assert_close(mean, torch.tensor([*averaging.coef_[0], *averaging.intercept_]), 1e-9)


def test_training_starts_where_it_is_told(page: dict) -> None:
    S = torch.randn(20, 3)
    w = torch.tensor([1.0, -2.0, 0.5])
    state = next(page["training"](S, repeat(torch.arange(20)), w))
    expected, total, updates = w, torch.zeros(3), 0
    for s in S:
        if expected @ s <= 0:
            expected, updates = expected + s, updates + 1
        total = total + expected
    assert_close(state.w, expected, TOLERANCE)
    assert_close(state.total, total, TOLERANCE)
    assert state.updates == updates


def test_it_stops_when_nothing_is_wrong(page: dict) -> None:
    X, y = rows()
    S = y[:, None] * page["with_constant"](X)
    w, mistakes = page["perceptron"](S)
    assert mistakes[-1] == 0
    assert 0 not in mistakes[:-1]
    assert bool((S @ w > 0).all())
    *_, state = page["training"](S, repeat(torch.arange(len(S))))
    assert state.epochs == len(mistakes)
    margin, u = page["margin"](S)
    assert state.updates <= (S.norm(dim=1).max() / margin) ** 2
    stopped = page["until_it_stops"](S, 3, True)
    assert bool((S @ stopped.w > 0).all())
    states = page["each_epoch"](S, 3, 400)
    assert len(states) == 400
    assert states[-1].updates == states[-2].updates
    assert bool((S @ states[-1].w > 0).all())


def test_the_margin_is_that_of_a_hard_support_vector_machine(page: dict) -> None:
    for d in (2, 5):
        X, y = rows(d=d)
        # without a bias: each row with its opposite, so that the machine's own bias is 0
        S = y[:, None] * X
        X2, y2 = torch.cat([S, -S]), torch.tensor([1.0, -1.0]).repeat_interleave(len(S))
        if (S @ torch.linspace(-1, 1, d) > 0).all():
            theirs = SVC(kernel="linear", C=1e8, tol=1e-8).fit(X2, y2)
            wanted = 1 / torch.tensor(theirs.coef_[0]).norm()
            found, u = page["margin"](S)
            assert found == pytest.approx(wanted.item(), rel=1e-4)
            assert_close(u.norm(), torch.tensor(1.0), 1e-9)
            assert (S @ u).min().item() == pytest.approx(found)
    assert page["margin"](torch.tensor([[1.0, 2.0], [-1.0, -2.0], [0.5, 0.0]]))[0] == 0
    both = torch.tensor([[3.0, 4.0], [3.0, -4.0]])
    assert page["margin"](both)[0] == pytest.approx(3.0)


def test_the_loss_and_its_gradient(page: dict) -> None:
    S = torch.randn(9, 4)
    for w in (torch.zeros(4), torch.randn(4)):
        values, slope, _ = gradients(page["perceptron_loss"], w, S)
        wanted = [max(0.0, -(s @ w).item()) for s in S]
        assert_close(values, torch.tensor(wanted), TOLERANCE)
        ours = torch.linspace(-1, 1, 9) @ page["loss_gradient"](w, S)
        assert_close(slope, ours, TOLERANCE)
    assert_close(page["loss_gradient"](torch.zeros(4), S), -S)


def test_gates_and_layers(page: dict) -> None:
    corners = torch.cartesian_prod(*2 * [torch.tensor([0.0, 1.0])])
    assert page["two_layers"](corners).tolist() == [-1, 1, 1, -1]
    X = 2 * torch.rand(1000, 2) - 0.5
    total = X.sum(1)
    strip = torch.where((total > 0.5) & (total < 1.5), 1.0, -1.0)
    assert torch.equal(page["two_layers"](X), strip)
    assert page["step"](torch.tensor([-1.0, 0.0, 1e-9])).tolist() == [-1, -1, 1]
    assert page["gate"](corners, torch.tensor([2.0, 1.0, -2.5])).tolist() == [-1, -1, -1, 1]
    assert len(page["tables"](2)) == 14
    assert len(page["tables"](3)) == 104


def test_orders_are_permutations(page: dict) -> None:
    fixed = list(islice(page["orders"](9, generator(1), reshuffled=False), 3))
    assert all(torch.equal(order, fixed[0]) for order in fixed)
    new = list(islice(page["orders"](9, generator(1), reshuffled=True), 3))
    assert torch.equal(new[0], fixed[0])
    assert not torch.equal(new[0], new[1])
    assert all(sorted(order.tolist()) == list(range(9)) for order in new)


def test_rows_are_signed_and_scaled(page: dict) -> None:
    X, is_one = 3 + 2 * torch.randn(50, 3), torch.rand(50) < 0.5
    S = page["signed_rows"](X, is_one, "pixels")
    sign = torch.where(is_one, 1.0, -1.0)
    assert_close(S[:, -1], sign)
    assert_close(S[:, :-1], sign[:, None] * X)
    scaled = sign[:, None] * page["signed_rows"](X, is_one, "standardised")
    assert_close(scaled[:, :-1].mean(0), torch.zeros(3), 1e-9)
    assert_close(scaled[:, :-1].std(0), torch.ones(3), 1e-2)
    says_one = torch.tensor([0.0, 0, 0, 1])
    assert page["error"](says_one, S) == pytest.approx((~is_one).double().mean().item())
    assert page["error"](torch.zeros(4), S) == 1


def test_splits_do_not_overlap_and_are_scaled_by_training_rows(page: dict) -> None:
    for data, total in (("breast cancer", 569), ("even digits", 1797), ("eight or not", 1797)):
        parts = page["split"](data, 100, 250, "standardised")
        assert [len(parts[0]), sum(map(len, parts))] == [250, total]
        assert len(parts[1]) == min(500, (total - 250) // 3)
        X = parts[0][:, :-1] * parts[0][:, -1:]
        assert_close(X.mean(0), torch.zeros(X.shape[1]), 1e-9)
        spread = X.std(0)  # pixels that are always black stay 0
        assert float(spread[spread > 1e-9].median()) > 0.98
        assert float(spread.max()) < 1
        assert not torch.equal(parts[0], page["split"](data, 101, 250, "standardised")[0])
    raw = page["split"]("even digits", 100, 250, "pixels")
    assert float(torch.cat(raw).abs().max()) == 1
    share = torch.cat(raw)[:, -1].eq(1).double().mean().item()
    assert share == pytest.approx(0.496, abs=1e-3)


def test_tasks(page: dict) -> None:
    few = list(page["pairs"]("digits", 100, 5, "pixels"))
    assert [len(S) for S in few] == 45 * [10]
    assert all(S[:, -1].sum() == 0 for S in few)
    ten = page["tasks_of"]("one digit against nine", 100, 30, "pixels")
    assert [len(S) for S in ten] == 10 * [30]
    assert sum(int(S[:, -1].eq(1).sum()) for S in ten) == 30
    assert [len(S) for S in page["tasks_of"]("pairs of digits", 100, 30, "pixels")] == 45 * [30]


def test_the_diagrams_numbers_are_the_rules(page: dict) -> None:
    s = drawing.LABEL * torch.tensor(drawing.SEEN).double()
    w = torch.tensor(drawing.START).double()
    before = (w @ s).item()
    state = next(page["training"](s[None], repeat(torch.arange(1)), w))
    said = diagrams.ALT["perceptron_rule"]
    words = [f"{x:g}".replace("-", "−") for x in state.w.tolist()]
    assert f"the weights are {words[0]}, {words[1]} and {words[2]}" in said
    assert f"z = {before:g}".replace("-", "−") in said
    assert f"z is {state.w @ s:g}" in said
    shown = [t.get_text() for t in diagrams.perceptron_rule().axes[0].texts]
    assert {*words, "before: wrong", "after the update: right"} <= set(shown)
