"""Views: the same picture for a seed and a number, whoever makes it; and the pictures one expects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rudcodec import SettingError, views
from rudcodec.label_network.rendering import make_renderer, on_device
from rudcodec.nets.speed import has_compiler
from rudcodec.payload import ViewRecipe

STILL = ViewRecipe(64, 64, 0, 0, False, 0, 0, 0, 0)


def some_images(count: int = 5, height: int = 7, width: int = 10, channels: int = 3) -> np.ndarray:
    shape = (count, height, width, channels)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def made(recipe: ViewRecipe, images: np.ndarray, start: int = 0, n: int = 40, seed: int = 3) -> np.ndarray:
    drawn = views.draw(recipe, images.shape, seed, start, n)
    return np.asarray(views.render(images, drawn, np))


def test_views_that_change_nothing_are_the_images() -> None:
    images = some_images()
    drawn = views.draw(STILL, images.shape, 0, 0, 40)
    assert set(drawn.first.source.tolist()) == set(range(len(images)))
    np.testing.assert_array_equal(views.render(images, drawn, np), images[drawn.first.source])


def test_every_second_view_is_mirrored() -> None:
    images = some_images()
    recipe = replace(STILL, flip=True)
    drawn = views.draw(recipe, images.shape, 0, 0, 200)
    expected = images[drawn.first.source]
    flipped = drawn.first.flip > 0
    assert 70 < flipped.sum() < 130
    expected[flipped] = expected[flipped, :, ::-1]
    np.testing.assert_array_equal(views.render(images, drawn, np), expected)


def test_a_turn_by_the_largest_sine() -> None:
    """Nearly a quarter: rows become columns, but for the edges."""
    image = np.tile(np.arange(0, 256, 16, dtype=np.uint8)[:, None], (1, 16))[None, :, :, None]
    turned = made(replace(STILL, rotate=255), image, n=400)[..., 0].astype(int)
    across = np.abs(np.diff(turned[:, 8], axis=1)).mean(1)
    assert across.max() > 14 and across.min() < 2


@pytest.mark.parametrize("recipe", [replace(STILL, mixup=255), replace(STILL, cutmix=255)])
def test_mixtures_show_both_images_in_their_parts(recipe: ViewRecipe) -> None:
    images = np.concatenate([np.zeros((1, 8, 8, 1), np.uint8), np.full((1, 8, 8, 1), 255, np.uint8)])
    drawn = views.draw(recipe, images.shape, 1, 0, 300)
    assert len(drawn.mixed) > 280
    mean = np.asarray(views.render(images, drawn, np))[drawn.mixed].mean((1, 2, 3)) / 255
    weight = views.first_weights(drawn, 8, 8)
    expected = weight * drawn.first.source[drawn.mixed] + (1 - weight) * drawn.second.source
    np.testing.assert_allclose(mean, expected, atol=0.003)
    assert weight.min() < 0.1 and weight.max() > 0.9


def test_sharpening_steepens_edges_and_leaves_flat_parts() -> None:
    images = np.full((2, 9, 12, 1), 100, np.uint8)
    images[1, :, 6:] = 140
    sharper = views.sharpened(images, replace(STILL, sharpen=64), np)
    assert (sharper[0] == 100).all() and (sharper[1, :, [0, 1, 2, 3]] == 100).all()
    assert (sharper[1, :, [8, 9, 10, 11]] == 140).all()
    # an edge of 40 loses 5/16 of it to the blur on either side, and 1/16 one pixel on
    assert sharper[1, 4, 4:8, 0].tolist() == [98, 88, 153, 143]
    assert views.sharpened(images, STILL, np) is images


@settings(max_examples=25)
@given(
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.integers(1, 9),
    st.sampled_from([(1, 1, 1), (8, 8, 1), (5, 9, 3)]),
    st.builds(
        ViewRecipe,
        zoom_min=st.integers(1, 64),
        zoom_max=st.integers(64, 127),
        shift=st.integers(0, 64),
        rotate=st.integers(0, 255),
        mixup=st.integers(0, 128),
        cutmix=st.integers(0, 128),
        contrast=st.integers(0, 255),
        brightness=st.integers(0, 255),
        sharpen=st.integers(0, 255),
    ),
)
def test_numpy_and_torch_make_the_same_views(
    seed: int, start: int, n: int, shape: tuple[int, int, int], recipe: ViewRecipe
) -> None:
    images = some_images(3, *shape)
    drawn = views.draw(recipe, images.shape, seed, start, n)
    here = np.asarray(views.render(views.sharpened(images, recipe, np), drawn, np))
    assert here.shape == (n, *shape) and here.dtype == np.uint8
    sharpened = views.sharpened(torch.from_numpy(images), recipe, torch)
    there = views.render(sharpened, on_device(drawn, "cpu"), torch)
    np.testing.assert_array_equal(here, there.numpy())


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(torch.device("cpu")), reason="torch.compile needs a C++ compiler")
def test_compiled_views_are_the_same() -> None:
    images, recipe = some_images(5, 12, 9), ViewRecipe(flip=True)
    render = make_renderer(use_compiler=True)
    for start in (0, 40, 80):  # other numbers of mixed views
        drawn = views.draw(recipe, images.shape, 0, start, 40)
        there = render(torch.from_numpy(images), on_device(drawn, "cpu"))
        np.testing.assert_array_equal(views.render(images, drawn, np), there.numpy())


def test_a_view_is_the_same_in_any_batch() -> None:
    images = some_images()
    whole = made(ViewRecipe(), images, 0, 64)
    parts = [made(ViewRecipe(), images, start, 16) for start in range(0, 64, 16)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (made(ViewRecipe(), images, seed=4)[:40] != whole[:40]).any()


@pytest.mark.parametrize(
    ("seed", "start", "n", "word"),
    [
        (views.LIMIT, 0, 1, "seed of views"),
        (-1, 0, 1, "seed of views"),
        ((1 << 64) + 3, 0, 1, "seed of views"),
        (0, views.LIMIT, 1, "first view"),
        (0, 1 << 59, 1, "first view"),
        (0, -1, 1, "first view"),
        (0, views.LIMIT - 1, 2, "number of views"),
        (0, 0, -1, "number of views"),
    ],
)
def test_numbers_out_of_range_are_refused(seed: int, start: int, n: int, word: str) -> None:
    """Never wrapped: each seed has views of its own."""
    with pytest.raises(SettingError, match=rf"{word}.*must be 0\.\."):
        views.draw(ViewRecipe(), (3, 8, 8), seed, start, n)


def test_the_last_views_of_the_last_seed() -> None:
    images = some_images()
    last = views.LIMIT - 1
    assert (made(ViewRecipe(), images, last - 3, 4, last) != made(ViewRecipe(), images, last - 3, 4, 0)).any()


def test_views_are_specified() -> None:
    """Pinned: files written with one version must give the same views with the next."""
    drawn = views.draw(ViewRecipe(), (10, 32, 32), 7, 1000, 3)
    found = {name: getattr(drawn.first, name).tolist() for name in ("source", "cosine", "sine", "x", "y")}
    assert found == PINNED


PINNED = {
    "source": [3, 2, 3],
    "cosine": [51937, 50808, 61551],
    "sine": [-1873, 5164, 4774],
    "x": [-129856, 107808, 102880],
    "y": [153376, -80064, -280128],
}
