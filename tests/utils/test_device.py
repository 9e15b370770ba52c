"""Devices: the best one, or the one that was asked for, or an error that says what exists."""

import pytest
import torch

from utils import best_device


def test_without_a_wish_it_is_one_that_is_here(monkeypatch):
    monkeypatch.delenv("BOOK_DEVICE", raising=False)
    device = best_device()
    assert torch.ones(2, device=device).sum().item() == 2


@pytest.mark.parametrize("asked", ["cpu", " CPU ", "cpu:0"])
def test_the_wish_is_granted(monkeypatch, asked):
    monkeypatch.setenv("BOOK_DEVICE", asked)
    assert best_device().type == "cpu"


@pytest.mark.parametrize("asked", ["gpu", "cuda:x", "tpu"])
def test_an_unknown_device_lists_those_that_exist(monkeypatch, asked):
    monkeypatch.setenv("BOOK_DEVICE", asked)
    with pytest.raises(ValueError, match="cuda, mps, cpu"):
        best_device()


def test_cuda_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setenv("BOOK_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="has none.*Unset BOOK_DEVICE"):
        best_device()


def test_the_gpu_comes_first(monkeypatch):
    monkeypatch.delenv("BOOK_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device() == torch.device("cuda")
