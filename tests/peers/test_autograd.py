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
        ("tanh", torch.tanh), ("exp", torch.exp), ("log", torch.log), ("sum_", torch.sum),
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


def test_twenty_steps_of_training_are_those_of_torch(page):
    X, y = torch.randn(64, 20, dtype=torch.float64), torch.randint(0, 10, (64,))
    model = page["mlp"](20, 16, 10).double()
    nodes = [page["Node"](p.detach().numpy().T.copy()) for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(20):
        optimizer.zero_grad()
        theirs = page["loss"](model, X, y)
        theirs.backward()
        optimizer.step()
        ours = page["cross_entropy"](page["network"](page["Node"](X.numpy()), *nodes), y.numpy())
        page["backward"](ours)
        for node in nodes:
            node.value, node.grad = node.value - 0.5 * node.grad, None
        agree(ours.value, theirs, 1e-10)


def test_shared_values_get_the_sum_over_all_paths(page):
    x = page["Node"](0.7)
    t = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    v, u = x, t
    for _ in range(12):
        v = page["tanh"](v) * v + v
        u = torch.tanh(u) * u + u
    page["backward"](v)
    u.backward()
    agree(x.grad, t.grad, 1e-10)


def test_the_graph_that_is_drawn(page):
    a, b = page["Node"](2.0), page["Node"](3.0)
    p, s = a * b, a + b
    root = p * s
    bar = page["gradients"](root)
    assert [float(bar[node]) for node in (root, p, s, a, b)] == [1, 5, 6, 21, 16]
    assert all(node.grad is None for node in (root, p, s, a, b))
    page["backward"](root)
    assert [node.grad is None for node in (root, p, s, a, b)] == [True, True, True, False, False]


def test_parents_come_before_children_each_once(page):
    x = page["Node"](0.5)
    nodes = [x]
    for _ in range(8):
        nodes.append(page["tanh"](nodes[-1]) * nodes[-1] + x)
    order = page["topological_order"](nodes[-1])
    assert len(order) == len(set(order)) == 1 + 3 * 8
    place = {node: i for i, node in enumerate(order)}
    assert all(place[p] < place[node] for node in order for p in node.parents)


def test_each_edge_is_passed_once(page):
    calls = []

    def vjp(g):
        calls.append(g)
        return g

    x = node = page["Node"](1.0)
    for _ in range(20):
        node = page["Node"](2 * node.value, (node, node), (vjp, vjp))
    assert page["gradients"](node)[x] == 2**20
    assert len(calls) == 40


def test_a_second_backward_adds_the_same_again(page):
    x, t = page["Node"](0.3), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    v, u = page["tanh"](page["tanh"](x) * x), torch.tanh(torch.tanh(t) * t)
    for _ in range(3):
        page["backward"](v)
        u.backward(retain_graph=True)
        agree(x.grad, t.grad)


def test_a_deep_graph(page):
    x = node = page["Node"](1.0)
    for _ in range(5_000):
        node = node + x
    page["backward"](node)
    assert x.grad == 5_001


def test_only_a_single_number_has_a_gradient(page):
    for value in (np.ones(3), np.ones((1, 2))):
        with pytest.raises(ValueError, match="single number"):
            page["backward"](page["tanh"](page["Node"](value)))
    page["backward"](page["tanh"](page["Node"](np.ones((1, 1)))))


def test_dual_numbers_are_pytorchs_forward_mode(page):
    Dual, f = page["Dual"], page["f"]
    ours = f(Dual(1.3, 0.5), Dual(0.7, -2.0))
    primals = tuple(torch.tensor(v, dtype=torch.float64) for v in (1.3, 0.7))
    tangents = tuple(torch.tensor(v, dtype=torch.float64) for v in (0.5, -2.0))
    value, tangent = torch.func.jvp(f, primals, tangents)
    agree(ours.value, value)
    agree(ours.tangent, tangent)


def test_multiplications(page):
    assert page["multiplications"]((2, 3), (3, 5)) == 2 * 3 * 5
    assert page["multiplications"]((2, 3), (3, 5), (5, 7)) == 2 * 3 * 5 + 2 * 5 * 7


def task(page, *sizes: int):
    model = page["mlp"](*sizes).double()
    return model, torch.randn(8, sizes[0], dtype=torch.float64), torch.randint(sizes[-1], (8,))


def test_networks_have_a_tanh_between_linear_layers(page):
    names = [type(layer).__name__ for layer in page["mlp"](5, 4, 3, 2)]
    assert names == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    model = page["mlp"](400, 500, 3)
    assert model[0].weight.var().item() == pytest.approx(2 / 900, rel=0.05)  # Xavier
    assert not any(p.any() for p in model.parameters() if p.ndim == 1)


def test_central_differences_and_the_weights_stay(page):
    model, X, y = task(page, 6, 5, 3)
    before = model[0].weight.detach().clone()
    (right,) = torch.autograd.grad(page["loss"](model, X, y), model[0].weight)
    for i in (0, 7, 29):
        found = page["central_difference"](model, X, y, model[0].weight, i, 1e-5)
        assert found == pytest.approx(right.flatten()[i].item(), abs=1e-8)
    assert torch.equal(before, model[0].weight)


def test_a_directional_derivative_is_gradient_times_direction(page):
    model, X, y = task(page, 6, 5, 3)
    tangents = {k: torch.randn_like(p) for k, p in model.named_parameters()}
    found = page["directional_derivative"](model, X, y, tangents)
    right = torch.autograd.grad(page["loss"](model, X, y), list(model.parameters()))
    expected = sum((g * v).sum() for g, v in zip(right, tangents.values(), strict=True))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("depth", [1, 4, 9, 12])
def test_checkpoints_change_no_gradient(page, depth, monkeypatch):
    model, X, y = task(page, 6, *[5] * (depth + 1), 3)
    lengths, real = [], page["checkpoint"]

    def counted(block, *arguments, **options):
        lengths.append(len(block))
        return real(block, *arguments, **options)

    monkeypatch.setitem(page, "checkpoint", counted)
    plain, less = page["loss"](model, X, y), page["checkpointed_loss"](model, X, y)
    torch.testing.assert_close(plain, less)
    ours, theirs = (torch.autograd.grad(v, list(model.parameters())) for v in (less, plain))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    assert sum(lengths) == 2 * depth
    assert lengths[0] == 2 * round(depth**0.5)


@pytest.mark.parametrize("depth", [1, 3])
def test_jacobians_by_hand(page, depth):
    weights = [torch.randn(6, 6, dtype=torch.float64) / 3 for _ in range(depth + 1)]
    x = torch.randn(6, dtype=torch.float64)
    model = page["mlp"](*[6] * (depth + 2)).double()
    matrices = [p for p in model.parameters() if p.ndim == 2]
    with torch.no_grad():
        for p, W in zip(matrices, weights, strict=True):
            p.copy_(W)
    forward, reverse = page["layers_by_hand"]([W.float() for W in weights], x.float())
    right = torch.autograd.functional.jacobian(model, x).float()
    torch.testing.assert_close(forward(), right, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(reverse(), right, rtol=1e-4, atol=1e-5)


def test_forward_gradients_are_right_on_average(page):
    model, X, y = task(page, 3, 2, 2)
    right = page["step_by_backpropagation"](model, X, y)
    sums = [torch.zeros_like(g) for g in right]
    for _ in range(1000):
        for total, g in zip(sums, page["step_by_forward_gradient"](model, X, y), strict=True):
            total += g / 1000
    length = torch.cat([g.flatten() for g in right]).norm()
    for total, g in zip(sums, right, strict=True):
        assert (total - g).abs().max() < 0.15 * length


def test_gradient_reversal_turns_the_gradient_only(page):
    X = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    out = page["GradientReversal"].apply(X)
    assert torch.equal(out, X)
    (out**2).sum().backward()
    torch.testing.assert_close(X.grad, -2 * X.detach(), rtol=0, atol=0)
