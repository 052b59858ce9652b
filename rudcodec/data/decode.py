"""One encoded picture -> uint8 (H, W, C), and the resizing that all sources share.

What becomes of the kinds of picture there are:

- 1 bit, 8 bit grey -> grey; 16 bit grey -> its upper 8 bits (as Pillow treats 16 bit colour);
- RGB, palette, CMYK, YCbCr -> RGB;
- alpha or a transparent colour: dropped where all is opaque, else refused, since the background is unknown;
- 32 bit integers and floats: refused, since their range is unknown;
- several frames or pages: the first; a camera's orientation tag: applied, as viewers do.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .dib .gif .webp .avif .tif .tiff .ppm .pgm .pbm .pnm .jp2".split()
)
"""File names that end so (in any case) are taken for pictures."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "AVIF", "TIFF", "PPM", "JPEG2000")
MAX_PIXELS = 1 << 26
"""A picture of more pixels is refused before it is decoded."""


class Refused(ValueError):
    """The picture can't be used. Says why, but not which, since only the caller knows."""


def decode(data: bytes, size: int | None) -> NDArray[np.uint8]:
    """Decode one picture.

    Args:
        data: a whole file of one of :data:`FORMATS`.
        size: as in :func:`fit`.

    Returns:
        uint8 (H, W, 1) for grey, (H, W, 3) for colour.

    Raises:
        Refused: damaged, too big, or of a kind that can't be used.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise Refused(f"has {picture.width}x{picture.height} pixels, more than {MAX_PIXELS} in all")
        if size is not None:
            # lets a JPEG decoder skip detail that the resize would remove; twice the size, to miss nothing
            picture.draft(None, (2 * size, 2 * size))
        picture.load()
        return fit(np.asarray(_plain(picture)), size)
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused("is not a picture of a known kind, or is damaged") from None
    except Image.DecompressionBombError:
        raise Refused(f"has more than {MAX_PIXELS} pixels") from None
    except Exception as error:  # Pillow raises all sorts of things at damaged files
        raise Refused(f"can't be read as a picture ({' '.join(str(error).split())})") from None


def _plain(picture: Image.Image) -> Image.Image:
    """The picture in mode L or RGB, upright."""
    if "exif" in picture.info:
        picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        if clear.getchannel("A").getextrema() != (255, 255):
            raise Refused("has transparent pixels; put it on a background first")
        return clear.convert("L" if mode in ("1", "L", "LA") else "RGB")
    if mode in ("L", "RGB"):
        return picture
    if mode == "1":
        return picture.convert("L")
    if mode in ("P", "CMYK", "YCbCr", "RGBX"):
        return picture.convert("RGB")
    if mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    raise Refused(f"has pixels of kind {mode}; convert it to 8 bits a sample, grey or RGB")


def fit(pixels: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """The centre square, resized to ``size`` x ``size`` by an antialiased bicubic filter.

    Nothing is done to an image that has that size already, or if ``size`` is None.

    Args:
        pixels: uint8 (H, W) or (H, W, 1 or 3).

    Returns:
        uint8 (size, size, C) or (H, W, C).
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width, channels = pixels.shape
    if size is None or (height, width) == (size, size):
        return pixels
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    picture = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    small = picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(small).reshape(size, size, channels)
