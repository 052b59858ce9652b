"""Pixels as 8 bit grey levels, of what arrays hold."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.mapped import new_array
from rudcodec.errors import DataError
from rudcodec.text import shown

_LARGEST = 1e6
"""The largest magnitude of a normalised value, and of mean and std."""
_TOLERANCE = 1 / 255
_CLIPPED = 0.1
"""The part of numbers beyond 0..1, by more than a level, from which something may be wrong: optimizers of
distilled images leave some there."""
_BLOCK = 1 << 22
"""How many values are converted at once, to take little memory beside the array."""


def grey_levels(images: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """uint8 (N, H, W, 1 or 3) of integers in 0..255, floats in 0..1, whole floats in 0..255, or booleans of
    that shape.

    Raises:
        DataError: another shape, kind of number or range; or nothing at all.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{where}: images must be (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W), not {images.shape}"
        )
    if not images.size:
        raise DataError(f"{where}: no images (shape {images.shape})")
    if images.dtype == np.uint8:
        return images
    kind = images.dtype.kind
    if kind not in "iufb":
        raise DataError(f"{where}: images must be uint8 or floats in 0..1, not {shown(str(images.dtype))}")
    levels = new_array(images.shape)
    scale = 255 if kind in "fb" and images.max() <= 1 else 1
    step = max(1, _BLOCK // images[0].size)
    for start in range(0, len(images), step):
        block = images[start : start + step]
        levels[start : start + step] = (
            _check_bytes(block, where) if kind in "iu" else _scale_floats(block, scale, where)
        )
    return levels


def denormalised(images: NDArray[Any], entries: Mapping[str, NDArray[Any]], where: str) -> NDArray[Any]:
    """Images (N, H, W, C) that were normalised by the ``mean`` and ``std`` (C,) among ``entries``, in 0..1;
    unchanged if these aren't there. What is then beyond 0..1 is clipped: no picture has it.

    Raises:
        DataError: mean or std is not a float for each channel, or numbers are out of all proportion.
    """
    if images.dtype.kind != "f" or images.ndim != 4 or not {"mean", "std"} <= set(entries):
        return images
    channels = images.shape[-1]
    mean, std = (
        _per_channel(entries[key], channels, f"{where}: {key}", above)
        for key, above in (("mean", -_LARGEST), ("std", 0))
    )
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if not (-_LARGEST < low and high < _LARGEST):
        problem = (
            "hold NaN"
            if math.isnan(low + high)
            else f"lie in {low:.3g}..{high:.3g}, which no mean and std explain"
        )
        raise DataError(f"{where}: the normalised images {problem}")
    result = new_array(images.shape, np.float32)
    step = max(1, _BLOCK // max(1, math.prod(images.shape[1:])))
    clipped = 0
    for start in range(0, len(images), step):
        block = result[start : start + step]
        block[:] = images[start : start + step]
        block *= std
        block += mean
        clipped += int(np.count_nonzero((block < -_TOLERANCE) | (block > 1 + _TOLERANCE)))
        np.clip(block, 0, 1, out=block)
    if clipped > _CLIPPED * result.size:
        warnings.warn(
            f"{where}: {100 * clipped / result.size:.0f} % of the numbers lie beyond black and white and are "
            "clipped; are mean and std those that normalised them (--normalised)?",
            RuntimeWarning,
            stacklevel=2,
        )
    return result


def _check_bytes(images: NDArray[Any], where: str) -> NDArray[Any]:
    if images.min() < 0 or images.max() > 255:
        raise DataError(f"{where}: pixels must lie in 0..255, not {images.min()}..{images.max()}")
    return images


def _scale_floats(images: NDArray[Any], scale: int, where: str) -> NDArray[Any]:
    low, high = float(images.min()), float(images.max())
    # NaN is in no range
    if 0 <= low and high <= 255 // scale and (scale > 1 or (images == np.rint(images)).all()):
        return np.rint(scale * images.astype(np.float32))
    raise DataError(
        f"{where}: images must be uint8, floats in 0..1 or whole floats in 0..255, not "
        f"{low:.3g}..{high:.3g}; normalised ones need entries mean and std beside them, or the name of their "
        "set (--normalised cifar10)"
    )


def _per_channel(values: NDArray[Any], channels: int, where: str, above: float) -> NDArray[np.float32]:
    if values.dtype.kind != "f" or values.size not in (1, channels):
        count = "a float" if channels == 1 else f"{channels} floats, one for each channel"
        raise DataError(f"{where} must be {count}, not {values.size} of type {values.dtype}")
    if not ((above < values) & (values < _LARGEST)).all():
        raise DataError(
            f"{where} has numbers that no normalisation has: {values.min():.3g}..{values.max():.3g}"
        )
    return values.astype(np.float32).reshape(-1)
