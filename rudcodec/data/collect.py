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
from rudcodec.data.splits import Rows, SourceSplit
from rudcodec.errors import DataError

Progress = Callable[[int, int], None]

SplitRows = tuple[SourceSplit, Rows]
"""A split of a source, and some of its rows."""


class ImageSource(Protocol):
    """The interface of every kind of source.

    Rows of a split are sorted by class, then by name (or by index).
    """

    name: str
    where: str
    """The text that messages begin with."""
    splits: tuple[SourceSplit, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Checked by :func:`rudcodec.data.images.check_classes`."""

    def labels(self, split: SourceSplit) -> NDArray[np.int64]:
        """int64 (N,), ascending."""

    def locate(self, split: SourceSplit, row: int) -> str:
        """How messages call the image."""

    def stream(
        self, split: SourceSplit, rows: Rows, reading: Reading
    ) -> Iterator[tuple[int, NDArray[np.uint8] | PictureError]]:
        """Index in ``rows`` and uint8 (H, W, C) of each, or why it can't be used, in any order."""

    def problems(self, split: SourceSplit) -> Iterator[str]:
        """Other faults of the split, which can be left out: a line for each, as messages begin."""

    def passed(self, splits: Sequence[SourceSplit]) -> Passed:
        """Files in these splits, and beside all splits, that are no part of the set."""

    def notes(self, splits: Sequence[SourceSplit]) -> tuple[str, ...]:
        """Choices that were made in reading these splits and that the user should know of."""


class ImageArray:
    """Images that come one after another, in any order, and must be of one shape.

    Attributes:
        images: uint8 (N, H, W, C); those that never came are undefined.
        arrived: bool (N,), whether each of them came.
    """

    def __init__(self, source: ImageSource, total: int) -> None:
        if not total:
            raise DataError(f"{source.where}: no images")
        self._source = source
        self._first = ""
        self.images: NDArray[np.uint8] = np.empty((0, 0, 0, 0), dtype=np.uint8)
        self.arrived = np.zeros(total, dtype=bool)

    def put(self, index: int, pixels: NDArray[np.uint8], where: str) -> None:
        """Take an image. Raises DataError if its shape isn't that of those before."""
        if not self._first:
            self.images = self._allocate(pixels.shape)
            self._first = where
        check_alike(where, pixels.shape, self._first, self.images.shape[1:])
        self.images[index] = pixels
        self.arrived[index] = True

    def compact(self) -> NDArray[np.uint8]:
        """The images that came, in order, moved together within the array."""
        if not self.arrived.all():
            for target, index in enumerate(np.flatnonzero(self.arrived)):
                self.images[target] = self.images[index]
        return self.images[: int(self.arrived.sum())]

    def _allocate(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        total = len(self.arrived)
        height, width, channels = shape
        check_memory(
            total * height * width * channels,
            f"{self._source.where}: {total} images of {width}x{height}",
            "a smaller size (--size) makes them fit",
        )
        return np.empty((total, *shape), dtype=np.uint8)


def check_alike(where: str, shape: tuple[int, ...], first: str, first_shape: tuple[int, ...]) -> None:
    """Raise DataError if an image hasn't the shape, (height, width, channels), of the first one."""
    if shape == first_shape:
        return
    height, width, channels = first_shape
    if shape[2] != channels:
        kinds = {1: "grey", 3: "colour"}
        raise DataError(
            f"{where} is {kinds[shape[2]]}, but {first} is {kinds[channels]}; "
            "make them one kind (--mode rgb or --mode grey)"
        )
    raise DataError(
        f"{where} is {shape[1]}x{shape[0]} pixels, but {first} is {width}x{height}; "
        "give a size (--size) to make them equal"
    )


def collect_images(
    source: ImageSource, selection: list[SplitRows], reading: Reading, progress: Progress | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[str]]:
    """The images that ``selection`` names, in that order.

    Returns:
        uint8 (N, H, W, C); which of the rows these are, bool; and a line for each one that can't be read.

    Raises:
        DataError: one can't be used, and may not be left out.
    """
    total = sum(len(rows) for _, rows in selection)
    result, bad = ImageArray(source, total), []
    done, start, last_report = 0, 0, time.monotonic()
    for split, rows in selection:
        for i, pixels in source.stream(split, rows, reading):
            where = source.locate(split, int(rows[i]))
            if not isinstance(pixels, PictureError):
                result.put(start + i, pixels, where)
            elif reading.skip_bad:
                bad.append(f"{where} {pixels}")
            else:
                raise DataError(f"{where} {pixels}")
            done += 1
            if progress and (done == total or time.monotonic() - last_report >= 0.1):
                progress(done, total)
                last_report = time.monotonic()
        start += len(rows)
    if not result.arrived.any():
        raise DataError(f"{source.where}: none of {total} pictures can be read, such as {bad[0]}")
    return result.compact(), result.arrived, bad
