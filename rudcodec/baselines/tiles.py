"""Many images as one picture, and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def columns_for(count: int, height: int, width: int, classes: int) -> int:
    """How many tiles to put side by side: of the widths that make the picture roughly square, the one that
    leaves the fewest places empty.

    There are ``count`` images of ``height`` x ``width`` pixels of each of ``classes`` classes; a class starts
    a new row.
    """
    square = math.sqrt(classes * count * height / width)
    choices = range(max(1, min(count, int(square / 2))), max(1, min(count, int(2 * square))) + 1)
    return min(choices, key=lambda n: (math.ceil(count / n) * n, abs(n - square)))


def tile(images: NDArray[np.uint8], classes: int, columns: int) -> NDArray[np.uint8]:
    """uint8 (K * n, H, W, C), ordered by class, to one picture in which each class has a block of rows.

    Empty places repeat the class's last image, which costs a codec that predicts next to nothing.
    """
    count = len(images) // classes
    rows = math.ceil(count / columns)
    height, width, channels = images.shape[1:]
    order = np.minimum(np.arange(rows * columns), count - 1)
    mosaic = images.reshape(classes, count, height, width, channels)[:, order]
    mosaic = mosaic.reshape(classes * rows, columns, height, width, channels)
    return np.ascontiguousarray(mosaic.transpose(0, 2, 1, 3, 4)).reshape(
        classes * rows * height, columns * width, channels
    )


def untile(
    picture: NDArray[np.uint8], classes: int, count: int, height: int, width: int
) -> NDArray[np.uint8]:
    """The images of :func:`tile`: uint8 (classes * count, height, width, C)."""
    rows, columns, channels = picture.shape[0] // height, picture.shape[1] // width, picture.shape[2]
    mosaic = picture.reshape(rows, height, columns, width, channels).transpose(0, 2, 1, 3, 4)
    mosaic = mosaic.reshape(classes, -1, height, width, channels)[:, :count]
    return np.ascontiguousarray(mosaic).reshape(-1, height, width, channels)
