"""What a call did is found out however it is written."""

import _thread
import functools
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import utils.nn
from utils.answers import NotWritten
from utils.observe import assert_draws_from, assert_no_loop, assert_not_called, observed

X, LARGER = torch.ones(3, 4), torch.ones(7, 9)


class Own(nn.Module):
    """Called as PyTorch's own, and written out."""

    def softmax(self, z: Tensor) -> Tensor:
        """It names log_softmax, and calls none."""
        return z.exp() / z.exp().sum(-1, keepdim=True)

    def forward(self, z: Tensor) -> Tensor:
        return self.softmax(z)


class Inherited(nn.LogSoftmax):
    pass


SOFTMAXES = {
    "a method": lambda z: z.softmax(-1),
    "a function": lambda z: F.log_softmax(z, -1),
    "itself, by another name": functools.partial(F.softmax, dim=-1),
    "torch.special": lambda z: torch.special.log_softmax(z, -1),
    "an operator": lambda z: torch.ops.aten._softmax(z, -1, False),
    "a module": nn.LogSoftmax(-1),
    "a subclass in a helper": lambda z: (lambda helper: helper(z))(Inherited(-1)),
    "by its name": lambda z: getattr(torch, "soft" + "max")(z, -1),
    "in vmap": torch.vmap(lambda row: row.softmax(0)),
    "in a distribution": lambda z: torch.distributions.Categorical(logits=z).logits,
    "where torch functions are off": lambda z: without_torch_function(torch.softmax, z, -1),
    "an operator there": lambda z: without_torch_function(torch.ops.aten._softmax, z, -1, False),
}


def without_torch_function(function: Callable[..., Tensor], *arguments: object) -> Tensor:
    with torch._C.DisableTorchFunction():
        return function(*arguments)


def engine(z: Tensor) -> object:
    leaf = z.clone().requires_grad_()
    run = torch.autograd.Variable._execution_engine.run_backward
    return run((leaf.sum(),), (torch.ones(()),), False, False, (leaf,), allow_unreachable=True)


def test_functions_written_in_c_are_seen() -> None:
    class Letters(dict[str, int]):
        pass

    for function, name in (
        (engine, "torch._C._EngineBase.run_backward"),
        (lambda z: np.logaddexp.reduce(z.numpy()), "numpy.logaddexp.reduce"),
        (lambda z: Letters(a=1).keys(), "builtins.dict.keys"),
        (lambda z: math.exp(z[0, 0]), "math.exp"),
        (lambda z: bytes.fromhex("00"), "builtins.bytes.fromhex"),
        (lambda z: z.new_tensor([1.0]), "torch.Tensor.new_tensor"),
    ):
        assert name in observed(function, X)["calls"]


def in_a_thread(z: Tensor) -> Tensor:
    found: list[Tensor] = []
    _thread.start_new_thread(lambda: found.append(z.softmax(-1)), ())
    while not found:
        time.sleep(0.001)
    return found[0]


def in_a_child(z: torch.Tensor) -> torch.Tensor:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return z


def unwatched(z: torch.Tensor) -> torch.Tensor:
    sys.setprofile(None)
    return z


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_what_hides_what_it_runs_is_refused() -> None:
    pool = ThreadPoolExecutor(1)
    for function in (
        in_a_thread,
        in_a_child,
        unwatched,
        lambda z: pool.submit(torch.softmax, z, -1).result(),
        lambda z: torch.jit.trace(lambda x: x.exp(), z)(z),
    ):
        with pytest.raises(AssertionError, match="which hides what it runs: write it out"):
            assert_not_called(observed(function, X), ("*softmax*",), "write it out")
    for scripted in (torch.jit.trace(torch.exp, X), torch.jit.script(Own())):
        with pytest.raises(AssertionError, match="TorchScript can't be looked into"):
            observed(scripted, X)


@pytest.mark.parametrize("way", SOFTMAXES)
def test_a_softmax_is_seen(way: str) -> None:
    seen = observed(SOFTMAXES[way], X)
    with pytest.raises(AssertionError, match="was not to be used: write it out"):
        assert_not_called(seen, ("*softmax*", "logsumexp"), "write it out")


def test_names_of_the_students_own_mean_nothing() -> None:
    for function in (Own(), Own().softmax, lambda softmax: softmax.exp()):
        assert_not_called(observed(function, X), ("*softmax*",), "")


def test_helpers_of_the_book_are_seen() -> None:
    for function in (utils.nn.sinusoidal_positions, lambda *n: utils.nn.sinusoidal_positions(*n)):
        with pytest.raises(AssertionError, match="sinusoidal_positions was called"):
            assert_not_called(observed(function, 3, 4), ("*sinusoidal*",), "")


def backward(z: Tensor) -> Tensor | None:
    leaf = z.clone().requires_grad_()
    leaf.square().sum().backward()
    return leaf.grad


@pytest.mark.parametrize(
    "function",
    [
        backward,
        torch.func.grad(lambda z: z.square().sum()),
        lambda z: torch.autograd.functional.jacobian(lambda y: y.square().sum(), z),
        lambda z: torch.autograd.grad((y := z.clone().requires_grad_()).sum(), y),
    ],
)
def test_automatic_differentiation_is_seen(function: Callable[..., object]) -> None:
    with pytest.raises(AssertionError):
        assert_not_called(observed(function, X), ("grad", "backward", "jacobian"), "")


def nested(z: Tensor) -> Tensor:
    return torch.tensor([[math.exp(v) for v in row] for row in z.tolist()])


LOOPS = {
    "for": lambda z: sum(row for row in z),
    "a comprehension": lambda z: torch.stack([row.exp() for row in z]),
    "lists": nested,
    "map": lambda z: torch.stack(list(map(torch.exp, z))),
    "reduce": functools.partial(functools.reduce, lambda a, b: a + b),
    "numpy": lambda z: np.apply_along_axis(lambda row: row * 2, 1, z.numpy()),
}


@pytest.mark.parametrize("way", LOOPS)
def test_a_loop_is_seen(way: str) -> None:
    with pytest.raises(AssertionError, match="there is a Python loop"):
        assert_no_loop(LOOPS[way], [X], [LARGER])


def test_what_is_no_loop() -> None:
    for function in (
        lambda z: z.exp().sum(-1),
        torch.vmap(lambda row: row.exp()),
        lambda z: torch.einsum("ij,kj->ik", z, z),
        lambda z: [size + 1 for size in z.shape] and z,
    ):
        assert_no_loop(function, [X], [LARGER])


def test_changed_arguments_are_named() -> None:
    def changes(a: Tensor, b: list[Tensor], c: dict[str, list[int]], d: Tensor) -> None:
        a.data.mul_(2)
        b[0].add_(1)
        c["x"].append(1)

    seen = observed(changes, torch.ones(2), [torch.ones(1)], c={"x": []}, d=torch.tensor(math.nan))
    assert seen["changed"] == [0, 1, "c"]


def test_random_numbers_are_drawn_from_the_generator() -> None:
    def mine(n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(n, generator=generator)

    assert_draws_from(mine, 5)
    seeded = lambda n, generator: torch.rand(n, generator=torch.Generator().manual_seed(1))  # noqa: E731
    for wrong, said in (
        (lambda n, generator: torch.rand(n), "global generator"),
        (seeded, "draws nothing"),
        (
            lambda n, generator: torch.rand(n, generator=generator) * 0 + np.random.rand(),
            "same seed",
        ),
    ):
        with pytest.raises(AssertionError, match=said):
            assert_draws_from(wrong, 5)
    with pytest.raises(NotWritten):
        assert_draws_from(lambda n, generator: None, 5)
