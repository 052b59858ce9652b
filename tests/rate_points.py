"""Where a picture codec stands: rates and distortions of images tiled into one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rudcodec.baselines.codecs import picture_codec
from rudcodec.baselines.picture_codec import Codec, Subsampling
from rudcodec.baselines.tiles import columns_for, tile, untile
from rudcodec.psnr import psnr


@dataclass(frozen=True)
class RatePoint:
    """One quality of a codec, at the coarsest chroma subsampling that it has."""

    quality: int
    subsampling: Subsampling
    size: int
    bpp: float
    psnr: float


def rate_points(
    images: NDArray[np.uint8], codec: Codec, qualities: tuple[int, ...] | None = None
) -> list[RatePoint]:
    """Code images, uint8 (N, H, W, C), at each quality; None: at all that the codec has."""
    coder = picture_codec(codec)
    count, height, width, channels = images.shape
    subsampling = coder.subsamplings(channels)[0]
    picture = tile(images, 1, columns_for(count, height, width, 1))
    points = []
    for quality in coder.qualities if qualities is None else qualities:
        file = coder.code(picture, quality, subsampling)
        coded = untile(file.decode(), 1, count, height, width)
        bpp = 8 * file.size / (count * height * width)
        points.append(RatePoint(quality, subsampling, file.size, bpp, psnr(images, coded)))
    return points
