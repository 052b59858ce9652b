"""Views: any number of crops, turns and mixtures of a set's images, drawn by a seed.

Everything is integer arithmetic on the number of a view, so that view ``i`` of seed ``s`` is the same image
wherever it is made: in numpy or torch, in any batch, by any worker. Annex A of ``bitstream_spec.md`` states
the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt, prod
from types import ModuleType
from typing import Any, SupportsIndex

import numpy as np

from rudcodec.errors import SettingError
from rudcodec.payload import LabelNetwork, ViewRecipe
from rudcodec.whole_numbers import whole

LIMIT = 1 << 58
"""Seeds and numbers of views lie below it."""

_GOLDEN = 0x9E3779B97F4A7C15
_SLOTS = 32  # numbers of a view's own
_TRANSFORM = 8  # first slot of the first transform; the second one has the next eight
_ONE = 1 << 16
_AT_ONCE = 1 << 22  # samples that are sharpened in one piece

Array = Any
"""A numpy array or a torch tensor: what both spell alike is all that is used."""


@dataclass(frozen=True)
class Transform:
    """How one image becomes (half of) a view; arrays (n,), int32, but ``source`` int64.

    ``source``: index of the image; ``cosine``, ``sine``: of the turn, times the zoom, in 2**-16; ``x``,
    ``y``: where the centre of the view looks, in 2**-16 pixels from the image's; ``flip``: 0 or 1; ``gain``
    in 2**-8; ``offset`` in grey levels.
    """

    source: Array
    cosine: Array
    sine: Array
    x: Array
    y: Array
    flip: Array
    gain: Array
    offset: Array


@dataclass(frozen=True)
class ViewParameters:
    """The parameters of n views.

    A view is ``first`` outside a box and, where ``weight`` is below 256, also ``weight / 256`` inside it,
    ``second`` being the rest there. ``top``, ``left``, ``bottom``, ``right`` bound the box, in pixels; for a
    mixup it is the whole view. ``mixed`` lists the views that have a second transform, which ``second``,
    ``weight`` and the box are for. All int64.
    """

    first: Transform
    second: Transform
    mixed: Array
    weight: Array
    top: Array
    left: Array
    bottom: Array
    right: Array


def labelling(network: LabelNetwork | None) -> LabelNetwork:
    """The network of a file, which labels views. Raises SettingError if there is none."""
    if network is None:
        raise SettingError("the file has no label network to label views with")
    return network


def recipe_of(network: LabelNetwork) -> ViewRecipe:
    """How views for a label network are drawn. Raises SettingError if its file doesn't say."""
    if network.views is None:
        raise SettingError(
            "the file doesn't say, in words that this version understands, how views are drawn"
        )
    return network.views


def checked_numbers(seed: SupportsIndex, start: SupportsIndex, count: SupportsIndex) -> tuple[int, int, int]:
    """The same as Python's numbers. Raises SettingError if there are no views ``start .. start + count - 1``
    of a seed."""
    first = whole("number of the first view", start, 0, LIMIT - 1)
    most = LIMIT - first
    return whole("seed of views", seed, 0, LIMIT - 1), first, whole("number of views", count, 0, most)


def draw(recipe: ViewRecipe, shape: tuple[int, ...], seed: int, start: int, n: int) -> ViewParameters:
    """Parameters of views ``start .. start + n - 1`` of images of a ``shape`` (N, H, W, ...).

    numpy arrays. Raises SettingError, as :func:`checked_numbers`.
    """
    seed, start, n = checked_numbers(seed, start, n)
    count, height, width = shape[:3]
    words = _words(seed, start, n)
    first = _transform(recipe, count, height, width, words[:, _TRANSFORM : 2 * _TRANSFORM])
    kind = _below(words[:, 0], 256)
    mixed = np.flatnonzero(kind < recipe.mixup + recipe.cutmix)
    words = words[mixed]
    box = kind[mixed] >= recipe.mixup
    amount = _below(words[:, 1], 257)
    side = np.array([isqrt(v << 8) for v in amount.tolist()], dtype=np.int64).reshape(-1)  # in 1/256
    rows = np.where(box, (height * side + 128) >> 8, height)
    columns = np.where(box, (width * side + 128) >> 8, width)
    top = _below(words[:, 2], height - rows + 1)
    left = _below(words[:, 3], width - columns + 1)
    second = _transform(recipe, count, height, width, words[:, 2 * _TRANSFORM : 3 * _TRANSFORM])
    weight = np.where(box, 0, amount)
    return ViewParameters(first, second, mixed, weight, top, left, top + rows, left + columns)


def first_weights(parameters: ViewParameters, height: int, width: int) -> np.ndarray:
    """What fraction of each mixed view shows the first image: float32, for the views in ``mixed``."""
    box = (parameters.bottom - parameters.top) * (parameters.right - parameters.left) / (height * width)
    return np.asarray(1 - box * (1 - parameters.weight / 256), dtype=np.float32)


def _words(seed: int, start: int, n: int) -> np.ndarray:
    """uint64 (n, 32): outputs of SplitMix64 (Steele et al., 2014), numbered by view and slot."""
    key = _mixed(np.array([seed + _GOLDEN & (1 << 64) - 1], dtype=np.uint64))
    number = np.arange(start * _SLOTS, (start + n) * _SLOTS, dtype=np.uint64) + np.uint64(1)
    return _mixed(key + number * np.uint64(_GOLDEN)).reshape(n, _SLOTS)


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _below(words: np.ndarray, limit: Any) -> np.ndarray:
    """Uniform integers 0..limit-1 from the upper 32 bits; limits up to 2**31."""
    return ((words >> np.uint64(32)) * np.asarray(limit).astype(np.uint64) >> np.uint64(32)).astype(np.int64)


def _within(words: np.ndarray, limit: Any) -> np.ndarray:
    """Uniform integers -limit..limit."""
    return _below(words, 2 * np.asarray(limit) + 1) - limit


def _transform(recipe: ViewRecipe, count: int, height: int, width: int, words: np.ndarray) -> Transform:
    zoom = (recipe.zoom_min << 10) + _below(words[:, 1], (recipe.zoom_max - recipe.zoom_min << 10) + 1)
    sine = _within(words[:, 2], recipe.rotate << 8)
    cosine = np.array([isqrt((1 << 32) - v * v) for v in sine.tolist()], dtype=np.int64).reshape(-1)
    # a view smaller than its image may look at any place in it, and beyond by the shift
    reach = (recipe.shift << 10) + (np.maximum(_ONE - zoom, 0) >> 1)
    geometry = (
        zoom * cosine >> 16,
        zoom * sine >> 16,
        _within(words[:, 3], reach) * width,
        _within(words[:, 4], reach) * height,
        _below(words[:, 5], 1 + recipe.flip),
        256 + _within(words[:, 6], recipe.contrast),
        _within(words[:, 7], recipe.brightness),
    )
    return Transform(_below(words[:, 0], count), *(value.astype(np.int32) for value in geometry))


def sharpened(images: Array, recipe: ViewRecipe, xp: ModuleType) -> Array:
    """The images that views of uint8 (N, H, W, C) ``images`` show: the same, or sharpened copies of them."""
    if not recipe.sharpen:
        return images
    copies = xp.empty_like(images)
    step = max(1, _AT_ONCE // prod(images.shape[1:]))
    for start in range(0, len(images), step):
        copies[start : start + step] = _sharpened(images[start : start + step], recipe.sharpen, xp)
    return copies


def _sharpened(images: Array, amount: int, xp: ModuleType) -> Array:
    """An unsharp mask: what a binomial blur of 5 x 5 pixels takes away is added, ``amount / 64`` times."""
    pixels = images.astype(np.int32) if xp is np else images.to(xp.int32)
    blurred = pixels
    for axes in ((slice(None),), (slice(None), slice(None))):  # along columns, then along rows
        size = images.shape[len(axes)]
        places = [(_range(size, images, xp) + step).clip(0, size - 1) for step in range(-2, 3)]
        taps = [blurred[(*axes, place)] for place in places]
        blurred = taps[0] + taps[4] + 4 * (taps[1] + taps[3]) + 6 * taps[2]
    return (pixels + ((amount * (256 * pixels - blurred) + (1 << 13)) >> 14)).clip(0, 255)


def _range(stop: int, like: Array, xp: ModuleType) -> Array:
    """0..stop-1 as int32, which is faster than int64; sums with it stay below 2**31."""
    return xp.arange(stop, dtype=xp.int32, **({} if xp is np else {"device": like.device}))


def render_transform(images: Array, transform: Transform, xp: ModuleType) -> Array:
    """Bilinear samples, integers 0..255 as float32 (n, H, W, C); an image's edge goes on outside it."""
    height, width = images.shape[1:3]
    x = 2 * _range(width, images, xp)[None, None, :] + 1 - width
    y = 2 * _range(height, images, xp)[None, :, None] + 1 - height
    x = xp.where(transform.flip[:, None, None] > 0, -x, x)
    cosine, sine = transform.cosine[:, None, None], transform.sine[:, None, None]
    # from twice the offset to the centre, in 2**-16 pixels, to that from the first pixel's middle, in 2**-8
    u = (x * cosine - y * sine + 2 * transform.x[:, None, None] + (width - 1 << 16)) >> 9
    v = (x * sine + y * cosine + 2 * transform.y[:, None, None] + (height - 1 << 16)) >> 9
    u, v = u.clip(0, width - 1 << 8), v.clip(0, height - 1 << 8)
    left, top = u >> 8, v >> 8
    # rows of the set's pixels; samples are integers below 2**24, so that float32 carries them exactly
    pixels = images.reshape(-1, images.shape[3])
    here = transform.source[:, None, None] * (height * width) + top * width + left
    beside = (left < width - 1) * 1
    below = (top < height - 1) * width
    across, down = _carried(u & 255, xp), _carried(v & 255, xp)

    def tap(place: Array, weight: Array) -> Array:
        return _carried(pixels[place.reshape(-1)], xp) * weight.reshape(-1)[:, None]

    samples = tap(here, (256 - across) * (256 - down))
    samples += tap(here + beside, across * (256 - down))
    samples += tap(here + below, (256 - across) * down)
    samples += tap(here + beside + below, across * down)
    samples = xp.floor((samples + (1 << 15)) * 2.0**-16).reshape(-1, height, width, images.shape[3])
    gain, offset = (_carried(p, xp)[:, None, None, None] for p in (transform.gain, transform.offset))
    return (128 + xp.floor(((samples - 128) * gain + 128) * 2.0**-8) + offset).clip(0, 255)


def _carried(values: Array, xp: ModuleType) -> Array:
    return values.astype(np.float32) if xp is np else values.to(xp.float32)


def render(
    images: Array,
    parameters: ViewParameters,
    xp: ModuleType,
    transform: Callable[[Array, Transform, ModuleType], Array] = render_transform,
) -> Array:
    """Views of uint8 (N, H, W, C) images: uint8 (n, H, W, C).

    ``images`` and the arrays of ``parameters`` belong to ``xp``, numpy or torch (and there to one device).
    ``transform``: :func:`render_transform`, or what does the same faster.
    """
    views = transform(images, parameters.first, xp)
    if len(parameters.mixed):
        height, width = views.shape[1:3]
        rows = _range(height, images, xp)[None, :]
        columns = _range(width, images, xp)[None, :]
        down = (rows >= parameters.top[:, None]) & (rows < parameters.bottom[:, None])
        across = (columns >= parameters.left[:, None]) & (columns < parameters.right[:, None])
        inside = (down[:, :, None] & across[:, None, :])[..., None]
        first, second = views[parameters.mixed], transform(images, parameters.second, xp)
        weight = _carried(parameters.weight, xp)[:, None, None, None]
        both = xp.floor((first * weight + second * (256 - weight) + 128) * 2.0**-8)
        views[parameters.mixed] = xp.where(inside, both, first)
    return views.astype(np.uint8) if xp is np else views.to(xp.uint8)
