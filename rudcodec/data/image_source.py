"""The interface of every kind of source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.decode import PictureError
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.splits import Rows, SourceSplit

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

    def mapped(self, split: SourceSplit, rows: Rows, reading: Reading) -> NDArray[np.uint8] | None:
        """These images where they lie, uint8 (N, H, W, C): part of a mapped file that holds them one after
        another as they are wanted. None: there is no such file."""

    def stamps(self, split: SourceSplit, rows: Rows) -> Iterator[bytes] | None:
        """What is other bytes if these images are others, without reading them: names, sizes and times of
        files. None: nothing tells."""

    def problems(self, split: SourceSplit) -> Iterator[str]:
        """Other faults of the split, which can be left out: a line for each, as messages begin."""

    def passed(self, splits: Sequence[SourceSplit]) -> Passed:
        """Files in these splits, and beside all splits, that are no part of the set."""

    def notes(self, splits: Sequence[SourceSplit]) -> tuple[str, ...]:
        """Choices that were made in reading these splits and that the user should know of."""
