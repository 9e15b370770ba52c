"""What the meters say, where the answer is known."""

import time

import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn

from utils.measure import peak_bytes, saved_bytes, seconds, time_ratio

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
