"""What the meters say, where the answer is known."""

import math
import sys
import time

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn

from utils.measure import peak_bytes, resident_bytes, saved_bytes, seconds, time_ratio

MEGABYTE = 2**20


def megabyte() -> torch.Tensor:
    return torch.ones(MEGABYTE // 4)


def test_the_peak_counts_what_is_alive_together():
    def one_after_the_other():
        for _ in range(5):
            megabyte()

    def all_at_once():
        return [megabyte() for _ in range(5)]

    assert peak_bytes(one_after_the_other) == MEGABYTE
    assert peak_bytes(all_at_once) == 5 * MEGABYTE


def test_views_and_in_place_results_take_no_memory():
    x = megabyte()
    assert peak_bytes(lambda: x.view(2, -1).t().add_(1)) == 0
    assert peak_bytes(lambda: x * 2) == MEGABYTE


def test_the_backward_pass_is_counted():
    x = megabyte().requires_grad_()
    # exp keeps its result, and the gradient is as large
    assert 2 * MEGABYTE <= peak_bytes(lambda: x.exp().sum().backward()) <= 3 * MEGABYTE + 64


def test_forward_mode_is_counted_without_promised_zeros():
    x = megabyte()

    def tangent():
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(forward_ad.make_dual(x, x).exp()).tangent

    assert 2 * MEGABYTE <= peak_bytes(tangent) <= 3 * MEGABYTE


def test_what_is_saved_leaves_out_the_weights_and_counts_twins_once():
    layer = nn.Linear(256, 1024, bias=False)  # 1 MiB of weights
    x = torch.randn(1024, 256)  # 1 MiB
    assert saved_bytes(lambda: layer(x)) == MEGABYTE  # the input, for the weight's gradient
    v = torch.randn(MEGABYTE // 4, requires_grad=True) * 1.0
    assert saved_bytes(lambda: v * v) == MEGABYTE


def test_time_is_the_processors():
    work = torch.randn(200, 200)
    assert seconds(lambda: time.sleep(0.05), 0.1) < 0.01  # waiting is not work
    ratio = time_ratio(lambda: [work @ work for _ in range(8)], lambda: work @ work)
    assert 4 < ratio < 16


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the high-water mark")
def test_resident_memory_counts_what_operators_take_and_give_back():
    size = 40 * MEGABYTE

    def hidden_from_pytorch() -> None:
        bytearray(size)[::4096] = b"x" * (size // 4096)  # touched, then released

    X = torch.ones(size // 4)
    assert resident_bytes(lambda: None) < 0.1 * size
    assert resident_bytes(lambda: X + 1) == pytest.approx(size, rel=0.1)
    assert resident_bytes(lambda: (X + 1) * 2) == pytest.approx(2 * size, rel=0.1)
    assert resident_bytes(hidden_from_pytorch) == pytest.approx(size, rel=0.1)
    assert peak_bytes(hidden_from_pytorch) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the high-water mark")
def test_resident_memory_passes_on_what_goes_wrong_in_the_call():
    def reads_what_is_not_there() -> None:
        raise FileNotFoundError("of the call")

    with pytest.raises(FileNotFoundError, match="of the call"):
        resident_bytes(reads_what_is_not_there)


def test_resident_memory_is_unknown_where_the_system_does_not_say(monkeypatch):
    def not_there(*args: object, **kwargs: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.write_text", not_there)
    assert math.isnan(resident_bytes(megabyte))
