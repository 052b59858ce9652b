"""Truncating a file to its first segments, which stay as they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import accumulate

from rudcodec.bitstream.codec import file_start
from rudcodec.bitstream.layout import Outline, parse
from rudcodec.bitstream.segments import SegmentFields
from rudcodec.errors import BudgetError, SettingError


@dataclass(frozen=True)
class Truncation:
    """A truncated file, ``data``: the first ``segments`` of ``total``, ``images`` of ``classes`` classes.

    ``lost``: names of classes that have images in the whole file, and none in this one.
    """

    data: bytes = field(repr=False)
    segments: int
    total: int
    images: int
    classes: int
    lost: tuple[str, ...] = ()

    @property
    def ipc(self) -> float:
        """Images per class, on average."""
        return self.images / self.classes

    @property
    def bpc(self) -> float:
        """Bits per class: 8 * size / number of classes."""
        return 8 * len(self.data) / self.classes


def truncate(data: bytes, *, ipc: float | None = None, bpc: float | None = None) -> Truncation:
    """A file of a file's first segments: as many as have at most ``ipc`` images, on average, and ``bpc`` bits
    a class.

    Nothing is decoded. Raises FormatError when the file is malformed, BudgetError when even one segment is
    too much, SettingError when no limit is given, or one that isn't positive.
    """
    if ipc is None and bpc is None:
        raise SettingError("truncate needs ipc or bpc")
    for name, value in (("ipc", ipc), ("bpc", bpc)):
        if value is not None and not value > 0:
            raise SettingError(f"{name} is {value}, must be above zero")
    outline = parse(data)
    classes, total = len(outline.classes), len(outline.segments)
    segments = [segment.fields for segment in outline.segments.values()]
    images = [0, *accumulate(segment.images for segment in segments)]

    def file_size(count: int) -> int:
        return len(_first_segments(data, outline, count))

    num_segments = total
    if ipc is not None:
        num_segments = bisect_right(images, ipc * classes) - 1
        if not num_segments:
            raise BudgetError(
                f"one segment has {images[1] / classes:.10g} images a class on average, the least possible"
            )
    if bpc is not None and 8 * file_size(num_segments) > bpc * classes:
        num_segments = bisect_right(
            range(1, num_segments), bpc * classes, key=lambda count: 8 * file_size(count)
        )
        if not num_segments:
            raise BudgetError(
                f"one segment takes {-(-8 * file_size(1) // classes)} bits a class, the least possible"
            )
    result = _first_segments(data, outline, num_segments)
    lost = sorted(_present(segments) - _present(segments[:num_segments]))
    names = tuple(outline.classes[k] for k in lost)
    return Truncation(result, num_segments, total, images[num_segments], classes, names)


def _present(segments: Iterable[SegmentFields]) -> set[int]:
    """Numbers of the classes that have images in segments."""
    return {k for segment in segments for k, count in enumerate(segment.counts) if count}


def _first_segments(data: bytes, outline: Outline, count: int) -> bytes:
    """The file without all segments but the first ``count``."""
    start = file_start(replace(outline.head, num_segments=count))
    dropped = [segment.section for i, segment in outline.segments.items() if i >= count]
    pieces, position = [start], outline.head_section.end + 4
    for section in dropped:
        pieces.append(data[position : section.offset])
        position = section.end + 4
    return b"".join([*pieces, data[position:]])
