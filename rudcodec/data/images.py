"""The labelled image set in memory."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.mapped import new_array, release_pages, take
from rudcodec.data.report import SourceReport
from rudcodec.errors import DataError
from rudcodec.payload import ImageShape
from rudcodec.text import listed, shown

_NUMBER = re.compile(r"(new|class_?)?([0-9]{1,9})")
"""A class name that says its number only."""
_BLOCK = 1 << 22
"""How many pixels are looked at in one go, since a mapped set may be larger than memory."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one size with a class each.

    Attributes:
        images: uint8 (N, H, W, C), N >= 1, C = 1 (grey) or 3 (RGB). Of a large set it is mapped from a file
            and read-only; copies of the whole may not fit memory.
        labels: int64 (N,), each in 0..K-1.
        classes: the K class names, distinct and fit to be folder names.
        name: what the set is called in messages.
        report: what was read of the source it comes from, if it comes straight from one.

    Raises:
        DataError: if the fields don't fit together.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str
    report: SourceReport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise DataError(
                f"{self.name}: images must be uint8 (N, H, W, 1 or 3), not {images.dtype} {images.shape}"
            )
        if not images.size:
            raise DataError(f"{self.name}: no images (shape {images.shape})")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{self.name}: labels must be int64 ({len(images)},), not {labels.dtype} {labels.shape}"
            )
        check_classes(self.classes, self.name)
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise DataError(
                f"{self.name}: labels run from {labels.min()} to {labels.max()}, "
                f"but there are {len(self.classes)} classes"
            )

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.images.shape[2])

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.images.shape[3])

    @property
    def image_shape(self) -> ImageShape:
        """Height, width and channels of each image."""
        return ImageShape(self.height, self.width, self.channels)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        size = f"{len(self):,} images {self.image_shape.text}, {len(self.classes):,} classes"
        return f"LabelledImages({size}, name={self.name!r})"

    def take(self, rows: NDArray[np.intp]) -> LabelledImages:
        """The images of these rows, in that order; so many that they are a large set are mapped, too."""
        images = new_array((len(rows), *self.images.shape[1:]))
        step = max(1, _BLOCK // self.images[0].size)
        for start in range(0, len(rows), step):
            images[start : start + step] = take(self.images, rows[start : start + step])
            release_pages(images)
        return LabelledImages(images, self.labels[rows], self.classes, self.name)

    def of_classes(self, classes: Sequence[str]) -> LabelledImages:
        """The images of some of the classes, which are numbered in this order. Raises DataError if there are
        none."""
        numbers = {name: number for number, name in enumerate(classes)}
        number = np.array([numbers.get(name, -1) for name in self.classes], dtype=np.int64)
        rows = np.flatnonzero(number[self.labels] >= 0)
        if not len(rows):
            raise DataError(f"{self.name}: has no image of the classes {listed(classes)}")
        some = self.take(rows)
        return replace(some, labels=number[some.labels], classes=tuple(classes))

    def empty_classes(self) -> tuple[str, ...]:
        """The classes that have no image."""
        return tuple(name for name, count in zip(self.classes, self.ipc_counts(), strict=True) if not count)

    def without_empty_classes(self) -> LabelledImages:
        """The same images, of those classes that have some."""
        present = np.unique(self.labels)
        if len(present) == len(self.classes):
            return self
        classes = tuple(self.classes[number] for number in present)
        return replace(self, labels=np.searchsorted(present, self.labels), classes=classes)

    def ipc_counts(self) -> tuple[int, ...]:
        """Images of each class, in the order of ``classes``; a class may have none."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=len(self.classes)))

    def rarest_class(self) -> tuple[str, int]:
        """The class of the fewest images, and how many these are; the first of several."""
        counts = self.ipc_counts()
        fewest = min(counts)
        return self.classes[counts.index(fewest)], fewest

    def require_every_class(self, use: str) -> None:
        """Raise DataError if a class has no image; ``use`` ends its message: "has no image that ..."."""
        if empty := self.empty_classes():
            raise DataError(f"{self.name}: class {empty[0]} has no image that {use}")


def digest(data: LabelledImages) -> str:
    """Sixteen hexadecimal digits that tell a set (images, labels, classes) from any other."""
    checksum = hashlib.sha256(repr((data.images.shape, data.classes)).encode())
    for block in blocks(data.images):
        checksum.update(np.ascontiguousarray(block).data)
    checksum.update(np.ascontiguousarray(data.labels).data)
    return checksum.hexdigest()[:16]


def level_counts(data: LabelledImages) -> NDArray[np.int64]:
    """How often each level occurs in each channel, int64 (C, 256): exact sums without a float copy of the
    set."""
    counts = np.zeros((data.channels, 256), dtype=np.int64)
    for block in blocks(data.images):
        pixels = block.reshape(-1, data.channels)
        counts += [np.bincount(pixels[:, c], minlength=256) for c in range(data.channels)]
    return counts


def blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The images, some after the others, as many as are read in one go where memory holds not all."""
    step = max(1, _BLOCK // images[0].size)
    for start in range(0, len(images), step):
        yield images[start : start + step]
        release_pages(images)


def check_classes(classes: tuple[str, ...], where: str) -> None:
    """Raise DataError unless the names are two or more, distinct, and fit to be folder names."""
    if len(classes) < 2:
        only = shown(classes[0]) if classes else "none"
        raise DataError(
            f"{where}: needs two classes or more, has only {only}; each class is a folder, or a label"
        )
    if len(set(classes)) < len(classes):
        duplicate = Counter(classes).most_common(1)[0][0]
        raise DataError(f"{where}: two classes are named {duplicate!r}")
    for name in classes:
        # isprintable also turns down the surrogates of a file name that isn't UTF-8
        if not name.isprintable():
            raise DataError(f"{where}: {name!r} can't be a class name (it can't be printed, or isn't UTF-8)")
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise DataError(f"{where}: {name!r} can't be a class name (it could not name a folder)")


def numbers_of(numbers: tuple[str, ...], names: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The class numbers that classes without names stand for, such as 0, 1, 2, ..., or the folders 00000,
    ... of RDED and new000, ... of SRe2L. A warning says which is taken for which, once.

    Returns:
        int64 (K,): of each of ``numbers``, the index in ``names``; None unless these are as many, and none of
        them is such a number.
    """
    matches = [_NUMBER.fullmatch(number) for number in numbers]
    if not all(matches) or {*numbers} & {*names} or len({match[1] for match in matches if match}) != 1:
        return None
    values = np.array([int(match[2]) for match in matches if match], dtype=np.int64)
    if sorted(values.tolist()) != [*range(len(names))]:
        return None
    _warn_of_numbers(listed(f"{numbers[i]}: {names[values[i]]}" for i in np.argsort(values)))
    return values


@lru_cache
def _warn_of_numbers(pairs: str) -> None:
    warnings.warn(f"classes are numbers; taken as {pairs}", RuntimeWarning, stacklevel=3)


def as_class_name(label: str) -> str:
    """A class name of a label that may have slashes."""
    return re.sub(r"[/\\]", "-", label)
