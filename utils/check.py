"""Checkers for exercises: a specification that the reader can read, an answer at once.

A notebook states what must hold as a plain function of assertions, then hands the reader a stub::

    def spec(softplus):
        X = torch.linspace(-3, 3, 7)
        assert_close(softplus(X), F.softplus(X))

    @checked_by(spec)
    def softplus(X):
        ...  # your code here

Running the second cell says what is wrong, in words, or that all is well.
"""

import html
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from utils.answers import (
    NOTHING,
    RETURNS_NONE,
    NotWritten,
    is_stub,
    see_that_it_is_there,
    tensor_of,
)
from utils.errors import unknown
from utils.observe import observed as observed

if not __debug__:
    raise RuntimeError(
        "Python was started with -O or PYTHONOPTIMIZE, which drops assertions: every answer would "
        "pass. Unset PYTHONOPTIMIZE, then start Python (or the kernel's server) again."
    )

Answer = TypeVar("Answer", bound=Callable[..., object])
State = Literal["right", "wrong", "open"]
SYMBOLS: dict[State, str] = {"right": "✓", "wrong": "✗", "open": "○"}
COLOURS: dict[State, str] = {"right": "#009e73", "wrong": "#d55e00", "open": "#7f7f7f"}


@dataclass(frozen=True)
class Remark:
    """What the checker has to say; shows itself in a notebook and in a terminal."""

    state: State
    text: str

    def __repr__(self) -> str:
        return f"{SYMBOLS[self.state]} {self.text}"

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left:6px solid {COLOURS[self.state]};padding:.3em .9em">'
            f"{SYMBOLS[self.state]} {html.escape(self.text)}</div>"
        )


def _explain(spec: Callable[..., object], error: Exception) -> str:
    """The complaint in words, with the line of the specification that it came from."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.name == spec.__name__]
    line = f" (at: {lines[-1].line})" if lines and lines[-1].line else ""
    said = [text for text in str(error).splitlines() if text.strip()]
    first = " ".join(said[:3]) or "the assertion does not hold"
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return f"{kind}{first}{line}"


def remark(answer: Callable[..., object], spec: Callable[..., object]) -> Remark:
    """Hold an answer to a specification, a function that asserts what must hold of it.

    >>> def spec(double):
    ...     assert_close(double(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))
    >>> def double(x):
    ...     return 3 * x
    >>> remark(double, spec)
    ✗ double: expected 2 at [0], got 3...
    >>> def double(x): ...
    >>> remark(double, spec)
    ○ double: nothing here yet. Replace the dots and run the cell again.
    """
    return tried(getattr(answer, "__name__", "the answer"), spec, answer)


def tried(name: str, spec: Callable[..., object], *answers: object) -> Remark:
    """Hold answers that go by a name together to a specification of theirs.

    >>> def double(x):
    ...     2 * x
    >>> tried("double", lambda double: assert_close(double(2), 4), double)
    ✗ double: it returns None: is there a `return`?
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            spec(*answers)
    except (NotWritten, NotImplementedError) as error:
        said = str(error) if isinstance(error, NotWritten) else NOTHING
        if said == RETURNS_NONE and not any(map(is_stub, answers)):
            return Remark("wrong", f"{name}: {said}")
        if said in (NOTHING, RETURNS_NONE):
            said = "nothing here yet"
        return Remark("open", f"{name}: {said}. Replace the dots and run the cell again.")
    except Exception as error:  # whatever the reader's code raises, they are told
        return Remark("wrong", f"{name}: {_explain(spec, error)}")
    return Remark("right", f"{name}: every check of the specification holds.")


def checked_by(spec: Callable[..., object]) -> Callable[[Answer], Answer]:
    """A decorator that shows what `remark` says as soon as the answer is defined."""

    def decorate(answer: Answer) -> Answer:
        from IPython.display import display

        display(remark(answer, spec))
        return answer

    return decorate


def check(exercise: str, answer: Callable[..., object]) -> Remark:
    """Hold an answer to the checker of an exercise, in any notebook, without a network.

    The exercise is named by its label on a page of the book, as ``calculus-bug``. If it asks for
    several functions or classes, the answer's name says which it is.

    Raises:
        ValueError: there is no such exercise, or it asks for something else.
    """
    found = _exercises()
    if exercise not in found["exercises"]:
        raise ValueError(unknown("exercise", exercise, found["exercises"]))
    spec = _spec_for(answer, exercise, found["exercises"][exercise]["answers"])
    bench, before = _workbench(exercise), torch.get_default_dtype()
    torch.set_default_dtype(bench["default_dtype"])
    try:
        return remark(answer, bench[spec])
    finally:
        torch.set_default_dtype(before)


def _spec_for(answer: Callable[..., object], exercise: str, answers: dict[str, str]) -> str:
    """The specification that an answer is held to; its name decides, if there are several."""
    name, specs = getattr(answer, "__name__", ""), list(dict.fromkeys(answers.values()))
    if name in answers:
        return answers[name]
    if len(specs) == 1:
        return specs[0]
    asked = ", ".join(answers)
    raise ValueError(f"{exercise} asks for {asked}: define one of these, not {name!r}.")


@cache
def _exercises() -> dict[str, Any]:
    """What `utils.pages.gather` finds, or what a wheel carries of it."""
    from utils.pages import gather
    from utils.paths import chapters_folder, packed_exercises

    packed = packed_exercises()
    if packed is not None:
        return json.loads(packed.read_text(encoding="utf-8"))
    return gather(chapters_folder())


@cache
def _workbench(exercise: str) -> dict[str, Any]:
    """The checkers of an exercise, and all of its page that they need."""
    from utils.pages import run_what_is_needed

    found = _exercises()
    entry = found["exercises"][exercise]
    code = [*found["pages"][entry["page"]], *entry["code"]]
    return run_what_is_needed(code, set(entry["answers"].values()), entry["page"])


def _tensor(value: object) -> Tensor:
    """A tensor of the value, on the CPU and in double precision, which not all devices have."""
    if isinstance(value, Tensor):
        found = value.detach().cpu()
    else:  # Python's own numbers are double already
        kind = {float: torch.float64, complex: torch.complex128}.get(type(value))
        found = torch.as_tensor(value, dtype=kind, device="cpu")
    return found.to(torch.complex128 if found.is_complex() else torch.float64)


def assert_close(
    actual: object, expected: Tensor | float | complex, tolerance: float = 1e-5
) -> None:
    """Fail, in words, unless two tensors (or numbers) agree in shape and value.

    They may differ by ``tolerance``, relative to the larger of 1 and the expected size.

    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    Traceback (most recent call last):
    AssertionError: expected 3 at [1], got 2

    Raises:
        NotWritten: ``actual`` is ``None`` or an ellipsis: there is no answer yet.
        AssertionError: another type, shape, or value; the message says which and where.
    """
    see_that_it_is_there(actual)
    want = _tensor(expected)
    try:
        got = _tensor(actual)
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(
            f"expected a tensor or a number, got {type(actual).__name__}"
        ) from None
    if got.shape != want.shape:
        raise AssertionError(f"expected shape {tuple(want.shape)}, got {tuple(got.shape)}")
    error = (got - want).abs() / want.abs().clamp(min=1)
    error = torch.where((got == want) | (got.isnan() & want.isnan()), 0.0, error)
    if not bool((error <= tolerance).all()):
        worst = int(error.nan_to_num(torch.inf).argmax()) if error.ndim else 0
        place = torch.tensor(worst, device="cpu")
        at = tuple(int(i) for i in torch.unravel_index(place, error.shape))
        where = f" at {list(at)}" if at else ""
        value, wanted = got.reshape(-1)[worst].item(), want.reshape(-1)[worst].item()
        raise AssertionError(f"expected {wanted:.6g}{where}, got {value:.6g}")


def gradients(function: Callable[..., Any], *inputs: Any, **options: Any) -> list[Tensor]:
    """The output of a function, and the gradients of a fixed weighted sum of it.

    There is one gradient for each input of floating point, then one for each parameter if the
    function is a module. What the output does not depend on has the gradient 0.

    >>> x, y = torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])
    >>> gradients(torch.mul, x, y)  # the weights are -1 and 1
    [tensor([15., 24.], grad_fn=...), tensor([-5.,  6.]), tensor([-3.,  4.])]
    """
    if hasattr(function, "gradients"):  # a stand-in for a student's function, see `grading.remote`
        return function.gradients(*inputs, **options)
    given = [
        x.clone().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x
        for x in inputs
    ]
    output = tensor_of(function(*given, **options))
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    if output.numel() == 1:
        weights = -weights  # a loss has its own gradient
    leaves = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
    if isinstance(function, torch.nn.Module):
        leaves += list(function.parameters())
    total = (weights * output).sum()
    found: list[Tensor | None] = [None] * len(leaves)  # for what no gradient can flow through
    if total.requires_grad:
        found = list(torch.autograd.grad(total, leaves, allow_unused=True))
    return [output, *(torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found))]


def assert_same_gradients(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    inputs: Mapping[str, Any],
    tolerance: float = 1e-5,
) -> None:
    """Fail, in words, unless a function and its gradients are those of a reference.

    >>> x = torch.tensor([3.0, 4.0])
    >>> assert_same_gradients(lambda x: x.detach() ** 2, torch.square, {"x": x})
    Traceback (most recent call last):
    AssertionError: the gradient at x is 0: no `detach`, `no_grad` or NumPy may lie on the way

    Args:
        function: as `gradients` takes it.
        reference: as well.
        inputs: what both are called with, by name.
        tolerance: as `assert_close` takes it.

    Raises:
        NotWritten: there is no answer yet.
        AssertionError: the output differs, or the gradient at an input, which the message names.
    """
    ours, theirs = (gradients(f, *inputs.values()) for f in (function, reference))
    assert_close(ours[0], theirs[0], tolerance)
    names = [k for k, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()]
    for name, one, other in zip(names, ours[1:], theirs[1:]):
        assert_gradient_close(one, other, name, tolerance)


def assert_gradient_close(
    actual: Tensor, expected: Tensor, name: str, tolerance: float = 1e-5
) -> None:
    """Fail, in words that name the input, unless the gradient at it is as it should be.

    Raises:
        AssertionError: it isn't; the message says which and where.
    """
    try:
        assert_close(actual, expected, tolerance)
    except AssertionError as error:
        if expected.any() and not tensor_of(actual).any():
            raise AssertionError(
                f"the gradient at {name} is 0: no `detach`, `no_grad` or NumPy may lie on the way"
            ) from None
        raise AssertionError(f"the gradient at {name}: {error}") from None
