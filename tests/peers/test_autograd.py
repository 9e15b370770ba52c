"""The page's differentiator, taken from its cells, against PyTorch, d2l and finite differences."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from utils.compat import d2l

TOLERANCE = 1e-12  # relative; both compute in double precision


def agree(ours: np.ndarray, theirs: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(
        torch.as_tensor(np.asarray(ours)), theirs.detach(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sin", torch.sin), ("tanh", torch.tanh), ("exp", torch.exp), ("log", torch.log),
        ("sum_", torch.sum),
    ],
)  # fmt: skip
def test_operations_of_one_value(page, name, theirs):
    value = np.random.default_rng(0).uniform(0.1, 3, (4, 5))
    node, tensor = page["Node"](value), torch.tensor(value, requires_grad=True)
    out, expected = page[name](node), theirs(tensor)
    agree(out.value, expected)
    page["backward"](page["sum_"](out * out) if out.value.ndim else out * out)
    (expected**2).sum().backward()
    agree(node.grad, tensor.grad)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 4), (3, 1)), ((1, 4), (3, 1)), ((3, 4), ())]
)
@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_broadcasting(page, operation, shapes):
    rng = np.random.default_rng(1)
    values = [rng.normal(size=shape) for shape in shapes]
    nodes = [page["Node"](v) for v in values]
    tensors = [torch.tensor(v, requires_grad=True) for v in values]
    out = page[operation](*nodes)
    expected = tensors[0] + tensors[1] if operation == "add" else tensors[0] * tensors[1]
    agree(out.value, expected)
    page["backward"](page["sum_"](out * out))
    (expected**2).sum().backward()
    for node, tensor in zip(nodes, tensors, strict=True):
        agree(node.grad, tensor.grad)


def test_sum_along_an_axis(page):
    value = np.random.default_rng(2).normal(size=(3, 4))
    for axis in (0, 1):
        node, tensor = page["Node"](value), torch.tensor(value, requires_grad=True)
        out = page["sum_"](node, axis)
        page["backward"](page["sum_"](out * out))
        (tensor.sum(axis) ** 2).sum().backward()
        agree(node.grad, tensor.grad)


def test_a_network_with_its_loss(page):
    torch.manual_seed(0)
    X, y = torch.randn(32, 20, dtype=torch.float64), torch.randint(0, 10, (32,))
    shapes = [(20, 16), (16,), (16, 10), (10,)]
    tensors = [torch.randn(s, dtype=torch.float64).requires_grad_() for s in shapes]
    nodes = [page["Node"](t.detach().numpy()) for t in tensors]
    ours = page["cross_entropy"](page["network"](page["Node"](X.numpy()), *nodes), y.numpy())
    W1, b1, W2, b2 = tensors
    theirs = F.cross_entropy(torch.tanh(X @ W1 + b1) @ W2 + b2, y)
    agree(ours.value, theirs)
    page["backward"](ours)
    theirs.backward()
    for node, tensor in zip(nodes, tensors, strict=True):
        agree(node.grad, tensor.grad)


def test_huge_logits_do_not_overflow(page):
    values = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]])
    logits = page["Node"](values)
    ours = page["cross_entropy"](logits, np.array([2, 0]))
    page["backward"](ours)
    theirs = torch.tensor(values, requires_grad=True)
    loss = F.cross_entropy(theirs, torch.tensor([2, 0]))
    loss.backward()
    agree(ours.value, loss)
    agree(logits.grad, theirs.grad)


def test_d2ls_linear_regression(page):
    torch.manual_seed(1)
    X, y = torch.randn(50, 3, dtype=torch.float64), torch.randn(50, 1, dtype=torch.float64)
    w = torch.randn(3, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    d2l.squared_loss(d2l.linreg(X, w, b), y).sum().backward()
    Node = page["Node"]
    ours_w, ours_b = Node(w.detach().numpy()), Node(b.detach().numpy())
    error = Node(X.numpy()) @ ours_w + ours_b + Node(-y.numpy())
    page["backward"](page["sum_"](error * error) * Node(0.5))
    agree(ours_w.grad, w.grad)
    agree(ours_b.grad, b.grad)


def test_shared_values_get_the_sum_over_all_paths(page):
    x = page["Node"](0.7)
    v = x
    for _ in range(12):
        v = page["sin"](v) * v + v
    page["backward"](v)
    t = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    u = t
    for _ in range(12):
        u = torch.sin(u) * u + u
    u.backward()
    agree(x.grad, t.grad, 1e-10)


def test_dual_numbers_are_pytorchs_forward_mode(page):
    def f(a, b, sin):
        return (a * b) * (a + sin(b))

    ours = f(page["Dual"](1.3, 0.5), page["Dual"](0.7, -2.0), page["dual_sin"])
    primals = tuple(torch.tensor(v, dtype=torch.float64) for v in (1.3, 0.7))
    tangents = tuple(torch.tensor(v, dtype=torch.float64) for v in (0.5, -2.0))
    value, tangent = torch.func.jvp(lambda a, b: f(a, b, torch.sin), primals, tangents)
    agree(ours.value, value)
    agree(ours.tangent, tangent)


def test_gradient_reversal_turns_the_gradient_only(page):
    X = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    out = page["GradientReversal"].apply(X)
    assert torch.equal(out, X)
    (out**2).sum().backward()
    torch.testing.assert_close(X.grad, -2 * X.detach(), rtol=0, atol=0)
