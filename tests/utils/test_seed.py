"""Randomness can be repeated."""

import random

import numpy as np
import torch

from utils import generator, seed_everything


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()


def test_the_same_seed_gives_the_same_numbers_everywhere():
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_a_generator_is_undisturbed_by_other_draws():
    quiet = torch.rand(5, generator=generator(3))
    stream = generator(3)
    torch.rand(100)
    assert torch.equal(torch.rand(5, generator=stream), quiet)
