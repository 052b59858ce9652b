"""Decoding: all of a file, some of it, one segment after another, or what is intact of a damaged one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rudcodec.bitstream.class_names import names, numbers_of
from rudcodec.bitstream.codec import digests
from rudcodec.bitstream.contents import Contents
from rudcodec.bitstream.files import Source, read_bytes
from rudcodec.bitstream.layout import Outline, parse
from rudcodec.bitstream.limits import batches, latents_per_image
from rudcodec.bitstream.recovery import recover
from rudcodec.errors import FormatError, SettingError
from rudcodec.payload import Payload, Segment, hard_recipe

_TOGETHER = 1 << 22  # latents and samples of small segments that are decoded in one go


@dataclass(frozen=True)
class Selection:
    """Which segments and classes of a file are wanted; None: all.

    ``strict``: if it keeps the limits for files of strangers.
    """

    segments: frozenset[int] | None = None
    classes: frozenset[str] | None = None
    strict: bool = False

    def outline(self, data: Source) -> Outline:
        """The outline of a file, with the selected segments. Raises SettingError for what it doesn't have.

        Where classes are selected, all segments are looked at that may hold some.
        """
        outline = parse(data, self.segments, self.strict)
        total = outline.head.num_segments
        for i in sorted((self.segments or frozenset()).difference(range(total))):
            raise SettingError(f"segment {i}: the file has segments 0..{total - 1}")
        if self.classes is None:
            return outline
        kept = numbers_of(self.classes, outline.classes)
        outline.segments = {
            i: segment
            for i, segment in outline.segments.items()
            if any(segment.fields.counts[number] for number in kept)
        }
        return outline

    def restrict(self, outline: Outline, segments: dict[int, Segment]) -> dict[int, Segment]:
        """The segments without images of other classes."""
        if self.classes is None:
            return segments
        kept_classes = np.array([name in self.classes for name in outline.classes])
        return {i: segment.with_images(kept_classes[segment.labels]) for i, segment in segments.items()}


def read(path: str | os.PathLike[str]) -> Payload:
    """Decode a file. Raises DataError when it can't be read, FormatError when it is malformed."""
    return decode(read_bytes(path))


def decode(data: Source) -> Payload:
    """The payload in the bytes of a ``.rud`` file. Raises FormatError when they are malformed."""
    outline = parse(data)
    contents = Contents(data, outline)
    return contents.payload(_all_or_raise(contents.segments(outline.segments)).values())


def decode_images(
    data: Source,
    segments: Iterable[int] | None = None,
    classes: Iterable[str] | None = None,
    strict: bool = False,
) -> tuple[Payload, np.ndarray]:
    """Payload and images, uint8 (N, H, W, C), after checking these against the file's pixel digests.

    ``segments``, ``classes``: only those; other segments aren't read, other classes not synthesized. Where
    only some classes of a segment are, its digest can't be checked. ``strict``: by the limits for files of
    strangers. Raises FormatError when the file is malformed or the images aren't those its encoder saw,
    SettingError for a segment or class it doesn't have.
    """
    selection = _selection(segments, classes, strict)
    outline = selection.outline(data)
    contents = Contents(data, outline)
    decoded = selection.restrict(outline, _all_or_raise(contents.segments(outline.segments)))
    images = contents.networks.images(tuple(decoded.values()))
    for error in _digest_errors(contents, images, decoded).values():
        raise error
    return contents.payload(decoded.values()), images


def stream(
    data: Source,
    segments: Iterable[int] | None = None,
    classes: Iterable[str] | None = None,
    strict: bool = False,
) -> Iterator[tuple[Payload, np.ndarray]]:
    """Like :func:`decode_images`, one segment after another; only one is in memory, or several small ones."""
    selection = _selection(segments, classes, strict)
    outline = selection.outline(data)
    contents = Contents(data, outline)
    for numbers in _batches(contents):
        results = contents.segments(numbers)
        decoded = selection.restrict(outline, _intact(results))
        images = contents.networks.images(tuple(decoded.values()))
        errors = _digest_errors(contents, images, decoded)
        end = 0
        for i, result in results.items():
            error = errors.get(i, result)
            if isinstance(error, FormatError):
                raise error
            start, end = end, end + sum(decoded[i].counts)
            # of a batch, so that one segment doesn't keep the others' memory
            segment_images = images[start:end] if len(numbers) == 1 else images[start:end].copy()
            yield contents.payload([decoded[i]]), segment_images


def salvage(data: bytes, strict: bool = False) -> tuple[Payload, np.ndarray, tuple[FormatError, ...]]:
    """Payload and images of the intact segments of a damaged file, and one error for each of the others and
    for whatever else is damaged.

    Where the label network is lost, images have their classes, and the recipe is one for these. ``strict``:
    as :func:`rudcodec.bitstream.recover`. Raises FormatError when head, models or the scale of soft labels
    are damaged, or no segment is intact.
    """
    found = recover(data, strict)
    outline, errors = found.outline, found.lost
    if not outline.segments:
        raise errors[0]
    contents = Contents(data, outline)
    results = contents.segments(outline.segments)
    decoded = _intact(results)
    images = contents.networks.images(tuple(decoded.values()))
    errors |= {i: result for i, result in results.items() if isinstance(result, FormatError)}
    errors |= _digest_errors(contents, images, decoded)
    if len(errors) == outline.head.num_segments:
        raise errors[0]
    intact = [segment for i, segment in decoded.items() if i not in errors]
    keep = np.repeat([i not in errors for i in decoded], [sum(s.counts) for s in decoded.values()])
    lost = (*found.others, *(errors[i] for i in sorted(errors)))
    payload = contents.payload(intact)
    if found.lost_network and payload.recipe is not None:  # which is one for views
        sizes = [one.section.end - one.section.offset for one in outline.segments.values()]
        recipe = hard_recipe(payload.recipe, 8 * sum(sizes) / len(payload.classes), payload.num_images)
        payload = replace(payload, recipe=recipe)
    return payload, images[keep], lost


def _selection(segments: Iterable[int] | None, classes: Iterable[str] | None, strict: bool) -> Selection:
    if segments is not None and not isinstance(segments, Iterable):
        raise SettingError(f"segments must be a list of numbers, such as [{segments}]")
    return Selection(
        None if segments is None else frozenset(segments),
        None if classes is None else frozenset(names(classes)),
        strict,
    )


def _batches(contents: Contents) -> Iterator[list[int]]:
    """The segments one by one, or several small ones together: each batch costs the same steps."""
    batch: list[int] = []
    elements = 0
    for i, outline in contents.outline.segments.items():
        a = contents.models[outline.fields.model].architecture
        own = outline.fields.images * (latents_per_image(a) + a.height * a.width * a.channels)
        # steps cost the same for few images as for many
        if batch and elements + own > max(_TOGETHER, batches(a) << 10):
            yield batch
            batch, elements = [], 0
        batch.append(i)
        elements += own
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
    computed = digests([sum(segment.counts) for segment in segments.values()], images)
    for (i, segment), digest in zip(segments.items(), computed, strict=True):
        place, stored = contents.digest(i)
        if segment.counts == contents.outline.segments[i].fields.counts and digest != stored:
            errors[i] = place.error("decoded images do not match their digest")
    return errors
