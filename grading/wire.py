"""Values as bytes, between the grader and a student's process: data only, no pickled code.

A message is a header of eight bytes (the length of the JSON that follows and of the raw bytes after
it), JSON, and the bytes of all tensors one after another. What is not data travels as a handle: a
number that stands for an object on the student's side.

Everything has a bound, and each is checked before it costs anything: bytes, values, depth, and the
sizes of tensors, also of those without an element.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, BinaryIO

import torch

HEADER = struct.Struct("!II")
TEXT = 8 << 20  # bytes of a message's JSON
INTO = 80 << 20  # raw bytes of a message into the sandbox: a whole file that was handed in
BACK = 16 << 20  # raw bytes of an answer: a comparison makes several copies of it, wider ones
NODES = 200_000  # values in a message
TENSORS = 10_000  # of them
DEEPEST = 32  # lists in lists
DIMENSIONS = 16
EMPTY = 1 << 20  # what the sizes of a tensor without an element may come to, its zeros left out
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.S)
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


def pack(value: Any, handle: Callable[[Any], Handle] | None = None) -> tuple[Any, list[memoryview]]:
    """A value as JSON and raw bytes.

    Args:
        value: numbers, text, tensors, and lists, tuples and dictionaries of them.
        handle: makes a `Handle` for anything else; None refuses it.

    Returns:
        What `json.dumps` takes, and the bytes of the tensors in order.

    Raises:
        WireError: there is something that is not data, lists in lists without end, or too much.
    """
    blobs: list[memoryview] = []
    left = NODES

    def encode(x: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise WireError(f"more than {NODES:,} values at once; a tensor counts as one")
        if depth > DEEPEST:
            raise WireError("lists in lists, too deep")
        if x is None or type(x) in (bool, int):
            return x
        if type(x) is str:
            return clean(x)
        if type(x) is float:
            return x if math.isfinite(x) else {"float": repr(x)}
        if isinstance(x, str):  # a subclass, such as an enumeration of letters
            return clean(str.__str__(x))
        if isinstance(x, Fraction):
            return encode(x.numerator / x.denominator, depth)
        if isinstance(x, torch.Tensor):
            return tensor(x)
        if isinstance(x, torch.dtype):
            return {"dtype": str(x).removeprefix("torch.")}
        if isinstance(x, torch.Size) or type(x) is tuple:
            return {"tuple": [encode(y, depth + 1) for y in x]}
        if type(x) is list:
            return [encode(y, depth + 1) for y in x]
        if isinstance(x, Mapping) and all(isinstance(k, str | int) for k in x):
            return {"dict": [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in x.items()]}
        if type(x).__module__ == "numpy":
            return encode(torch.as_tensor(x) if getattr(x, "ndim", 0) else x.item(), depth + 1)
        if isinstance(x, Handle):
            return {"handle": [x.number, clean(x.kind)]}
        if handle is None:
            raise WireError(f"{type(x).__name__} is not data")
        return encode(handle(x), depth)

    def tensor(x: torch.Tensor) -> Any:
        name = str(x.dtype).removeprefix("torch.")
        if name not in DTYPES or x.layout != torch.strided:
            raise WireError(f"a tensor of {name} can't be sent")
        check_shape(list(x.shape))
        if len(blobs) >= TENSORS:
            raise WireError(f"more than {TENSORS:,} tensors at once")
        if x.numel() * x.element_size() > INTO:  # a view may be far larger than its memory
            raise WireError(f"a tensor of shape {list(x.shape)} is too large")
        x = x.detach().cpu().contiguous()
        flat = x.reshape(-1).view(torch.uint8) if x.numel() else torch.empty(0, dtype=torch.uint8)
        blobs.append(flat.numpy().data)
        return {"tensor": [name, list(x.shape)]}

    return encode(value, 0), blobs


def unpack(tree: Any, raw: bytes | bytearray, handle: Callable[[int, str], Any]) -> Any:
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
    place, left, tensors = 0, NODES, TENSORS

    def decode(x: Any, depth: int) -> Any:
        nonlocal place, left
        left -= 1
        if left < 0:
            raise WireError(f"more than {NODES:,} values at once")
        if depth > 2 * DEEPEST:
            raise WireError("lists in lists, too deep")
        if isinstance(x, str):
            return clean(x)
        if x is None or isinstance(x, bool | int | float):
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
            return {key(name): decode(value, depth + 1) for name, value in body}
        if kind == "dtype" and body in DTYPES:
            return DTYPES[body]
        if kind == "handle":
            number, name = body
            return handle(int(number), clean(str(name)[:80]))
        if kind == "tensor":
            return tensor(*body)
        raise WireError("unknown form")

    def key(x: Any) -> str | int:
        if not isinstance(x, str | int):
            raise WireError("a dictionary's key is neither text nor a whole number")
        return clean(x) if isinstance(x, str) else x

    def tensor(name: str, shape: list[int]) -> torch.Tensor:
        nonlocal place, tensors
        tensors -= 1
        if tensors < 0:
            raise WireError(f"more than {TENSORS:,} tensors at once")
        check_shape(shape)
        dtype = DTYPES[name]
        size = math.prod(shape) * dtype.itemsize
        if size > len(raw) - place:
            raise WireError("a tensor is cut off")
        if not size:
            return torch.empty(shape, dtype=dtype)
        data = bytearray(memoryview(raw)[place : place + size])
        place += size
        if dtype == torch.bool:  # a byte that is neither 0 nor 1 would be neither True nor False
            return torch.frombuffer(data, dtype=torch.uint8).ne(0).reshape(shape)
        return torch.frombuffer(data, dtype=dtype).reshape(shape)

    try:
        return decode(tree, 0)
    except WireError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WireError(f"malformed: {error}") from None


def clean(text: str) -> str:
    """Text that every file can hold: half a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def check_shape(shape: list[int]) -> None:
    """See that a tensor's sizes are some, and cheap also where there is no element.

    Raises:
        WireError: they aren't.
    """
    if type(shape) is not list or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise WireError("a tensor's shape is not one")
    if len(shape) > DIMENSIONS:
        raise WireError(f"a tensor of {len(shape)} dimensions; {DIMENSIONS} are allowed")
    if 0 in shape and math.prod(n for n in shape if n) > EMPTY:
        raise WireError(f"a tensor of shape {shape}, which is empty and yet too large")


def send(stream: BinaryIO, tree: Any, blobs: list[memoryview], most: int = BACK) -> None:
    """Write a message.

    Args:
        stream: where to.
        tree: what `pack` made, JSON.
        blobs: and raw bytes.
        most: raw bytes that are allowed.

    Raises:
        WireError: it is larger than a message may be.
        OSError: nobody listens.
    """
    for part in parts(tree, blobs, most):
        stream.write(part)
    stream.flush()


def parts(tree: Any, blobs: list[memoryview], most: int) -> list[bytes | memoryview]:
    """A message's bytes one after another; tensors are not copied.

    Raises:
        WireError: it is larger than a message may be.
    """
    text, raw = json.dumps(tree, allow_nan=False, ensure_ascii=False).encode(), sum(map(len, blobs))
    for size, allowed in ((len(text), TEXT), (raw, most)):
        if size > allowed:
            raise WireError(
                f"a result of {size / (1 << 20):.0f} MB is too large; {allowed >> 20} are allowed"
            )
    return [HEADER.pack(len(text), raw) + text, *blobs]


def sizes(head: bytes, most: int) -> tuple[int, int]:
    """The bytes of JSON and the raw bytes that a header promises.

    Raises:
        WireError: they are more than a message may have.
    """
    text, raw = HEADER.unpack(head)
    if text > TEXT or raw > most:
        raise WireError("a message that is too large")
    return text, raw


def parse(text: bytes) -> Any:
    """JSON, whose cost is known before it is read.

    Raises:
        WireError: it isn't JSON, or holds too many values.
    """
    if text.count(b'"') > 4 * NODES:
        raise WireError("too many pieces of text at once")
    outside = STRING.sub(b"", text)  # a comma in a text is no sign of a value
    if sum(outside.count(byte) for byte in (b"[", b"{", b",")) > 2 * NODES:
        raise WireError(f"more than {NODES:,} values at once")
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WireError("not JSON") from None


def receive(stream: BinaryIO, most: int = INTO) -> tuple[Any, bytes]:
    """Read a message.

    Args:
        stream: from where.
        most: raw bytes that are allowed.

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

    text, raw = sizes(exactly(HEADER.size), most)
    body = exactly(text)
    return parse(body), exactly(raw)
