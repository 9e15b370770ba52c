"""Randomness that can be repeated."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices), so that what follows can be repeated.

    Args:
        seed: any integer from 0 to 2³² − 1.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A stream of random numbers of its own, which no other code can disturb.

    Args:
        seed: where the stream starts.
        device: where the numbers are drawn.

    Returns:
        A seeded ``torch.Generator``.
    """
    return torch.Generator(device).manual_seed(seed)
