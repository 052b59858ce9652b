"""How students are trained: recipes for images and for views of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rudcodec.augment import default_ops
from rudcodec.data import LabelledImages, level_counts
from rudcodec.payload import Recipe, ViewRecipe, hard_recipe

VIEW_STEPS, VIEW_SIDE = 32_000, 28  # images with a shorter side below VIEW_SIDE get fewer steps
VIEW_BPC = 5e4  # with larger files students train on gentler views
VIEW_BATCH, VIEW_LR = 32, 0.005
# A view's smallest window, in 1/64 of the side for files of few and of many bits per class, and in pixels.
LEAST_ZOOM, RICH_ZOOM, LEAST_WINDOW = 12, 24, 6
# Of colour images that views show, in 1/64: resampling blurs real ones, and coding what students see besides.
REAL_SHARPEN, SHARPEN = 32, 80


def default_recipe(data: LabelledImages, *, flip: bool | None = None) -> Recipe:
    """The recipe for students of images like ``data``, and as many, with their classes: the mean and standard
    deviation of each channel, all augmentations, Muon.

    ``flip``: whether mirror images are among these; None: of colour images, not of grey ones.
    """
    counts, levels = level_counts(data), np.arange(256)
    total = counts[0].sum()
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    return hard_recipe(
        Recipe(
            mean=tuple(round(m) for m in mean.tolist()),
            std=tuple(max(1, round(s)) for s in std.tolist()),
            augment=default_ops(data.channels, flip),
        ),
        bpc=0.0,
        num_images=len(data),
    )


def view_recipe(recipe: Recipe, height: int, width: int) -> Recipe:
    """The recipe for students on views of images, with a recipe's mean, std and augmentation: by Muon, and
    for more steps than on images themselves, since there is no end of views."""
    steps = round(VIEW_STEPS * min(1, min(height, width) / VIEW_SIDE))
    return replace(recipe, optimizer="muon", steps=steps, batch=VIEW_BATCH, lr=VIEW_LR, cutmix=0)


def network_views(channels: int, flip: bool) -> ViewRecipe:
    """The views that a label network is trained on: nearly the images as they are. Grey ones, which stand
    upright in the middle, as clothes and digits do, are changed even less (see experiments/)."""
    if channels == 1:
        return ViewRecipe(zoom_min=56, zoom_max=72, shift=4, rotate=8, flip=flip)
    return ViewRecipe(
        zoom_min=54, zoom_max=74, rotate=8, contrast=30, brightness=12, flip=flip, sharpen=REAL_SHARPEN
    )


def student_views(shape: tuple[int, int, int], flip: bool, bpc: float = VIEW_BPC) -> ViewRecipe:
    """The views of its (H, W, C) images that a file of ``bpc`` bits per class lets students draw.

    They are wider and more mixed than those label networks are trained on, so that few images give more, and
    other, views; and sharper, since coded images are blurred (trials: experiments/2026-11-label-networks.md).
    """
    height, width, channels = shape
    default = ViewRecipe()
    least_zoom = RICH_ZOOM if bpc > VIEW_BPC else LEAST_ZOOM
    smallest = min(max(least_zoom, -(-64 * LEAST_WINDOW // min(height, width))), default.zoom_min)
    return replace(
        network_views(channels, flip),
        zoom_min=default.zoom_min if channels == 1 else smallest,
        zoom_max=default.zoom_max,
        mixup=100,
        cutmix=156,
        sharpen=0 if channels == 1 else SHARPEN,
    )
