"""A user of its own for each sandbox, where the grader is root and may choose.

The kernel counts processes by user: sandboxes with the same one would take them from each other,
also those of two graders that run at the same time.
"""

from __future__ import annotations

import os
import socket

FIRST, COUNT = 61_000, 184  # no system gives these numbers to people or services


class User:
    """A user's number that no other sandbox on this machine has until it is given back.

    Args:
        start: where to begin to look, from 0.

    Attributes:
        number: the user's; None if the grader isn't root, and its sandboxes have users of their own
            anyway.

    Raises:
        OSError: all numbers are taken.
    """

    def __init__(self, start: int = 0) -> None:
        self.number: int | None = None
        self._held: socket.socket | None = None
        if os.geteuid() != 0:
            return
        for step in range(COUNT):
            number = FIRST + (start + step) % COUNT
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                held.bind(f"\0grading-{number}")  # a name, not a file: it goes with the process
            except OSError:
                held.close()
                continue
            self.number, self._held = number, held
            return
        raise OSError(f"{COUNT} sandboxes run already")

    def give_back(self) -> None:
        """Let others have it."""
        if self._held:
            self._held.close()
