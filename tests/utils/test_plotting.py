"""Figures: what is drawn, in which form it is stored, and that it stays the same."""

import base64
import re

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tools import normalise
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
    for shape in ((0, 4, 4), (0, 3, 4, 4), (2, 0, 4)):
        with pytest.raises(ValueError, match="nothing to draw"):
            image_grid(torch.rand(shape))
    with pytest.raises(ValueError, match="columns=-1"):
        image_grid(torch.rand(3, 4, 4), columns=-1)


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


def an_animation(**options):
    figure, ax = plt.subplots(figsize=(2, 1))
    return animate(
        figure, lambda k: ax.set_title(k), range(3), alt='A "title" that counts', **options
    ).data


def test_an_animation_plays_without_another_host_and_is_described():
    page = an_animation()
    assert "http" not in page
    assert 'alt="A &quot;title&quot; that counts"' in page
    assert 'aria-label="frame"' in page and page.count('type="button" aria-label=') == 3
    assert page == an_animation()


def test_an_animation_is_one_picture_a_frame_all_of_one_size():
    page = an_animation(first=1)
    pictures = re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    assert len(pictures) == 4 and pictures[0] == pictures[2]  # the second, and then all three
    assert len(set(pictures)) == 3
    # width and height are bytes 16 to 23 of a PNG
    assert len({base64.b64decode(picture)[16:24] for picture in pictures}) == 1
    assert len(page) < 40_000


def test_an_animation_says_what_its_slider_says():
    page = an_animation(label=lambda k: f"rate {k / 10} </script>", slider='the "rate"', first=2)
    assert 'aria-label="the &quot;rate&quot;"' in page and 'value="2"' in page
    assert "<output>rate 0.2 &lt;/script&gt;</output>" in page
    assert page.count("</script>") == 1


def test_an_animation_needs_the_frame_that_it_starts_with():
    with pytest.raises(ValueError, match="first=3, but there are 3 frames"):
        an_animation(first=3)


def test_an_animation_survives_normalising():
    page = normalise.clean_html(an_animation(), "cell")
    assert normalise.clean_html(page, "cell") == page
    (name,) = set(re.findall(r"_anim_(?:box|img)([0-9a-f]{32})", page))
    assert name not in an_animation()
