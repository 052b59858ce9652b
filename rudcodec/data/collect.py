"""The pictures of a source in one array."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.bounds import check_memory
from rudcodec.data.decode import PictureError
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.splits import Part, Rows
from rudcodec.errors import DataError

Progress = Callable[[int, int], None]

Picked = tuple[Part, Rows]
"""Which rows of which part."""


class Source(Protocol):
    """What every kind of source offers. Rows of a part are sorted by class, then by name (or by index)."""

    name: str
    where: str
    """What messages begin with."""
    parts: tuple[Part, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Checked by :func:`rudcodec.data.images.check_classes`."""

    def labels(self, part: Part) -> NDArray[np.int64]:
        """int64 (N,), ascending."""

    def locate(self, part: Part, row: int) -> str:
        """How messages call the image."""

    def stream(
        self, part: Part, rows: Rows, reading: Reading
    ) -> Iterator[tuple[int, NDArray[np.uint8] | PictureError]]:
        """Index in ``rows`` and uint8 (H, W, C) of each, or why it can't be used, in any order."""

    def problems(self, part: Part) -> Iterator[str]:
        """What else is wrong with the part, that can be left out."""

    def passed(self, parts: Sequence[Part]) -> Passed:
        """Files in these parts, and beside all parts, that are none of the set."""


class ImageArray:
    """Images that come one after another, in any order, and must be of one shape.

    Attributes:
        images: uint8 (N, H, W, C); those that never came are undefined.
        there: bool (N,), which came.
    """

    def __init__(self, source: Source, total: int) -> None:
        if not total:
            raise DataError(f"{source.where}: no images")
        self._source = source
        self._first = ""
        self.images: NDArray[np.uint8] = np.empty((0, 0, 0, 0), dtype=np.uint8)
        self.there = np.zeros(total, dtype=bool)

    def put(self, at: int, pixels: NDArray[np.uint8], where: str) -> None:
        """Raises DataError if the shape isn't that of those before."""
        if not self._first:
            self.images = self._room(pixels.shape)
            self._first = where
        elif pixels.shape != self.images.shape[1:]:
            raise self._odd_one(where, pixels.shape)
        self.images[at] = pixels
        self.there[at] = True

    def compact(self) -> NDArray[np.uint8]:
        """Those that came, in order; takes no second array."""
        if not self.there.all():
            for to, at in enumerate(np.flatnonzero(self.there)):
                self.images[to] = self.images[at]
        return self.images[: int(self.there.sum())]

    def _room(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        total = len(self.there)
        height, width, channels = shape
        check_memory(
            total * height * width * channels,
            f"{self._source.where}: {total} images of {width}x{height}",
            "a smaller size (--size) makes them fit",
        )
        return np.empty((total, *shape), dtype=np.uint8)

    def _odd_one(self, where: str, shape: tuple[int, ...]) -> DataError:
        height, width, channels = self.images.shape[1:]
        if shape[2] != channels:
            kinds = {1: "grey", 3: "colour"}
            return DataError(
                f"{where} is {kinds[shape[2]]}, but {self._first} is {kinds[channels]}; "
                "make them one kind (--mode rgb or --mode grey)"
            )
        return DataError(
            f"{where} is {shape[1]}x{shape[0]} pixels, but {self._first} is {width}x{height}; "
            "give a size (--size) to make them equal"
        )


def collected(
    source: Source, picked: list[Picked], reading: Reading, progress: Progress | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[str]]:
    """The images that ``picked`` names, in that order.

    Returns:
        uint8 (N, H, W, C); which of the rows these are, bool; and a line for each one that can't be read.

    Raises:
        DataError: one can't be used, and may not be left out.
    """
    total = sum(len(rows) for _, rows in picked)
    result, bad = ImageArray(source, total), []
    done, start, told = 0, 0, time.monotonic()
    for part, rows in picked:
        for i, pixels in source.stream(part, rows, reading):
            where = source.locate(part, int(rows[i]))
            if not isinstance(pixels, PictureError):
                result.put(start + i, pixels, where)
            elif reading.skip_bad:
                bad.append(f"{where} {pixels}")
            else:
                raise DataError(f"{where} {pixels}")
            done += 1
            if progress and (done == total or time.monotonic() - told >= 0.1):
                progress(done, total)
                told = time.monotonic()
        start += len(rows)
    if not result.there.any():
        raise DataError(f"{source.where}: none of {total} pictures can be read, such as {bad[0]}")
    return result.compact(), result.there, bad
