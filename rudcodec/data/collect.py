"""The pictures of a source in one array."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import fields
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.cache import Space, StoredImages, cache_space, memory_space
from rudcodec.data.decode import PictureError
from rudcodec.data.image_source import ImageSource, SplitRows
from rudcodec.data.mapped import is_large, read_only
from rudcodec.data.reading import SKIP_ADVICE, Reading
from rudcodec.data.sizes import TURNED, SizeRange
from rudcodec.data.splits import Rows
from rudcodec.errors import DataError
from rudcodec.progress import Progress
from rudcodec.text import counted

_VERSION = 4
"""Changes with what the cache holds of the same pictures."""


def collect_images(
    source: ImageSource,
    selection: Sequence[SplitRows],
    places: Rows,
    reading: Reading,
    progress: Progress | None,
) -> StoredImages:
    """The images that ``selection`` names: in memory, or where they are many in a mapped file, that of the
    source itself if it has one of them as they are wanted, else one of the cache.

    Args:
        places: the index in the result of each row of the selection.

    Raises:
        DataError: one can't be used, and may not be left out; or there is no room for them.
    """
    if not len(places):
        raise DataError(f"{source.where}: no images")
    if len(selection) == 1 and (mapped := source.mapped(*selection[0], reading)) is not None:
        size = mapped.shape[2], mapped.shape[1]
        sizes = SizeRange(size, size, has_oblong=size[0] != size[1])
        return StoredImages(read_only(mapped), np.ones(len(mapped), dtype=bool), [], sizes)
    arrived, bad, first = np.zeros(len(places), dtype=bool), list[str](), ""
    space: Space | None = None
    with ExitStack() as stack:
        for row, pixels, where in _pictures(source, selection, reading, progress):
            if isinstance(pixels, PictureError):
                if not reading.skip_bad:
                    raise DataError(f"{where} {pixels}; {SKIP_ADVICE}")
                bad.append(f"{where} {pixels}")
                continue
            if space is None:
                first, wanted = where, _Wanted(source, selection, places, reading)
                space = stack.enter_context(wanted.space(pixels.shape))
                if space.found:
                    return space.found
            check_alike(where, pixels.shape, first, space.images.shape[1:], reading)
            space.put(places[row], pixels)
            arrived[places[row]] = True
        if space is None:
            pictures = counted(len(places), "picture")
            raise DataError(f"{source.where}: has {pictures}, of which none can be read, such as {bad[0]}")
        wanted.check_unchanged()
        return space.finish(arrived, bad, reading.sizes.range())


def _pictures(
    source: ImageSource, selection: Sequence[SplitRows], reading: Reading, progress: Progress | None
) -> Iterator[tuple[int, NDArray[np.uint8] | PictureError, str]]:
    """The pictures of a selection, in any order: the index in it, the image, and how messages call it."""
    total = sum(len(rows) for _, rows in selection)
    done, start, last_report = 0, 0, time.monotonic()
    for split, rows in selection:
        for i, pixels in source.stream(split, rows, reading):
            yield start + i, pixels, source.locate(split, int(rows[i]))
            done += 1
            if progress and (done == total or time.monotonic() - last_report >= 0.1):
                progress(done, total)
                last_report = time.monotonic()
        start += len(rows)


class _Wanted:
    """The images that are wanted, and how the cache calls them."""

    def __init__(
        self, source: ImageSource, selection: Sequence[SplitRows], places: Rows, reading: Reading
    ) -> None:
        self._source, self._selection, self._places, self._reading = source, selection, places, reading
        self._key: str | None = None

    def space(self, picture: tuple[int, ...]) -> AbstractContextManager[Space]:
        """Room for them. ``picture``: the shape of the first."""
        shape = (len(self._places), *picture)
        if is_large(len(self._places) * picture[0] * picture[1] * picture[2]):
            self._key = self._checksum()
        if self._key is None:
            return nullcontext(memory_space(shape))
        splits = " and ".join(split for split, _ in self._selection)
        return cache_space(self._key, shape, {"source": self._source.where, "split": splits})

    def check_unchanged(self) -> None:
        """Raise DataError if the source is another than when reading began."""
        if self._key is not None and self._checksum() != self._key:
            raise DataError(f"{self._source.where}: has changed while it was read; run it again")

    def _checksum(self) -> str | None:
        """Other digits for other images; None if the source can't tell."""
        software = _VERSION, version("rudcodec"), version("pillow")
        reading = [getattr(self._reading, field.name) for field in fields(self._reading) if field.init]
        checksum = hashlib.sha256(repr((software, reading)).encode())
        checksum.update(np.ascontiguousarray(self._places).data)
        for split, rows in self._selection:
            stamps = self._source.stamps(split, rows)
            if stamps is None:
                return None
            for stamp in stamps:
                checksum.update(len(stamp).to_bytes(8, "little") + stamp)
        return checksum.hexdigest()[:32]


def check_alike(
    where: str, shape: tuple[int, ...], first: str, first_shape: tuple[int, ...], reading: Reading
) -> None:
    """Raise DataError if an image hasn't the shape, (height, width, channels), of the first one; ``reading``
    knows which sizes pictures have since they were turned."""
    if shape == first_shape:
        return
    height, width, channels = first_shape
    if shape[2] != channels:
        kinds = {1: "grey", 3: "colour"}
        raise DataError(
            f"{where} is {kinds[shape[2]]}, but {first} is {kinds[channels]}; "
            "make them one kind (--mode rgb or --mode grey)"
        )
    size = shape[1], shape[0]
    swapped = size == (height, width) and {size, (width, height)} & reading.sizes.turned
    cause = TURNED if swapped else ""
    raise DataError(
        f"{where} is {size[0]}x{size[1]} pixels, but {first} is {width}x{height}{cause}; "
        "give a size (--size) to make them equal"
    )
