"""Messages over pipes whose other end may stall: each must be through in a given time."""

from __future__ import annotations

import os
import selectors
import time
from typing import Any

from grading import wire

STEP = 0.1  # seconds; the most that one look at a pipe counts


class Late(Exception):
    """The time was up before the message was through."""


class Clock:
    """Time that the other end may still take.

    It runs only while the grader waits for the pipe, and a single look counts `STEP` at most. So a
    stall of the grader's own (a slow disk, a thread that keeps the interpreter for itself, a
    machine that was asleep) is never charged to the student.

    Args:
        seconds: that it may take.
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self, selector: selectors.BaseSelector, other: Clock) -> None:
        """Wait until the pipe is ready; this clock and another one run meanwhile.

        Raises:
            Late: the time of one of them was up, and the pipe was still not ready.
        """
        while True:
            step = max(0.0, min(STEP, self.left, other.left))
            before = time.monotonic()
            ready = selector.select(step)
            spent = min(step, time.monotonic() - before)
            self.left -= spent
            other.left -= spent
            if ready:
                return
            if step == 0.0:
                raise Late


def write(pipe: int, tree: Any, blobs: list[memoryview], call: Clock, total: Clock) -> None:
    """Write a message to a pipe that doesn't block.

    Raises:
        Late: the time of the call or in total was up.
        WireError: it is larger than a message may be.
        OSError: nobody listens.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_WRITE)
        for part in wire.parts(tree, blobs, wire.INTO):
            data = memoryview(part)
            while data:
                call.wait(selector, total)
                data = data[os.write(pipe, data) :]


def read(pipe: int, call: Clock, total: Clock) -> tuple[Any, bytes]:
    """Read a message, as JSON and raw bytes, from a pipe that doesn't block.

    Raises:
        Late: the time of the call or in total was up.
        EOFError: the other side has ended.
        WireError: what came is not a message.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)

        def exactly(count: int) -> bytes:
            parts = bytearray()
            while len(parts) < count:
                call.wait(selector, total)
                part = os.read(pipe, min(count - len(parts), 1 << 20))
                if not part:
                    raise EOFError("the other side has ended")
                parts += part
            return bytes(parts)

        text, raw = wire.sizes(exactly(wire.HEADER.size), wire.BACK)
        body = exactly(text)
        return wire.parse(body), exactly(raw)
