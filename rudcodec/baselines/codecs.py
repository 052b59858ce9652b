"""Picture codecs that a user already has, through Pillow: AVIF, WebP, JPEG."""

from __future__ import annotations

import io
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from rudcodec.errors import SettingError

Codec = Literal["avif", "webp", "jpeg"]
Subsampling = Literal["4:2:0", "4:4:4"]

# Longest side in pixels, and the lowest quality (of 100) at which thumbnails can still be told apart.
LONGEST: dict[Codec, int] = {"avif": 65535, "webp": 16383, "jpeg": 65500}
LOWEST: dict[Codec, int] = {"avif": 10, "webp": 1, "jpeg": 5}


def check_codec(codec: str) -> None:
    """Raise SettingError if there is no such codec, or Pillow was built without it."""
    if codec not in get_args(Codec):
        raise SettingError(f"no codec is called {codec!r}: choose from {', '.join(get_args(Codec))}")
    if not features.check("jpg" if codec == "jpeg" else codec):
        raise SettingError(f"this Pillow was built without {codec}")


def subsamplings(codec: Codec, channels: int) -> tuple[Subsampling, ...]:
    """The choices that make a difference: lossy WebP is always 4:2:0, and grey has no chroma to speak of."""
    return ("4:2:0",) if codec == "webp" or channels == 1 else ("4:2:0", "4:4:4")


def encode(
    picture: NDArray[np.uint8],
    codec: Codec,
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
