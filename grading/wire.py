"""Values as bytes, between the grader and a student's process: data only, no pickled code.

A message is a header of eight bytes (the length of the JSON that follows and of the raw bytes after
it), JSON, and the bytes of all tensors one after another. What is not data travels as a handle: a
number that stands for an object on the student's side.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import torch

HEADER = struct.Struct("!II")
LARGEST = 64 << 20  # bytes of one message
DEEPEST = 32  # lists in lists
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


class WireError(Exception):
    """A message that is not one: too large, cut off, or not of this form."""


class Handle:
    """Stands for an object that stays where it is.

    Args:
        number: names the object on the student's side.
        kind: what it is, for messages.
    """

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind = number, kind


def pack(value: Any, handle: Callable[[Any], Handle] | None = None) -> tuple[Any, list[bytes]]:
    """A value as JSON and raw bytes.

    Args:
        value: numbers, text, tensors, and lists, tuples and dictionaries of them.
        handle: makes a `Handle` for anything else; None refuses it.

    Returns:
        What `json.dumps` takes, and the bytes of the tensors in order.

    Raises:
        WireError: there is something that is not data, or lists in lists without end.
    """
    blobs: list[bytes] = []

    def encode(x: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise WireError("lists in lists, too deep")
        if x is None or type(x) in (bool, int, str):
            return x
        if type(x) is float:
            return x if math.isfinite(x) else {"float": repr(x)}
        if isinstance(x, torch.Tensor):
            return tensor(x)
        if isinstance(x, torch.dtype):
            return {"dtype": str(x).removeprefix("torch.")}
        if isinstance(x, torch.Size) or type(x) is tuple:
            return {"tuple": [encode(y, depth + 1) for y in x]}
        if type(x) is list:
            return [encode(y, depth + 1) for y in x]
        if isinstance(x, Mapping) and all(isinstance(k, str | int) for k in x):
            return {"dict": [[k, encode(v, depth + 1)] for k, v in x.items()]}
        if type(x).__module__ == "numpy":
            return encode(torch.as_tensor(x) if getattr(x, "ndim", 0) else x.item(), depth + 1)
        if isinstance(x, Handle):
            return {"handle": [x.number, x.kind]}
        if handle is None:
            raise WireError(f"{type(x).__name__} is not data")
        return encode(handle(x), depth)

    def tensor(x: torch.Tensor) -> Any:
        x = x.detach().cpu().contiguous()
        name = str(x.dtype).removeprefix("torch.")
        if name not in DTYPES or x.layout != torch.strided:
            raise WireError(f"a tensor of {name} can't be sent")
        blobs.append(bytes(x.reshape(-1).view(torch.uint8).numpy()) if x.numel() else b"")
        return {"tensor": [name, list(x.shape)]}

    return encode(value, 0), blobs


def unpack(tree: Any, raw: bytes, handle: Callable[[int, str], Any]) -> Any:
    """The value that `pack` made JSON and bytes of; every size is checked before it is believed.

    Args:
        tree: the JSON.
        raw: all raw bytes.
        handle: what to make of a handle's number and kind.

    Returns:
        The value.

    Raises:
        WireError: they do not fit together.
    """
    place = 0

    def decode(x: Any, depth: int) -> Any:
        nonlocal place
        if depth > 2 * DEEPEST:
            raise WireError("lists in lists, too deep")
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if isinstance(x, list):
            return [decode(y, depth + 1) for y in x]
        if not isinstance(x, dict) or len(x) != 1:
            raise WireError("unknown form")
        ((kind, body),) = x.items()
        if kind == "float" and body in ("inf", "-inf", "nan"):
            return float(body)
        if kind == "tuple" and isinstance(body, list):
            return tuple(decode(y, depth + 1) for y in body)
        if kind == "dict" and isinstance(body, list):
            return {key: decode(value, depth + 1) for key, value in body}
        if kind == "dtype" and body in DTYPES:
            return DTYPES[body]
        if kind == "handle":
            number, name = body
            return handle(int(number), str(name)[:80])
        if kind == "tensor":
            name, shape = body
            if not all(type(n) is int and n >= 0 for n in shape):
                raise WireError("a tensor's shape is not one")
            dtype = DTYPES[name]
            size = math.prod(shape) * dtype.itemsize
            if size > len(raw) - place:
                raise WireError("a tensor is cut off")
            data = bytearray(raw[place : place + size])
            place += size
            if not size:
                return torch.empty(shape, dtype=dtype)
            return torch.frombuffer(data, dtype=dtype).reshape(shape)
        raise WireError("unknown form")

    try:
        return decode(tree, 0)
    except WireError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise WireError(f"malformed: {error}") from None


def send(stream: BinaryIO, tree: Any, blobs: list[bytes]) -> None:
    """Write a message.

    Raises:
        WireError: it is larger than a message may be.
        OSError: nobody listens.
    """
    text, raw = json.dumps(tree, allow_nan=False).encode(), b"".join(blobs)
    if len(text) + len(raw) > LARGEST:
        raise WireError(f"a result of {(len(text) + len(raw)) >> 20} MB is too large")
    stream.write(HEADER.pack(len(text), len(raw)) + text + raw)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Any, bytes]:
    """Read a message.

    Returns:
        Its JSON and its raw bytes.

    Raises:
        EOFError: the other side has ended.
        WireError: what came is not a message.
    """

    def exactly(count: int) -> bytes:
        data = stream.read(count)
        if data is None or len(data) < count:
            raise EOFError("the other side has ended")
        return data

    text, raw = HEADER.unpack(exactly(HEADER.size))
    if text + raw > LARGEST:
        raise WireError("a message that is too large")
    body, rest = exactly(text), exactly(raw)
    try:
        return json.loads(body), rest
    except (ValueError, RecursionError):
        raise WireError("not JSON") from None
