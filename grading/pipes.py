"""Messages over pipes whose other end may stall: each must be through by a deadline."""

from __future__ import annotations

import io
import os
import selectors
import time
from typing import Any

from grading import wire


class Late(Exception):
    """The deadline passed before the message was through."""


def write(pipe: int, tree: Any, blobs: list[bytes], deadline: float) -> None:
    """Write a message to a pipe that doesn't block.

    Raises:
        Late: the deadline, a time of `time.monotonic`, has passed.
        WireError: it is larger than a message may be.
        OSError: nobody listens.
    """
    buffer = io.BytesIO()
    wire.send(buffer, tree, blobs)
    data = memoryview(buffer.getvalue())
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_WRITE)
        while data:
            _wait(selector, deadline)
            data = data[os.write(pipe, data) :]


def read(pipe: int, deadline: float) -> tuple[Any, bytes]:
    """Read a message, as JSON and raw bytes, from a pipe that doesn't block.

    Raises:
        Late: the deadline, a time of `time.monotonic`, has passed.
        EOFError: the other side has ended.
        WireError: what came is not a message.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)

        def exactly(count: int) -> bytes:
            parts = bytearray()
            while len(parts) < count:
                _wait(selector, deadline)
                part = os.read(pipe, min(count - len(parts), 1 << 20))
                if not part:
                    raise EOFError("the other side has ended")
                parts += part
            return bytes(parts)

        head = exactly(wire.HEADER.size)
        text, raw = wire.HEADER.unpack(head)
        if text + raw > wire.LARGEST:
            raise wire.WireError("a message that is too large")
        return wire.receive(io.BytesIO(head + exactly(text + raw)))


def _wait(selector: selectors.BaseSelector, deadline: float) -> None:
    if not selector.select(max(0.0, deadline - time.monotonic())):
        raise Late
