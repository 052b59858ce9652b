"""Picture codecs that a user already has, through Pillow: AVIF, WebP, JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from rudcodec.baselines.picture_codec import CodedPicture, PillowName, Subsampling
from rudcodec.errors import SettingError

# Longest side in pixels, and the lowest quality (of 100) at which thumbnails can still be told apart.
_LONGEST: dict[str, int] = {"avif": 65535, "webp": 16383, "jpeg": 65500}
_LOWEST: dict[str, int] = {"avif": 10, "webp": 1, "jpeg": 5}
_HIGHEST = 100


class PillowCodec:
    """One of Pillow's codecs; see :class:`rudcodec.baselines.picture_codec.PictureCodec`."""

    def __init__(self, name: PillowName) -> None:
        self.name = name
        self.longest = _LONGEST[name]
        self.guesses_quickly = name == "avif"
        self.qualities: Sequence[int] = range(_LOWEST[name], _HIGHEST + 1)

    def subsamplings(self, channels: int) -> tuple[Subsampling, ...]:
        """Lossy WebP is always 4:2:0, and grey has no chroma to speak of."""
        return ("4:2:0",) if self.name == "webp" or channels == 1 else ("4:2:0", "4:4:4")

    def code(
        self, picture: NDArray[np.uint8], quality: int, subsampling: Subsampling, quick: bool = False
    ) -> CodedPicture:
        data = encode(picture, self.name, quality, subsampling, quick)
        return CodedPicture(len(data), partial(decode, data, picture.shape[2]))


def check_pillow(name: PillowName) -> None:
    """Raise SettingError if Pillow was built without a codec."""
    if not features.check("jpg" if name == "jpeg" else name):
        raise SettingError(f"this Pillow was built without {name}")


def encode(
    picture: NDArray[np.uint8],
    codec: PillowName,
    quality: int,
    subsampling: Subsampling = "4:2:0",
    quick: bool = False,
) -> bytes:
    """A picture, uint8 (H, W, 1 or 3), as a file of the codec's own ``quality``, 0..100.

    At high effort: AVIF speed 4 (slower settings gain little on thumbnails), WebP method 6, JPEG optimised
    and progressive. ``quick`` is for a first guess of the size: AVIF speed 8.
    """
    options: dict[str, Any] = {"quality": quality}
    if codec == "avif":
        options |= {"subsampling": subsampling, "speed": 8 if quick else 4}
    elif codec == "webp":
        options |= {"method": 6}
    else:
        options |= {"subsampling": subsampling, "optimize": True, "progressive": True}
    out = io.BytesIO()
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(out, codec, **options)
    return out.getvalue()


def decode(data: bytes, channels: int) -> NDArray[np.uint8]:
    """The picture in a file, uint8 (H, W, channels)."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)
