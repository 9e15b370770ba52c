"""Checkers of exercises say what is wrong in words."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from utils.check import (
    NotWritten,
    assert_close,
    assert_gradient_close,
    assert_same_gradients,
    checked_by,
    gradients,
    remark,
)


def doubles(answer):
    assert_close(answer(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))


def test_a_right_answer_is_right():
    assert remark(lambda x: 2 * x, doubles).state == "right"


@pytest.mark.parametrize("unwritten", [lambda x: None, lambda x: ...])
def test_a_stub_is_open(unwritten):
    assert remark(unwritten, doubles).state == "open"


def test_not_implemented_is_open_too():
    def stub(x):
        raise NotImplementedError

    said = remark(stub, doubles)
    assert said.state == "open" and "stub" in said.text


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda x: 3 * x, r"expected 2 at \[0\], got 3"),
        (lambda x: x.sum(), r"expected shape \(2,\), got \(\)"),
        (lambda x: "four", "expected a tensor or a number, got str"),
        (lambda x: x.colour, "AttributeError: 'Tensor' object has no attribute 'colour'"),
        (lambda x: x * math.nan, r"expected 2 at \[0\], got nan"),
    ],
)
def test_a_wrong_answer_is_told_why(answer, complaint):
    said = remark(answer, doubles)
    assert said.state == "wrong"

    assert re.search(complaint, said.text), said.text


def test_the_line_of_the_specification_is_quoted():
    def picky(answer):
        assert answer(1) == 2, "one must become two"

    said = remark(lambda x: x, picky).text
    assert "one must become two" in said and "(at: assert answer(1) == 2" in said


def test_the_decorator_shows_its_remark_and_returns_the_answer(capsys):
    @checked_by(doubles)
    def twice(x):
        return 2 * x

    assert twice(2) == 4
    assert "✓ twice" in capsys.readouterr().out


def test_checking_leaves_the_readers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    remark(lambda x: 2 * x, lambda f: doubles(f) or torch.rand(100))
    assert torch.equal(torch.rand(3), expected)


def test_python_numbers_are_compared_in_double_precision():
    assert_close(1 / 3, 1 / 3, tolerance=1e-16)
    with pytest.raises(AssertionError):
        assert_close(1 / 3 + 1e-12, 1 / 3, tolerance=1e-14)


class OnMPS(torch.Tensor):
    """A tensor as on Apple's GPUs, which have no double precision."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        wanted = {function, *args[1:], *(kwargs or {}).values()}
        if {torch.Tensor.double, torch.float64, torch.complex128} & wanted:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        plain = [arg.as_subclass(torch.Tensor) for arg in args[:1]]
        if function is torch.Tensor.cpu:
            return plain[0]
        return super().__torch_function__(function, types, args, kwargs or {})


def test_right_answers_are_right_on_a_device_without_double_precision():
    here = torch.tensor([1.0, 2.0])
    with pytest.raises(TypeError):
        here.as_subclass(OnMPS).double()
    assert_close(here.as_subclass(OnMPS), here)
    assert_close(here, here.as_subclass(OnMPS))
    assert remark(lambda x: (2 * x).as_subclass(OnMPS), doubles).state == "right"
    with pytest.raises(AssertionError, match=r"expected 3 at \[1\], got 2"):
        assert_close(here.as_subclass(OnMPS), torch.tensor([1.0, 3.0]))


@pytest.mark.parametrize(
    ("actual", "expected", "complaint"),
    [
        (1j, 0.0, r"expected 0, got 0\+1j"),
        (torch.tensor([1 + 1j]), torch.tensor([1 - 1j]), r"expected 1-1j at \[0\], got 1\+1j"),
        (torch.ones(1), torch.tensor([1 + 1j]), r"expected 1\+1j at \[0\], got 1"),
    ],
)
def test_imaginary_parts_are_compared(actual, expected, complaint):
    assert_close(actual, actual)
    with pytest.raises(AssertionError, match=complaint):
        assert_close(actual, expected)


@pytest.mark.parametrize("how", ["-O", "PYTHONOPTIMIZE"])
def test_nothing_is_checked_where_assertions_are_dropped(how):
    code = "def spec(f):\n    assert f(1) == 2\nfrom utils.check import remark\nremark(abs, spec)"
    command = [sys.executable, *([how] if how == "-O" else []), "-c", code]
    settings = os.environ | {"PYTHONOPTIMIZE": "" if how == "-O" else "1"}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "drops assertions: every answer would pass" in done.stderr


def test_arrays_and_infinities():
    assert_close(np.array([1.0, np.inf]), torch.tensor([1.0, math.inf], dtype=torch.float64))
    with pytest.raises(AssertionError):
        assert_close(torch.tensor(math.inf), torch.tensor(-math.inf))
    with pytest.raises(NotWritten):
        assert_close(None, torch.ones(2))


def test_gradients_that_differ_are_named():
    x, y = torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])
    inputs = {"x": x, "n": 2, "y": y}

    def reference(x, n, y):
        return x * y**n

    assert_same_gradients(reference, reference, inputs)
    for wrong, said in (
        (lambda x, n, y: x * y, r"^expected 144 at \[1\], got 24"),
        (lambda x, n, y: x * y.detach() ** n, "^the gradient at y is 0: no `detach`"),
        (lambda x, n, y: torch.from_numpy((x * y**n).detach().numpy()), "^the gradient at x is 0"),
        (lambda x, n, y: 2 * x * y**n - (x * y**n).detach(), r"^the gradient at x: expected -25"),
    ):
        with pytest.raises(AssertionError, match=said):
            assert_same_gradients(wrong, reference, inputs)
    with pytest.raises(NotWritten):
        assert_same_gradients(lambda x, n, y: None, reference, inputs)
    assert_gradient_close(torch.zeros(2), torch.zeros(2), "x")


def test_a_loss_has_its_own_gradient():
    x = torch.tensor([3.0, 4.0])
    assert gradients(torch.sum, x)[1].tolist() == [1, 1]
    assert gradients(lambda x: x[:1], x)[1].tolist() == [1, 0]
    assert gradients(lambda x: x, x)[1].tolist() == [-1, 1]


def test_the_remark_reads_well_on_a_page():
    page = remark(lambda x: "<b>", doubles)._repr_html_()
    assert "✗" in page and "<b>" not in page
