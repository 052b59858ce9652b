"""The source that consists of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.decode import fit
from rudcodec.data.disk import file_stamp
from rudcodec.data.items import Items, ItemSource, where_of
from rudcodec.data.levels import denormalised, grey_levels
from rudcodec.data.mapped import is_large, release_pages
from rudcodec.data.reading import Reading
from rudcodec.data.splits import Rows, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import counted

_Key = TypeVar("_Key")

Arrays = tuple[NDArray[Any], NDArray[Any]]
"""Images and labels as the source holds them."""
AT_ONCE = 256
"""How many images are read of a mapped array before its pages are released."""


class ArraySource(ItemSource):
    """The source made of image and label arrays.

    Args:
        name: what the set is called.
        where: what messages begin with.
        readers: read the arrays of each split; each is called once, when the arrays are needed.
        classes: the names of labels 0, 1, ...; without them, the labels that occur in train are the names.
        notes: what the user should know of how they are read.
    """

    def __init__(
        self,
        name: str,
        where: str,
        readers: Mapping[SourceSplit, Callable[[], Arrays]],
        classes: Sequence[str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        def items(split: SourceSplit) -> Items:
            return _ArrayItems(readers[split](), where, split, where_of(where, split, readers), notes)

        super().__init__(name, where, {split: partial(items, split) for split in readers}, classes)


class _ArrayItems(Items):
    def __init__(
        self, arrays: Arrays, where: str, split: SourceSplit, prefix: str, notes: Sequence[str]
    ) -> None:
        images, labels = arrays
        super().__init__(labels)
        self.notes += notes
        self._images = grey_levels(channels_last(images), prefix)
        self._where, self._split = where, split
        if labels.ndim and len(images) != len(labels):
            raise mismatch(prefix, len(images), len(labels))

    def locate(self, index: int) -> str:
        return f"{self._where}: {self._split} image {index}"

    def stream(self, indices: Rows, reading: Reading) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for i, index in enumerate(indices):
            yield i, fit(self._images[index], reading)
            if i % AT_ONCE == 0:
                release_pages(self._images)

    def mapped(self, indices: Rows, reading: Reading) -> NDArray[np.uint8] | None:
        images, first = self._images, int(indices[0])
        _, height, width, channels = images.shape
        is_run = np.array_equal(indices, np.arange(first, first + len(indices)))
        is_fit = reading.size is None or height == width == reading.size
        is_kept = reading.mode == "auto" or (reading.mode == "grey") == (channels == 1)
        part = images[first : first + len(indices)]
        if isinstance(images, np.memmap) and is_run and is_fit and is_kept and is_large(part.nbytes):
            return part if part.flags.c_contiguous else None
        return None

    def stamps(self, indices: Rows) -> Iterator[bytes] | None:
        path = getattr(self._images, "filename", None)  # of a mapped file that has a name
        if path is None:
            return None
        return iter([file_stamp(path), repr(self._images.shape).encode(), indices.tobytes()])


def mismatch(where: str, images: int, labels: int) -> DataError:
    """The error that says that there are more images than labels, or fewer."""
    return DataError(f"{where}: {counted(images, 'image')} but {counted(labels, 'label')}")


def channels_last(images: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, C) of what may be (N, H, W) or (N, C, H, W); other shapes as they are."""
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        return images.transpose(0, 2, 3, 1)
    return images


def as_pictures(
    images: NDArray[Any], entries: Mapping[str, NDArray[Any]], reading: Reading, where: str
) -> NDArray[Any]:
    """Images with channels last, in 0..1 if they were normalised by the ``mean`` and ``std`` among
    ``entries``, or those that the user has chosen. Raises DataError, like :func:`denormalised`."""
    return denormalised(channels_last(images), reading.normalisation(images, entries), where)


def read_pair(
    read: Callable[[_Key], NDArray[Any]],
    images: _Key,
    labels: _Key,
    norm: Mapping[str, _Key],
    reading: Reading,
    where: str,
) -> Arrays:
    """Images and labels that are arrays with names.

    Args:
        norm: what ``mean`` and ``std`` are called, where they are there.
    """
    pixels = read(images)
    if pixels.dtype.kind == "f":
        pixels = as_pictures(pixels, {key: read(name) for key, name in norm.items()}, reading, where)
    return pixels, read(labels)
