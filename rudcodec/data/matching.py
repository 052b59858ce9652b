"""Real images in the shape and with the class numbers of another set."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache

import numpy as np

from rudcodec.data.images import LabelledImages, numbers_of
from rudcodec.data.reading import Reading
from rudcodec.data.sizes import TURNED
from rudcodec.data.source import SourceLike, load
from rudcodec.data.splits import Split
from rudcodec.errors import DataError, SettingError
from rudcodec.payload import ImageShape
from rudcodec.text import listed, plain_name, shown

_LIKENESS = 0.75
"""How alike two names are, of 1 at most, where one may be a slip for the other."""


def matching(
    real: LabelledImages | SourceLike,
    split: Split,
    shape: tuple[int, ...],
    classes: tuple[str, ...],
    *,
    has_all: bool = True,
    whose: str = "the set",
    reading: Reading | None = None,
) -> LabelledImages:
    """Real images in the shape and with the class numbers of a set.

    Args:
        real: the images, or a source as in :func:`rudcodec.data.load`, of which ``split`` is read.
        shape: of the set's images: height, width, channels.
        classes: of the set. Where either has names and the other as many numbers, 0, 1, ..., these stand for
            the names in their order; a warning says so, once.
        has_all: whether the set must have all classes of the real images; if not, and it has some of them,
            the images of the others, if there are any, are left out, and a warning says so, once.
        whose: what messages call the set.
        reading: how a source is read, but for the size, which is the set's where that is square.

    Raises:
        DataError: the images have another shape or other classes, or none of these, or can't be read.
        SettingError: there is a ``reading`` of images that are read already.
    """
    if not isinstance(real, LabelledImages):
        real = load(real, split, square_side(shape), reading=reading)
    elif reading is not None:
        raise SettingError("reading: the real images are read already; give it to rudcodec.data.load")
    if real.images.shape[1:] != shape:
        raise _shape_error(real, ImageShape(*shape), whose)
    if (order := numbers_of(classes, real.classes)) is not None:
        names = tuple(real.classes[number] for number in order)
        return replace(real, labels=np.argsort(order)[real.labels], classes=names)
    if (order := numbers_of(real.classes, classes)) is not None:
        return replace(real, labels=order[real.labels], classes=classes)
    if not has_all and len(classes) < 2:
        raise DataError(f"{whose} has one class, {listed(classes)}: a classifier needs at least two classes")
    if not has_all and set(classes) < set(real.classes):
        own = real.of_classes(classes)
        if len(own) < len(real):
            part = f"{len(classes)} of {len(real.classes)} classes"
            _warn_of_others(f"{whose} has only {listed(classes)}: {part}")
        return own
    missing, more = {*classes} - {*real.classes}, {*real.classes} - {*classes}
    if missing:
        name = min(missing)
        raise DataError(
            f"{real.name}: has no class {shown(name)}, which {whose} has; its classes are "
            f"{listed(real.classes)}{_hint(name, more, len(classes))}"
        )
    if more:
        raise DataError(f"{real.name}: its class {shown(min(more))} is none of {whose}'s, {listed(classes)}")
    if real.classes == classes:
        return real
    number = np.array([classes.index(name) for name in real.classes], dtype=np.int64)
    return LabelledImages(real.images, number[real.labels], classes, real.name)


def square_side(shape: tuple[int, ...]) -> int | None:
    """The size that images are resized to where a set has images of a shape; None if those aren't square."""
    return shape[0] if shape[0] == shape[1] else None


def _shape_error(real: LabelledImages, wanted: ImageShape, whose: str) -> DataError:
    """What is wrong with images of another shape than a set's, and what helps."""
    own, sizes = real.image_shape, None if real.report is None else real.report.sizes
    as_read = f"{sizes.text} {own.colour}" if sizes else own.text
    problem = f"{real.name}: images are {as_read}, {whose}'s are {wanted.text}"
    if (own.height, own.width) != (wanted.height, wanted.width):
        if sizes and sizes.has_turned:
            problem += TURNED
        problem += "; resize them"
    if own.channels != wanted.channels:
        mode = "grey" if wanted.channels == 1 else "rgb"
        problem += f"; convert them (--mode {mode}, in Python reading=Reading(mode={mode!r}))"
    return DataError(problem)


def _hint(name: str, others: Collection[str], count: int) -> str:
    """What messages add on a name that isn't among others: one that is nearly the same, or what numbers must
    be to stand for ``count`` names."""
    if others and all(other.isdecimal() for other in others) and not name.isdecimal():
        return f" (numbers stand for names where they are 0 to {count - 1})"
    plain_names = {plain_name(other): other for other in sorted(others)}
    close = get_close_matches(plain_name(name), plain_names, 1, _LIKENESS)
    return f" (nearest is {shown(plain_names[close[0]])}: names must be equal)" if close else ""


@lru_cache
def _warn_of_others(what: str) -> None:
    warnings.warn(f"{what}; other real images are left out", RuntimeWarning, stacklevel=3)
