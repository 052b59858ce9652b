"""How students are trained: recipes for images and for views of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rudcodec.augment import default_ops
from rudcodec.data import LabelledImages
from rudcodec.payload import Recipe, ViewRecipe

HARD_LR = 0.005  # on the images themselves, by Muon: docs/utilities.md has others
VIEW_STEPS, VIEW_SIDE = 8000, 28  # pictures of a smaller side have fewer views to see
VIEW_BPC = 5e4  # larger budgets: more pictures, better labels; up to twice as many steps, gentler views
# CIFAR-10, width 128, AdamW, judged on 5,000 training images. 128,000 wide views of 25 images a class: 1,000
# steps of 128 67.0 %, 2,000 of 64 67.7 (learning rate 0.0014: 67.5). 102,400 gentle ones: 400 of 256 57.1
# (learning rate 0.005: 55.8), 800 of 128 59.3.
VIEW_BATCH = 64
VIEW_LR = 0.005
# A view's smallest window, in 1/64 of the side: of few pictures and of many; and in pixels. Tried on 32 x 32.
LEAST_ZOOM, RICH_ZOOM, LEAST_WINDOW = 12, 24, 6


def default_recipe(data: LabelledImages, *, flip: bool | None = None) -> Recipe:
    """The recipe for students of ``data``, images with labels: its mean and standard deviation per channel,
    all augmentations (see :func:`rudcodec.augment.default_ops` for ``flip``), Muon."""
    pixels = data.images.reshape(-1, data.channels)
    # uint8 histograms: exact sums without a float copy of the set
    counts = np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(data.channels)])
    levels = np.arange(256)
    mean = counts @ levels / len(pixels)
    std = np.sqrt(np.maximum(counts @ levels**2 / len(pixels) - mean**2, 0))
    return hard_recipe(
        Recipe(
            mean=tuple(int(round(m)) for m in mean.tolist()),
            std=tuple(max(1, int(round(s))) for s in std.tolist()),
            augment=default_ops(data.channels, flip),
        )
    )


def view_recipe(recipe: Recipe, height: int, width: int, bpc: float = VIEW_BPC) -> Recipe:
    """The recipe for students on views of a file of ``bpc`` bits a class. There is no end of views: longer
    than for images, with Muon."""
    steps = round(VIEW_STEPS * min(1, min(height, width) / VIEW_SIDE) * min(2, max(1, bpc / VIEW_BPC)))
    return replace(recipe, optimizer="muon", steps=steps, batch=VIEW_BATCH, lr=VIEW_LR)


def network_views(channels: int, flip: bool) -> ViewRecipe:
    """What a label network is trained on: nearly the pictures as they are, those in grey (which stand upright
    in the middle, as clothes and digits do) even more so. docs/views.md has the trials."""
    if channels == 1:
        return ViewRecipe(zoom_min=56, zoom_max=72, shift=4, rotate=8, flip=flip)
    return ViewRecipe(zoom_min=54, zoom_max=74, rotate=8, contrast=30, brightness=12, flip=flip)


def student_views(shape: tuple[int, int, int], flip: bool, bpc: float = VIEW_BPC) -> ViewRecipe:
    """What a file of ``bpc`` bits a class tells students to draw of its (H, W, C) pictures: wider and more
    mixed views than label networks are trained on, so that few images give more, and other, views.
    docs/views.md has the trials."""
    height, width, channels = shape
    usual = ViewRecipe()
    least = RICH_ZOOM if bpc > VIEW_BPC else LEAST_ZOOM
    smallest = min(max(least, -(-64 * LEAST_WINDOW // min(height, width))), usual.zoom_min)
    return replace(
        network_views(channels, flip),
        zoom_min=usual.zoom_min if channels == 1 else smallest,
        zoom_max=usual.zoom_max,
        mixup=100,
        cutmix=156,
    )


def hard_recipe(recipe: Recipe) -> Recipe:
    """The recipe for students on the images themselves, with a recipe's mean, std and augmentation."""
    return Recipe(recipe.mean, recipe.std, recipe.augment, optimizer="muon", lr=HARD_LR)
