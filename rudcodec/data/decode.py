"""One encoded picture -> uint8 (H, W, C), and the resizing that all sources share.

What becomes of the kinds of picture there are:

- 1 bit, 8 bit grey -> grey; 16 bit grey -> its upper 8 bits (as Pillow treats 16 bit colour);
- RGB, palette, CMYK, YCbCr -> RGB;
- alpha or a transparent colour: dropped where all is opaque, else put on the background, if one is given;
- 32 bit integers and floats: refused, since their range is unknown;
- several frames or pages: the first; a camera's orientation tag: applied, as viewers do.
"""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rudcodec.data.bounds import MAX_PIXELS
from rudcodec.data.damage import refusing
from rudcodec.data.kinds import kind_of
from rudcodec.data.reading import Reading
from rudcodec.data.sizes import Size

EXTENSIONS = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".avif", ".tif", ".tiff",
        ".ppm", ".pgm", ".pbm", ".pnm", ".jp2",
    }
)  # fmt: skip
"""File names that end so (in any case) are taken for pictures."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "AVIF", "TIFF", "PPM", "JPEG2000")


class PictureError(ValueError):
    """The picture can't be used. Says why, but not which, since only the caller knows."""


def decode(data: bytes, reading: Reading) -> NDArray[np.uint8]:
    """Decode one picture.

    Args:
        data: a whole file of one of :data:`FORMATS`.

    Returns:
        uint8 (H, W, 1) for grey, (H, W, 3) for colour.

    Raises:
        PictureError: damaged, too big, or of a kind that can't be used.
    """
    size = reading.size
    with refusing(partial(_refusal, data)):
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureError(f"has {picture.width}x{picture.height} pixels, more than {MAX_PIXELS} in all")
        stored_size = picture.size
        if size is not None:
            # lets a JPEG decoder skip detail that the resize would remove; twice the size, to miss nothing
            picture.draft(None, (2 * size, 2 * size))
    return _decoded(picture, stored_size, reading)


def decode_picture(picture: Image.Image, reading: Reading) -> NDArray[np.uint8]:
    """Like :func:`decode`, of a picture that is open already."""
    return _decoded(picture, picture.size, reading)


def decode_or_refuse(
    contents: bytes | Image.Image | PictureError, reading: Reading
) -> NDArray[np.uint8] | PictureError:
    """Like :func:`decode` or :func:`decode_picture`, with the refusal as a value."""
    if isinstance(contents, PictureError):
        return contents
    try:
        return decode(contents, reading) if isinstance(contents, bytes) else decode_picture(contents, reading)
    except PictureError as refusal:
        return refusal


def _decoded(picture: Image.Image, stored_size: Size, reading: Reading) -> NDArray[np.uint8]:
    """``stored_size``: that of the whole picture, of which a decoder may skip detail."""
    with refusing(partial(_refusal, None)):
        picture = _loaded(picture)
        upright = _to_grey_or_rgb(picture, reading.background_rgb)
        pixels = np.asarray(upright)
    is_turned = upright.size != picture.size
    reading.sizes.add(stored_size[::-1] if is_turned else stored_size, is_turned)
    return _fit(pixels, reading)


def _refusal(data: bytes | None, error: Exception) -> PictureError:
    """What the user is told of an error in decoding.

    Args:
        data: the whole file; None where Pillow knew it for a picture already.
    """
    if isinstance(error, PictureError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return PictureError(f"has more than {MAX_PIXELS} pixels")
    if data is not None and isinstance(error, UnidentifiedImageError):
        kind = kind_of(data)
        damaged = "picture" in kind and "convert" not in kind
        return PictureError("is a damaged picture" if damaged else f"is not a picture, but {kind}")
    return PictureError("can't be read as a picture: it is damaged or cut short")


def _loaded(picture: Image.Image) -> Image.Image:
    """The picture with its pixels; grey with alpha of 16 bits, of which Pillow makes RGBA, as LA."""
    is_grey = any(tile[3] == "LA;16B" for tile in getattr(picture, "tile", ()))
    picture.load()
    return picture.convert("LA") if is_grey and picture.mode == "RGBA" else picture


def _to_grey_or_rgb(picture: Image.Image, background: tuple[int, ...] | None) -> Image.Image:
    """The picture in mode L or RGB, upright."""
    is_pgm = picture.format == "PPM" and picture.mode == "I"  # its maximum, whatever it was, is 65535
    if "exif" in picture.info:
        picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode.startswith("I;16") or is_pgm:
        return _high_bytes(picture)
    if mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info:
        return _opaque(picture, background)
    if mode in ("L", "RGB"):
        return picture
    if mode == "1":
        return picture.convert("L")
    if mode in ("P", "CMYK", "YCbCr", "RGBX"):
        return picture.convert("RGB")
    raise PictureError(f"has pixels of kind {mode}; convert it to 8 bits a sample, grey or RGB")


def _high_bytes(picture: Image.Image) -> Image.Image:
    samples = np.asarray(picture)
    grey = Image.fromarray((samples >> 8).astype(np.uint8))
    if (samples == picture.info.get("transparency", -1)).any():
        raise PictureError("has a transparent colour of 16 bits; convert it to 8 bits a sample")
    if 0 < samples.max() < 256:
        raise PictureError(
            f"has samples of 16 bits, the largest of which is {samples.max()} of 65535: it would be black; "
            "scale it, or convert it to 8 bits a sample"
        )
    return grey


def _opaque(picture: Image.Image, background: tuple[int, ...] | None) -> Image.Image:
    """Without transparency: grey stays grey unless it lies on a colour."""
    grey = picture.mode in ("1", "L", "LA")
    clear = picture.convert("RGBA")
    if clear.getchannel("A").getextrema() != (255, 255):
        if background is None:
            raise PictureError("has transparent pixels; give a background (--background white) to put it on")
        clear = Image.alpha_composite(Image.new("RGBA", clear.size, (*background, 255)), clear)
        grey = grey and len(set(background)) == 1
    # of equal samples the first is exact, where a sum of three could round
    return clear.getchannel("R") if grey else clear.convert("RGB")


def fit(pixels: NDArray[np.uint8], reading: Reading) -> NDArray[np.uint8]:
    """An image that was no picture, in the size and mode that are wanted: uint8 (H, W) or (H, W, 1 or 3)."""
    reading.sizes.add((pixels.shape[1], pixels.shape[0]))
    return _fit(pixels, reading)


def _fit(pixels: NDArray[np.uint8], reading: Reading) -> NDArray[np.uint8]:
    """The centre square, resized by an antialiased bicubic filter, then as grey or colour.

    Nothing is done to an image that has that size and mode already, or if none is asked for.

    Args:
        pixels: uint8 (H, W) or (H, W, 1 or 3).

    Returns:
        uint8 (size, size, C) or (H, W, C).
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width, channels = pixels.shape
    size = reading.size
    if size is not None and (height, width) != (size, size):
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        picture = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
        small = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
        pixels = np.asarray(small).reshape(size, size, channels)
    if reading.mode == "rgb" and channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if reading.mode == "grey" and channels == 3:
        return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return pixels
