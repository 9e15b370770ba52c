"""Randomness that can be repeated, and moved: all seeds of the book come from here.

``$BOOK_SEED`` (an integer, 0 if unset) is added to every seed, so that whole notebooks run on other
random numbers: ``make replicate SEED=5000``.
"""

import os
import random

import numpy as np
import torch

FIRST = 100


def seeds(n: int) -> range:
    """The seeds of ``n`` repetitions.

    They do not begin at 0, so that a list of earlier results cannot be mistaken for an experiment:
    ``results[seed]`` fails.

    >>> list(seeds(3))
    [100, 101, 102]
    """
    return range(FIRST, FIRST + n)


def moved(seed: int) -> int:
    """The seed plus ``$BOOK_SEED``, for libraries that want a number (``random_state=moved(3)``).

    Raises:
        ValueError: ``$BOOK_SEED`` is not a whole number.
    """
    text = os.environ.get("BOOK_SEED") or "0"
    try:
        return seed + int(text)
    except ValueError:
        raise ValueError(f"BOOK_SEED is {text!r}; it has to be a whole number.") from None


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices), so that what follows can be repeated."""
    seed = moved(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A stream of random numbers of its own, which no other code can disturb.

    >>> bool((torch.rand(3, generator=generator(1)) == torch.rand(3, generator=generator(1))).all())
    True
    """
    return torch.Generator(device).manual_seed(moved(seed))
