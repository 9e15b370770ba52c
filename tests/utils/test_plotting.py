"""Figures: what is drawn, in which form it is stored, and that it stays the same."""

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from utils import plotting
from utils.plotting import animate, curves, heatmap, image_grid


@pytest.fixture(autouse=True)
def style():
    with plt.style.context(plotting.STYLE):
        yield
    plt.close("all")


def test_repetitions_become_a_mean_in_a_band():
    ax = curves(
        [1, 2], {"a": [[0, 2], [2, 4]], "b": torch.tensor([1.0, 1.0])}, xlabel="x", ylabel="y"
    )
    assert list(ax.lines[0].get_ydata()) == [1, 3] and len(ax.collections) == 1
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]


def test_lines_differ_without_colour():
    ax = curves([1, 2], {str(i): [i, i] for i in range(4)}, xlabel="x", ylabel="y")
    assert len({line.get_linestyle() for line in ax.lines}) == 4


def test_a_series_of_another_length_is_named():
    with pytest.raises(ValueError, match="'a' has 3 values for 2 points"):
        curves([1, 2], {"a": [1, 2, 3]}, xlabel="x", ylabel="y")


def test_a_diverging_heat_map_is_white_at_zero_and_numbers_can_be_read():
    ax = heatmap(
        [[-1.0, 2.0]], xlabel="x", ylabel="y", label="z", xticks=["p", "q"], yticks=["r"],
        diverging=True, annotate=".1f",
    )  # fmt: skip
    assert ax.images[0].get_clim() == (-2, 2)
    assert [t.get_text() for t in ax.texts] == ["-1.0", "2.0"]


@pytest.mark.parametrize("shape", [(5, 4, 4), (5, 1, 4, 4), (5, 3, 4, 4)])
def test_images_of_any_layout(shape):
    figure = image_grid(torch.rand(shape), titles=list("abcde"), columns=3)
    assert sum(bool(ax.images) for ax in figure.axes) == 5


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="Expected"):
        image_grid(torch.rand(4, 4))
    with pytest.raises(ValueError, match="2 titles for 3 images"):
        image_grid(torch.rand(3, 4, 4), titles=["a", "b"])


def test_lines_are_drawings_and_images_are_pictures():
    assert not plotting._is_picture(curves([1, 2], {"a": [1, 2]}, xlabel="x", ylabel="y").figure)
    assert plotting._is_picture(image_grid(torch.rand(1, 4, 4)))
    figure, ax = plt.subplots()
    ax.scatter(np.arange(3000), np.arange(3000))
    assert plotting._is_picture(figure)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_figure_gives_the_same_bytes(kind):
    def draw():
        return curves([1, 2], {"a": [1, 2], "b": [2, 1]}, xlabel="x", ylabel="y").figure

    assert plotting._bytes(draw(), kind) == plotting._bytes(draw(), kind)


def test_an_animation_plays_without_another_host_and_is_described():
    def make():
        figure, ax = plt.subplots(figsize=(2, 1))
        return animate(
            figure, lambda k: ax.set_title(k), range(3), alt='A "title" that counts'
        ).data

    page = make()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert 'alt="A &quot;title&quot; that counts"' in page
    assert 'aria-label="frame"' in page and 'class="fa' not in page
    assert page == make()
