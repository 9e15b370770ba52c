"""The definitions of mlp/multilayer-perceptron against torch.nn and scikit-learn."""

from typing import Any

import pytest
import torch
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn import functional as F

from utils import assert_close
from utils.data import tabular

TOLERANCE = 1e-10  # in double precision, relative to the larger of 1 and the value


ALSO = ["corners"]


def loss_and_gradients(model: nn.Module, X: Tensor, y: Tensor) -> list[Tensor]:
    """The logits, and the gradient of the cross-entropy at the input and every parameter."""
    X = X.clone().requires_grad_()
    logits = model(X)
    loss = F.cross_entropy(logits, y)
    return [logits, *torch.autograd.grad(loss, [X, *model.parameters()])]


@pytest.mark.parametrize("sizes", [(7, 3), (7, 5, 3), (7, 1, 3), (7, 6, 5, 4, 3)])
@pytest.mark.parametrize(
    ("activation", "module"), [(torch.relu, nn.ReLU), (torch.tanh, nn.Tanh), (None, nn.ReLU)]
)
def test_mlp_is_a_sequential(page: dict, sizes: tuple, activation: Any, module: Any) -> None:
    options = {} if activation is None else {"activation": activation}
    model = page["MLP"](*sizes, **options).double()
    for bias in model.biases:
        nn.init.normal_(bias)
    theirs = page["as_sequential"](model, module)
    X, y = torch.randn(9, 7).double(), torch.randint(3, (9,))
    logits, dX, *gradients = loss_and_gradients(model, X, y)
    their_logits, their_dX, *their_gradients = loss_and_gradients(theirs, X, y)
    assert_close(logits, their_logits, TOLERANCE)
    assert_close(dX, their_dX, TOLERANCE)
    layers = len(sizes) - 1
    for i in range(layers):
        assert_close(gradients[i], their_gradients[2 * i].T, TOLERANCE)
        assert_close(gradients[layers + i], their_gradients[2 * i + 1], TOLERANCE)
    assert page["number_of_parameters"](*sizes) == sum(p.numel() for p in theirs.parameters())
    nn.init.zeros_(theirs[0].weight)
    assert bool(model.weights[0].all())  # the other network is a copy


def test_mlp_starts_as_he_does(page: dict) -> None:
    for W in page["MLP"](400, 300, 200).weights:
        assert abs(W.std().item() / (2 / len(W)) ** 0.5 - 1) < 0.02


def test_relu_and_its_gradient(page: dict) -> None:
    Z = torch.tensor([-2.0, -1e-30, 0.0, 1e-30, 3.0, torch.inf])
    assert_close(page["relu"](Z), F.relu(Z))
    Z = torch.randn(4, 5, 6).double()
    gradients = []
    for relu in (page["relu"], F.relu):
        leaf = Z.clone().requires_grad_()
        gradients += torch.autograd.grad(relu(leaf).square().sum(), leaf)
    assert_close(*gradients, TOLERANCE)


def test_mlp_takes_scikit_learns_weights(page: dict) -> None:
    digits = tabular("digits", device="cpu")
    peer = MLPClassifier((12,), activation="tanh", max_iter=30, random_state=0)
    with pytest.warns(UserWarning, match="converged"):
        peer.fit(digits.X[:200].numpy(), digits.y[:200].numpy())
    model = page["MLP"](64, 12, 10, activation=torch.tanh).double()
    for mine, value in zip(model.parameters(), [*peer.coefs_, *peer.intercepts_], strict=True):
        mine.data = torch.tensor(value).double()
    wanted = torch.tensor(peer.predict_proba(digits.X.double().numpy()))
    assert_close(model(digits.X.double()).softmax(1), wanted.double(), 1e-6)


def test_collapse(page: dict) -> None:
    model = page["MLP"](6, 5, 4, 3, activation=lambda Z: Z).double()
    for bias in model.biases:
        nn.init.normal_(bias)
    X = torch.randn(20, 6).double()
    W, b = page["collapsed"](model)
    assert_close(model(X), X @ W + b, TOLERANCE)


def test_interpolator_goes_through_its_points(page: dict) -> None:
    knots = torch.rand(20).double().sort().values
    wanted = torch.randn(20).double()
    model = page["interpolator"](knots, wanted)
    assert [tuple(p.shape) for p in model.parameters()] == [(1, 19), (19, 1), (19,), (1,)]
    assert_close(model(knots[:, None]), wanted[:, None], 1e-6)
    between = (knots[1:] + knots[:-1]) / 2
    assert_close(model(between[:, None])[:, 0], (wanted[1:] + wanted[:-1]) / 2, 1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_tents(page: dict, k: int) -> None:
    x = torch.linspace(0, 1, 301).double()
    wanted = x
    for _ in range(k):
        wanted = 1 - (1 - 2 * wanted).abs()
    assert_close(page["tents"](k)(x[:, None]), wanted[:, None], TOLERANCE)
    assert page["pieces"](page["tents"](k)) == 2**k


def test_pairs_are_labelled_by_kind(page: dict) -> None:
    kinds = [torch.zeros(5, 1, 28, 28), torch.ones(5, 1, 28, 28)]
    X, same = page["pairs"](kinds, 500, torch.Generator().manual_seed(0))
    left, right = X[:, 0], X[:, 49]
    assert torch.equal(same, (left == right).long())
    assert 0.4 < same.float().mean() < 0.6


def test_shapes_are_checked(page: dict) -> None:
    with pytest.raises(Exception, match="Type-check error"):
        page["MLP"](4, 3, 2)(torch.zeros(4))
