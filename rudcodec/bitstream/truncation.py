"""Truncating a file to its first segments, which stay as they are."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.layout import parse
from rudcodec.errors import BudgetError, SettingError


@dataclass(frozen=True)
class Truncation:
    """A truncated file, ``data``: the first ``segments`` of ``total``, ``images`` of ``classes`` classes."""

    data: bytes = field(repr=False)
    segments: int
    total: int
    images: int
    classes: int

    @property
    def ipc(self) -> float:
        """Images per class, on average."""
        return self.images / self.classes

    @property
    def bpc(self) -> float:
        """Bits per class: 8 * size / number of classes."""
        return 8 * len(self.data) / self.classes


def truncate(data: bytes, *, ipc: float | None = None, bpc: float | None = None) -> Truncation:
    """A file of a file's first segments: as many as have at most ``ipc`` images and ``bpc`` bits a class.

    Nothing is decoded. Raises FormatError when the file is malformed, BudgetError when even one segment is
    too much, SettingError when no limit is given, or one that isn't positive.
    """
    if ipc is None and bpc is None:
        raise SettingError("truncate needs ipc or bpc")
    for name, value in (("ipc", ipc), ("bpc", bpc)):
        if value is not None and not value > 0:
            raise SettingError(f"{name} is {value}, must be above zero")
    layout = parse(data)
    head, total = layout.head, len(layout.segments)
    classes = len(head.classes)
    ends = [section.end + 4 for section in layout.segments.values()]
    images = [0]
    for counts in head.counts:
        images.append(images[-1] + sum(counts))
    weights_offset = layout.weights.offset

    def file_size(count: int) -> int:
        return len(_encode_head(head, count)) + ends[count - 1] - weights_offset

    num_segments = total
    if ipc is not None:
        num_segments = bisect_right(images, ipc * classes) - 1
        if not num_segments:
            raise BudgetError(
                f"one segment has {images[1] / classes:.10g} images a class, the least possible"
            )
    if bpc is not None and 8 * file_size(num_segments) > bpc * classes:
        num_segments = bisect_right(
            range(1, num_segments), bpc * classes, key=lambda count: 8 * file_size(count)
        )
        if not num_segments:
            raise BudgetError(
                f"one segment takes {-(-8 * file_size(1) // classes)} bits a class, the least possible"
            )
    result = _encode_head(head, num_segments) + data[weights_offset : ends[num_segments - 1]]
    if reason := limits.excess(
        head.architecture, head.counts[:num_segments], head.share, len(result), head.soft is not None
    ):
        raise BudgetError(f"the first {num_segments} segments are no valid file of their own: {reason}")
    return Truncation(result, num_segments, total, images[num_segments], classes)


def _encode_head(head: Head, count: int) -> bytes:
    """The bytes before the weights in a file of the first ``count`` segments."""
    writer = container.Writer("head")
    code_head(writer, replace(head, counts=head.counts[:count]))
    return container.MAGIC + bytes([container.VERSION]) + container.pack(container.HEAD, bytes(writer.data))
