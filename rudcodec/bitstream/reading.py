"""Decoding: all of a file, some of it, one segment after another, or what is intact of a damaged one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rudcodec.bitstream.codec import digests
from rudcodec.bitstream.container import Section
from rudcodec.bitstream.contents import Contents
from rudcodec.bitstream.files import Source, read_bytes
from rudcodec.bitstream.header import Head
from rudcodec.bitstream.latents import columns_of
from rudcodec.bitstream.layout import Layout, check_cost, locate_networks, parse, read_head
from rudcodec.bitstream.limits import latents_per_image
from rudcodec.bitstream.recovery import locate
from rudcodec.errors import FormatError, SettingError
from rudcodec.payload import Payload, Segment, SoftLabels

_TOGETHER = 1 << 20  # latents and samples of small segments that are decoded in one go


@dataclass(frozen=True)
class Selection:
    """Which segments and classes of a file are wanted; None: all."""

    segments: Collection[int] | None = None
    classes: frozenset[str] | None = None

    def numbers(self, head: Head) -> set[int]:
        """The numbers of the selected segments of a file. Raises SettingError for what it doesn't have."""
        all_segments = range(len(head.counts))
        selected = set(all_segments if self.segments is None else self.segments)
        for i in selected.difference(all_segments):
            raise SettingError(f"segment {i}: the file has segments 0..{len(all_segments) - 1}")
        if self.classes is None:
            return selected
        for name in sorted(self.classes.difference(head.classes)):
            raise SettingError(f"class {name!r}: the file has no such class")
        class_numbers = [number for number, name in enumerate(head.classes) if name in self.classes]
        return {i for i in selected if any(head.counts[i][number] for number in class_numbers)}

    def restrict(self, head: Head, segments: dict[int, Segment]) -> dict[int, Segment]:
        """The segments without images of other classes."""
        if self.classes is None:
            return segments
        kept_classes = [name in self.classes for name in head.classes]
        return {i: _restrict(segment, kept_classes) for i, segment in segments.items()}


def read(path: str | os.PathLike[str]) -> Payload:
    """Decode a file. Raises DataError when it can't be read, FormatError when it is malformed."""
    return decode(read_bytes(path))


def decode(data: Source) -> Payload:
    """The payload in the bytes of a ``.rud`` file. Raises FormatError when they are malformed."""
    layout = parse(data)
    contents = Contents(data, layout)
    return contents.payload(_all_or_raise(contents.segments(layout.segments)).values())


def decode_images(
    data: Source, segments: Iterable[int] | None = None, classes: Iterable[str] | None = None
) -> tuple[Payload, np.ndarray]:
    """Payload and images, uint8 (N, H, W, C), after checking these against the file's pixel digests.

    ``segments``, ``classes``: only those; other segments aren't read, other classes not synthesized. Where
    only some classes of a segment are, its digest can't be checked. Raises FormatError when the file is
    malformed or the images aren't those its encoder saw, SettingError for a segment or class it doesn't have.
    """
    selection = _selection(segments, classes)
    layout = parse(data, selection.numbers)
    contents = Contents(data, layout)
    decoded = selection.restrict(layout.head, _all_or_raise(contents.segments(layout.segments)))
    images = contents.networks.images(tuple(decoded.values()))
    for error in _digest_errors(contents, images, decoded).values():
        raise error
    return contents.payload(decoded.values()), images


def stream(
    data: Source, segments: Iterable[int] | None = None, classes: Iterable[str] | None = None
) -> Iterator[tuple[Payload, np.ndarray]]:
    """Like :func:`decode_images`, one segment after another; only one is in memory, or several small ones."""
    selection = _selection(segments, classes)
    layout = parse(data, selection.numbers)
    contents = Contents(data, layout)
    for sections in _batches(layout):
        results = contents.segments(sections)
        decoded = selection.restrict(layout.head, _intact(results))
        images = contents.networks.images(tuple(decoded.values()))
        errors = _digest_errors(contents, images, decoded)
        end = 0
        for i, result in results.items():
            error = errors.get(i, result)
            if isinstance(error, FormatError):
                raise error
            start, end = end, end + sum(decoded[i].counts)
            # of a batch, so that one segment doesn't keep the others' memory
            segment_images = images[start:end] if len(sections) == 1 else images[start:end].copy()
            yield contents.payload([decoded[i]]), segment_images


def salvage(data: bytes) -> tuple[Payload, np.ndarray, tuple[FormatError, ...]]:
    """Payload and images of the intact segments of a damaged file, and one error for each of the others.

    Raises FormatError when head, weights or labels are damaged, or no segment is intact.
    """
    head, section = read_head(data)
    weights, labels = locate_networks(data, head, section.end + 4)
    located = dict(enumerate(locate(data, (labels or weights).end + 4, len(head.counts))))
    errors = {i: location for i, location in located.items() if isinstance(location, FormatError)}
    sections = {i: location for i, location in located.items() if isinstance(location, Section)}
    if not sections:
        raise errors[0]
    check_cost(head, tuple(head.counts[i] for i in sections), len(data), section)
    contents = Contents(data, Layout(head, weights, labels, sections))
    results = contents.segments(sections)
    decoded = _intact(results)
    images = contents.networks.images(tuple(decoded.values()))
    errors |= {i: result for i, result in results.items() if isinstance(result, FormatError)}
    errors |= _digest_errors(contents, images, decoded)
    if len(errors) == len(located):
        raise errors[0]
    intact = [segment for i, segment in decoded.items() if i not in errors]
    keep = np.repeat([i not in errors for i in decoded], [sum(s.counts) for s in decoded.values()])
    return contents.payload(intact), images[keep], tuple(errors[i] for i in sorted(errors))


def _selection(segments: Iterable[int] | None, classes: Iterable[str] | None) -> Selection:
    return Selection(
        None if segments is None else frozenset(segments), None if classes is None else frozenset(classes)
    )


def _restrict(segment: Segment, kept_classes: list[bool]) -> Segment:
    """The segment with the images of some classes only."""
    keep = np.repeat(kept_classes, segment.counts)
    counts = tuple(n if is_kept else 0 for n, is_kept in zip(segment.counts, kept_classes, strict=True))
    soft = segment.soft and SoftLabels(segment.soft.others[keep], segment.soft.odds[keep])
    return Segment(counts, tuple(grid[keep] for grid in segment.latents), soft)


def _batches(layout: Layout) -> Iterator[dict[int, Section]]:
    """The segments one by one, or several small ones together: each batch costs the same steps."""
    a = layout.head.architecture
    latents = latents_per_image(a)
    max_columns = _TOGETHER // (latents + a.height * a.width * a.channels)
    batch: dict[int, Section] = {}
    totals = np.zeros(len(layout.head.classes), np.int64)
    for i, section in layout.segments.items():
        together = totals + layout.head.counts[i]
        if batch and columns_of([tuple(together)], layout.head.share).total > max_columns:
            yield batch
            batch, together = {}, np.array(layout.head.counts[i])
        batch[i], totals = section, together
    if batch:
        yield batch


def _intact(results: dict[int, Segment | FormatError]) -> dict[int, Segment]:
    return {i: result for i, result in results.items() if isinstance(result, Segment)}


def _all_or_raise(results: dict[int, Segment | FormatError]) -> dict[int, Segment]:
    """All segments. Raises the first error among them."""
    for result in results.values():
        if isinstance(result, FormatError):
            raise result
    return _intact(results)


def _digest_errors(
    contents: Contents, images: np.ndarray, segments: dict[int, Segment]
) -> dict[int, FormatError]:
    """Errors of the segments that are complete but whose images don't match their digest.

    ``images`` are those of all segments.
    """
    errors = {}
    computed = digests([segment.counts for segment in segments.values()], images)
    for (i, segment), digest in zip(segments.items(), computed, strict=True):
        place, stored = contents.digest(i)
        if segment.counts == contents.head.counts[i] and digest != stored:
            errors[i] = place.error("decoded images do not match their digest")
    return errors
