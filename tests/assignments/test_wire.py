"""Messages between the grader and a student's process: data only, and little of it."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from grading import wire
from grading.worker import Worker


def message(value: object, most: int = wire.INTO) -> bytes:
    stream = io.BytesIO()
    wire.send(stream, *wire.pack(value), most)
    return stream.getvalue()


def read(data: bytes, most: int = wire.INTO) -> object:
    return wire.unpack(*wire.receive(io.BytesIO(data), most), lambda number, kind: (number, kind))


def raw(text: bytes) -> bytes:
    return wire.HEADER.pack(len(text), 0) + text


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """Fail if Python takes more memory meanwhile."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] >> 20 < megabytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 2_000_000 + b"[]]",
        b"[" + b"{}," * 2_000_000 + b"{}]",
        b"[" + b"1.5," * 1_000_000 + b"1]",
        b"[" + b'"\\u00e9",' * 500_000 + b"1]",
        b'"' * wire.TEXT,
        b'"' + b'\\"' * (wire.TEXT // 2 - 1),
        b'\\"' * (wire.TEXT // 2),
        b"[" * wire.TEXT,
        b"[" * 100_000,
        b"9" * wire.TEXT,
        b'{"a":' * 100_000,
        b"\xff\xfe[\x00]\x00",
        b"\xff\xff",
        b"",
    ],
    ids=lambda text: f"{text[:6]!r} {len(text)}",
)
def test_costly_json_is_refused_before_it_costs(text: bytes) -> None:
    data, started = raw(text), time.process_time()
    with at_most(100), pytest.raises(wire.WireError):
        read(data)
    assert time.process_time() - started < 3


def test_a_long_text_with_commas_is_one_value() -> None:
    cells = ["x = [" + "1, " * 300_000 + '"a, [b\\"c", {}]\n', "é" * 500_000]
    assert read(message(cells)) == cells


def test_a_whole_file_travels_in_and_large_results_do_not_come_back() -> None:
    data = bytearray(b"x" * (64 << 20))
    sent = torch.frombuffer(data, dtype=torch.uint8)
    back = read(message({"name": "a.ipynb", "data": sent}))
    assert torch.equal(back["data"], sent)
    with pytest.raises(wire.WireError, match="64 MB is too large; 16 are allowed"):
        message(sent, wire.BACK)
    with pytest.raises(wire.WireError, match="too large"):
        read(message(sent), wire.BACK)


@pytest.mark.parametrize(
    "value",
    [
        torch.empty(40_000_000, 0),
        torch.empty(0, 2000, 2000),
        torch.empty(1).expand(10**12),
        torch.empty([1] * 40),
        [0] * (wire.NODES + 1),
        [[] for _ in range(wire.NODES + 1)],
        [torch.empty(0)] * (wire.TENSORS + 1),
        dict.fromkeys(range(wire.NODES), 0),
    ],
    ids=[
        "empty rows",
        "empty blocks",
        "a view",
        "dimensions",
        "numbers",
        "lists",
        "tensors",
        "dict",
    ],
)
def test_too_much_is_refused_where_it_is_sent(value: object) -> None:
    with pytest.raises(wire.WireError):
        wire.pack(value)


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": ["float32", [40_000_000, 0]]},
        {"tensor": ["float32", [10**30, 0]]},
        {"tensor": ["float32", [1] * 40]},
        {"tensor": ["float32", "12"]},
        {"tensor": ["float32", {"1": 1}]},
        {"tensor": [["float32"], [1]]},
        {"tensor": ["float32", [True]]},
        {"tensor": ["float32", [1.0]]},
        {"tensor": ["float32"]},
        {"dict": [[[1], 2]]},
        {"dict": [[None, 2]]},
        {"dict": [[1.5, 2]]},
        {"dict": {"a": 1}},
        {"float": "1"},
        {"float": ["inf"]},
        {"dtype": ["float32"]},
        {"handle": [float("inf"), "x"]},
        {"handle": [float("nan"), "x"]},
        {"handle": [1]},
        {"tuple": {"a": 1}},
        [0] * (wire.NODES + 1),
        [{"tensor": ["float32", [0]]}] * (wire.TENSORS + 1),
    ],
    ids=lambda tree: str(tree)[:40],
)
def test_nonsense_is_refused(tree: object) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(tree, b"\0" * 100, lambda number, kind: (number, kind))


def test_text_is_text() -> None:
    half = "a\ud83d"
    assert read(message([half, {half: 1}])) == ["a?", {"a?": 1}]
    # who sends may be the student's code
    assert read(raw(json.dumps([half, {"dict": [[half, 1]]}]).encode())) == ["a?", {"a?": 1}]
    assert read(raw(json.dumps({"handle": [0, half]}).encode())) == (0, "a?")
    assert read(message("😀 é\0")) == "😀 é\0"


def test_a_boolean_is_true_or_false() -> None:
    back = wire.unpack({"tensor": ["bool", [3]]}, b"\x00\x01\x02", lambda *handle: handle)
    assert back.tolist() == [False, True, True]
    assert torch.equal(back, torch.tensor([False, True, True]))


def test_empty_tensors_keep_their_shape() -> None:
    for shape in ((0,), (2, 0), (0, 3, 4), (1000, 0)):
        assert read(message(torch.empty(shape))).shape == shape


def test_sending_a_file_needs_no_copy_of_it() -> None:
    tensor = torch.zeros(64 << 20, dtype=torch.uint8)
    with at_most(1):
        assert sum(map(len, wire.parts(*wire.pack({"data": tensor}), wire.INTO))) > 64 << 20


def test_gradients_are_found_where_a_cell_has_switched_them_off() -> None:
    with torch.set_grad_enabled(False):
        _, found = Worker().gradients(lambda X: 2 * X, [torch.ones(3)], {})
    assert found.tolist() == [-2.0, 0.0, 2.0]
