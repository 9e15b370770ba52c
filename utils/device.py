"""Where tensors live: the GPU if there is one, unless the reader says otherwise."""

import os

import torch

KNOWN = ("cuda", "mps", "cpu")


def _is_available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    return True


def best_device() -> torch.device:
    """The fastest device here: ``cuda``, else ``mps``, else ``cpu``; ``$BOOK_DEVICE`` overrides.

    The book's helpers use it when they are not told one.

    Raises:
        ValueError: ``$BOOK_DEVICE`` names no device that the book knows.
        RuntimeError: ``$BOOK_DEVICE`` names a device that this machine lacks.
    """
    asked = os.environ.get("BOOK_DEVICE", "").strip().lower()
    if not asked:
        return torch.device(next(kind for kind in KNOWN if _is_available(kind)))
    kind, _, index = asked.partition(":")
    if kind not in KNOWN or not (index.isdigit() or not index):
        raise ValueError(f"BOOK_DEVICE={asked!r} is not a device; use one of {', '.join(KNOWN)}.")
    if not _is_available(kind):
        here = ", ".join(k for k in KNOWN if _is_available(k))
        raise RuntimeError(
            f"BOOK_DEVICE={asked} was asked for, but this machine has none; it has: {here}. "
            "Unset BOOK_DEVICE to use the best that is here."
        )
    return torch.device(asked)
