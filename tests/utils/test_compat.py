"""The peer, importable also where torchvision's compiled operators are missing."""

import importlib
import subprocess
import sys
from types import ModuleType

import matplotlib
import pytest
import torch

from tools.book import ROOT
from utils import compat


def test_d2l_imports_and_computes():
    from utils.compat import d2l

    assert d2l.__name__ == "d2l.torch"
    scores = d2l.masked_softmax(torch.zeros(1, 1, 4), torch.tensor([2]))
    assert scores.tolist() == [[[0.5, 0.5, 0.0, 0.0]]]


def test_it_is_imported_when_it_is_asked_for():
    code = "import sys, utils.compat; assert 'd2l' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    with pytest.raises(AttributeError, match="no attribute 'tensorflow'"):
        _ = compat.tensorflow


def test_transforms_import_and_compute():
    from utils.compat import v2

    X = torch.rand(2, 3, 4, 5)
    assert torch.equal(v2.functional.horizontal_flip(X), X.flip(-1))


def test_d2l_leaves_matplotlib_alone():
    before = dict(matplotlib.rcParams)
    importlib.reload(compat.d2l)
    assert {k for k in before if before[k] != matplotlib.rcParams[k]} == set()


def test_missing_d2l_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(compat.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install --no-deps d2l==1.0.3"):
        compat.import_d2l()


def fail_to_import(monkeypatch, *errors):
    """Let importing torchvision fail with these errors, one after another, and then succeed."""
    left, module = list(errors), ModuleType("torchvision")

    def import_module(name: str) -> ModuleType:
        assert name == "torchvision"
        if left:
            raise RuntimeError(left.pop(0))
        return module

    monkeypatch.setattr(compat.importlib, "import_module", import_module)
    return module


def test_whatever_operator_is_missing_is_declared(monkeypatch):
    names = ("made_up", "also_made_up")
    errors = [f"operator torchvision::{name} does not exist" for name in names]
    module = fail_to_import(monkeypatch, *errors)
    assert compat.import_torchvision() is module
    for name in names:
        assert hasattr(torch.ops.torchvision, name)


def test_other_failures_are_passed_on(monkeypatch):
    fail_to_import(monkeypatch, "something else")
    with pytest.raises(RuntimeError, match="something else"):
        compat.import_torchvision()


def test_a_declaration_that_does_not_help_is_not_repeated(monkeypatch):
    fail_to_import(monkeypatch, *["operator torchvision::in_vain does not exist"] * 2)
    with pytest.raises(RuntimeError, match="in_vain"):
        compat.import_torchvision()
