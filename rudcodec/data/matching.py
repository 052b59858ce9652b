"""Real images in the shape and with the class numbers of another set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rudcodec.data.images import LabelledImages, numbers_of
from rudcodec.data.source import SourceLike, load
from rudcodec.data.splits import Split
from rudcodec.errors import DataError


def matching(
    real: LabelledImages | SourceLike,
    split: Split,
    shape: tuple[int, ...],
    classes: tuple[str, ...],
) -> LabelledImages:
    """Real images in the shape and with the class numbers of a set.

    Args:
        real: the images, or a source as in :func:`rudcodec.data.load`, of which ``split`` is read.
        shape: of the set's images: height, width, channels.
        classes: of the set. Where they have no names but numbers, they are the real ones in their order.

    Raises:
        DataError: the images have another shape or other classes, or can't be read.
    """
    if not isinstance(real, LabelledImages):
        real = load(real, split, size=shape[0] if shape[0] == shape[1] else None)
    if real.images.shape[1:] != shape:
        raise DataError(
            f"{real.name}: images are {_size(real.images.shape[1:])}, the set's are {_size(shape)}"
        )
    if (order := numbers_of(classes, real.classes)) is not None:
        names = tuple(real.classes[number] for number in order)
        return replace(real, labels=np.argsort(order)[real.labels], classes=names)
    if other := set(real.classes) ^ set(classes):
        raise DataError(f"{real.name}: its classes are not the set's: {min(other)!r} is in one of them only")
    if real.classes == classes:
        return real
    number = np.array([classes.index(name) for name in real.classes], dtype=np.int64)
    return LabelledImages(real.images, number[real.labels], classes, real.name)


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'colour'}"
