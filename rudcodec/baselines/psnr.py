"""Distortion of coded images, to see where a codec stands before any classifier is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.codecs import Codec, Subsampling, check_codec, decode, encode
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
    qualities: tuple[int, ...],
    subsampling: Subsampling = "4:2:0",
) -> list[RatePoint]:
    """Code images, uint8 (N, H, W, C), tiled into one picture, at each quality.

    Raises:
        SettingError: no such codec.
    """
    check_codec(codec)
    count, height, width, channels = images.shape
    picture = tile(images, 1, columns_for(count, height, width, 1))
    points = []
    for quality in qualities:
        data = encode(picture, codec, quality, subsampling)
        coded = untile(decode(data, channels), 1, count, height, width)
        bpp = 8 * len(data) / (count * height * width)
        points.append(RatePoint(quality, subsampling, len(data), bpp, psnr(images, coded)))
    return points
