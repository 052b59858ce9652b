"""Distortion of coded images, to see where a codec stands before any classifier is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.codecs import picture_codec
from rudcodec.baselines.picture_codec import Codec, Subsampling
from rudcodec.baselines.tiles import columns_for, tile, untile


@dataclass(frozen=True)
class RatePoint:
    """One setting of a codec: size in bytes and bits per pixel, PSNR in dB."""

    quality: int
    subsampling: Subsampling
    size: int
    bpp: float
    psnr: float


def psnr(original: NDArray[np.uint8], coded: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB, from the mean squared error over all images and channels."""
    difference = original.astype(np.int32) - coded
    error = float(np.mean(difference * difference))
    return 10 * math.log10(255**2 / error) if error else math.inf


def rate_points(
    images: NDArray[np.uint8],
    codec: Codec,
    qualities: tuple[int, ...] | None = None,
    subsampling: Subsampling | None = None,
) -> list[RatePoint]:
    """Code images, uint8 (N, H, W, C), tiled into one picture, at each quality.

    Without ``qualities``: at all that the codec has; without ``subsampling``: by the coarsest that it has.

    Raises:
        SettingError: no such codec, or no weights of a learned one. MissingPackageError: it needs compressai.
    """
    coder = picture_codec(codec)
    count, height, width, channels = images.shape
    if subsampling is None:
        subsampling = coder.subsamplings(channels)[0]
    picture = tile(images, 1, columns_for(count, height, width, 1))
    points = []
    for quality in coder.qualities if qualities is None else qualities:
        file = coder.code(picture, quality, subsampling)
        coded = untile(file.decode(), 1, count, height, width)
        bpp = 8 * file.size / (count * height * width)
        points.append(RatePoint(quality, subsampling, file.size, bpp, psnr(images, coded)))
    return points
