"""Values on the wire: what may travel comes back as it was, and nothing else does."""

from __future__ import annotations

import io

import pytest
import torch

from grading import wire


def there_and_back(value: object) -> object:
    tree, blobs = wire.pack(value)
    stream = io.BytesIO()
    wire.send(stream, tree, blobs)
    stream.seek(0)
    return wire.unpack(*wire.receive(stream), lambda number, kind: (number, kind))


@pytest.mark.parametrize(
    "value",
    [None, True, -3, 2.5, float("inf"), "é", [1, [2, (3, "x")]], {"a": 1, 2: [None]}, ()],
    ids=repr,
)
def test_plain_values_come_back(value: object) -> None:
    assert there_and_back(value) == value


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)], ids=str)
def test_tensors_come_back(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    sent = (3 * torch.randn(shape)).to(dtype)
    back = there_and_back([sent, sent.T if sent.ndim == 2 else sent])
    assert back[0].dtype == dtype and torch.equal(back[0], sent)


def test_objects_do_not_travel() -> None:
    with pytest.raises(wire.WireError, match="not data"):
        wire.pack(object())
    endless: list = []
    endless.append(endless)
    with pytest.raises(wire.WireError, match="deep"):
        wire.pack(endless)


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": ["float32", [10**12]]},
        {"tensor": ["float32", [-1]]},
        {"tensor": ["object", [1]]},
        {"tensor": 3},
        {"unknown": 1},
        {"a": 1, "b": 2},
        {"handle": ["x", "y"]},
        {"dict": [[1]]},
    ],
    ids=str,
)
def test_nonsense_is_refused(tree: object) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(tree, b"", lambda number, kind: number)


def test_a_message_that_claims_too_much_is_refused() -> None:
    with pytest.raises(wire.WireError, match="large"):
        wire.receive(io.BytesIO(wire.HEADER.pack(2**32 - 1, 0)))
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(wire.HEADER.pack(10, 0) + b"short"))
