"""The range of float images that come one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.levels import grey_levels
from rudcodec.errors import DataError


class FloatRange:
    """The one range that the float images of a set have, 0..1 or 0..255, as if they lay in one array.

    An image whose values are all 0 or 1 tells nothing. It counts as one in 0..1, and takes a bit a value
    until another one tells.
    """

    def __init__(self) -> None:
        self._largest: int | None = None  # 1 or 255
        self._telling = ""
        self._unclear: dict[int, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def grey_levels(self, row: int, images: NDArray[Any], where: str) -> NDArray[np.uint8]:
        """Like :func:`rudcodec.data.levels.grey_levels`, of one more image, (1, H, W, C).

        Raises:
            DataError: it can't be used, or has another range than one before it.
        """
        levels = grey_levels(images, where)
        if images.dtype.kind != "f":
            return levels
        if ((images == 0) | (images == 1)).all():
            if self._largest is None:
                self._unclear[row] = np.packbits(levels), levels.shape
            return levels // 255 if self._largest == 255 else levels
        largest = 1 if images.max() <= 1 else 255
        if self._largest is None:
            self._largest, self._telling = largest, where
        elif self._largest != largest:
            raise DataError(
                f"{where} has floats in 0..{largest}, but {self._telling} in 0..{self._largest}; give all "
                "images of the set one range"
            )
        return levels

    def corrected(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Row and grey levels, (1, H, W, C), of images that have turned out to lie in 0..255, each once."""
        if self._largest is None:
            return
        unclear, self._unclear = self._unclear, {}
        for row, (bits, shape) in unclear.items() if self._largest == 255 else ():
            yield row, np.unpackbits(bits, count=math.prod(shape)).reshape(shape)
