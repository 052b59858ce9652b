"""How students are trained: recipes for images and for views of them."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np

from rudcodec.augment import check_ops, default_ops
from rudcodec.data import LabelledImages, level_counts
from rudcodec.errors import SettingError
from rudcodec.payload import OPTIMIZERS, Recipe, ViewRecipe, hard_recipe
from rudcodec.whole import whole

VIEW_STEPS, VIEW_SIDE = 32_000, 28  # images with a shorter side below VIEW_SIDE get fewer steps
VIEW_BPC = 5e4  # with larger files students train on gentler views
VIEW_BATCH, VIEW_LR = 32, 0.005
# A view's smallest window, in 1/64 of the side for files of few and of many bits a class, and in pixels.
LEAST_ZOOM, RICH_ZOOM, LEAST_WINDOW = 12, 24, 6
# Of colour images that views show, in 1/64: resampling blurs real ones, and coding what students see besides.
REAL_SHARPEN, SHARPEN = 32, 80


def default_recipe(data: LabelledImages, *, flip: bool | None = None) -> Recipe:
    """The recipe for students of few images like ``data``, with their classes: the mean and standard
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
    """The views of its (H, W, C) images that a file of ``bpc`` bits a class lets students draw.

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


def check_recipe(recipe: Recipe, channels: int | None = None) -> None:
    """Raise SettingError unless a recipe makes sense, and is for images of so many channels."""
    if len(recipe.mean) != len(recipe.std) or channels not in (None, len(recipe.mean)):
        raise SettingError(
            f"the recipe is for {len(recipe.mean)} channels, the images have {channels or len(recipe.std)}"
        )
    if not all(0 <= value <= 255 for value in recipe.mean):
        raise SettingError(f"mean must be 0..255, not {recipe.mean}")
    if not all(0 < value <= 255 for value in recipe.std):
        raise SettingError(f"std must be above zero, 255 at most, not {recipe.std}")
    for name in ("steps", "batch", "cutmix"):
        whole(name, getattr(recipe, name), -sys.maxsize, sys.maxsize)
    for name in ("steps", "batch", "lr"):
        value = getattr(recipe, name)
        if not value > 0:
            raise SettingError(f"{name} must be above zero, not {value}")
    for name in ("lr", "weight_decay"):
        if not math.isfinite(getattr(recipe, name)):
            raise SettingError(f"{name} must be finite, not {getattr(recipe, name)}")
    if recipe.weight_decay < 0:
        raise SettingError(f"weight_decay must be at least 0, not {recipe.weight_decay}")
    if not 0 <= recipe.momentum < 1:
        raise SettingError(f"momentum must be at least 0 and below 1, not {recipe.momentum}")
    if not 0 <= recipe.cutmix <= 255:
        raise SettingError(f"cutmix must be 0..255, not {recipe.cutmix}")
    if recipe.optimizer not in OPTIMIZERS:
        raise SettingError(f"optimizer: {recipe.optimizer!r} is none of {', '.join(OPTIMIZERS)}")
    check_ops(recipe.augment)
