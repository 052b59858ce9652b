"""Decoding: all of a file, some of it, one segment after another, or what is left of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.codec import digests, image_size, synthesize
from rudcodec.bitstream.coder import Decoder
from rudcodec.bitstream.container import Section
from rudcodec.bitstream.files import Source, read_bytes
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_fields, code_parameters
from rudcodec.bitstream.latents import code_latents, fail_at_once
from rudcodec.bitstream.recovery import locate
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError, SettingError
from rudcodec.payload import Group, LabelNetwork, Payload, Segment, SoftLabels

_DIGEST = 4  # bytes


@dataclass(frozen=True)
class Layout:
    """The head of a file, and where weights, labels (if there are any) and (chosen) segments lie; these by
    number, in order."""

    head: Head
    weights: Section
    labels: Section | None
    segments: dict[int, Section]


def parse(data: Source, choose: Callable[[Head], Collection[int]] | None = None) -> Layout:
    """Head and places of weights and segments; limits, order and lengths are checked, nothing is decoded.

    Checksums are checked of head, weights and the segments that ``choose`` names; None: of all.
    """
    head, section = _read_head(data)
    _check_cost(head, head.counts, len(data), section)
    chosen = choose(head) if choose else range(len(head.counts))
    weights, labels = _networks(data, head, section.end + 4)
    end = (labels or weights).end + 4
    segments = {}
    for i in range(len(head.counts)):
        name = f"segment {i}"
        section = container.frame(data, end, container.SEGMENT, name)
        if i in chosen:
            container.check(data, section, name)
            segments[i] = section
        end = section.end + 4
    if end != len(data):
        raise FormatError("file", end, f"{len(data) - end} bytes behind the last section")
    return Layout(head, weights, labels, segments)


def _networks(data: Source, head: Head, offset: int) -> tuple[Section, Section | None]:
    weights = container.unpack(data, offset, container.WEIGHTS, "weights")
    if head.labels != "network":
        return weights, None
    return weights, container.unpack(data, weights.end + 4, container.LABELS, "labels")


def read(path: str | os.PathLike[str]) -> Payload:
    """Decode a file. Raises DataError when it can't be read, FormatError when it is malformed."""
    return decode(read_bytes(path))


def decode(data: Source) -> Payload:
    """The payload in the bytes of a ``.rud`` file. Raises FormatError when they are malformed."""
    layout = parse(data)
    groups = _read_groups(data, layout)
    segments = _read_latents(data, layout.head, groups, layout.segments, fail_at_once)
    return _payload(layout.head, groups, read_labels(data, layout), segments)


def decode_images(
    data: Source, segments: Iterable[int] | None = None, classes: Iterable[str] | None = None
) -> tuple[Payload, np.ndarray]:
    """Payload and images, uint8 (N, H, W, C), after checking these against the file's pixel digests.

    ``segments``, ``classes``: only those; other segments aren't read, other classes not synthesized. Where
    only some classes of a segment are, its digest can't be checked. Raises FormatError when the file is
    malformed or the images aren't those its encoder saw, SettingError for a segment or class it doesn't have.
    """
    wanted = _names(classes)
    layout = parse(data, partial(_choose, segments, wanted))
    return _read_images(data, layout, _read_groups(data, layout), read_labels(data, layout), wanted)


def stream(
    data: Source, segments: Iterable[int] | None = None, classes: Iterable[str] | None = None
) -> Iterator[tuple[Payload, np.ndarray]]:
    """As :func:`decode_images`, segment after segment, with no more than one in memory."""
    wanted = _names(classes)
    layout = parse(data, partial(_choose, segments, wanted))
    groups, labels = _read_groups(data, layout), read_labels(data, layout)
    for i, section in layout.segments.items():
        yield _read_images(data, replace(layout, segments={i: section}), groups, labels, wanted)


def salvage(data: bytes) -> tuple[Payload, np.ndarray, tuple[FormatError, ...]]:
    """Payload and images of the intact segments of a damaged file, and one error for each of the others.

    Raises FormatError when head, weights or labels are damaged, or no segment is intact.
    """
    head, section = _read_head(data)
    weights, network = _networks(data, head, section.end + 4)
    found = dict(enumerate(locate(data, (network or weights).end + 4, len(head.counts))))
    lost = {i: place for i, place in found.items() if isinstance(place, FormatError)}
    sections = {i: place for i, place in found.items() if isinstance(place, Section)}
    if sections:
        _check_cost(head, tuple(head.counts[i] for i in sections), len(data), section)
        layout = Layout(head, weights, network, sections)
        groups, labels = _read_groups(data, layout), read_labels(data, layout)
        segments = _read_latents(data, head, groups, sections, lost.__setitem__)
        images = synthesize(_payload(head, groups, labels, segments))
        _check_digests(data, images, sections, segments, head.counts, lost.__setitem__)
    if len(lost) == len(found):
        raise lost[0]
    good = {i: segment for i, segment in segments.items() if i not in lost}
    keep = np.repeat([i in good for i in segments], [sum(s.counts) for s in segments.values()])
    return _payload(head, groups, labels, good), images[keep], tuple(lost[i] for i in sorted(lost))


def _names(classes: Iterable[str] | None) -> frozenset[str] | None:
    return None if classes is None else frozenset(classes)


def _choose(segments: Iterable[int] | None, classes: frozenset[str] | None, head: Head) -> set[int]:
    """Numbers of the segments asked for that hold images of the classes asked for."""
    every = range(len(head.counts))
    chosen = set(every if segments is None else segments)
    for i in chosen.difference(every):
        raise SettingError(f"segment {i}: the file has segments 0..{len(every) - 1}")
    if classes is None:
        return chosen
    for name in sorted(classes.difference(head.classes)):
        raise SettingError(f"class {name!r}: the file has no such class")
    mine = [k for k, name in enumerate(head.classes) if name in classes]
    return {i for i in chosen if any(head.counts[i][k] for k in mine)}


def _read_head(data: Source) -> tuple[Head, Section]:
    section = container.unpack(data, container.start(data), container.HEAD, "head")
    reader = container.Reader(data, "head", section.start, section.end)
    head = code_head(reader, None)
    reader.finish()
    return head, section


def _check_cost(head: Head, counts: tuple[tuple[int, ...], ...], size: int, section: Section) -> None:
    fail = partial(FormatError, "head", section.start)
    limits.check_cost(head.architecture, counts, head.share, size, fail, head.soft is not None)


def _read_groups(data: Source, layout: Layout) -> tuple[Group, ...]:
    head, section = layout.head, layout.weights
    coder = Decoder(data[section.start : section.end], "weights", section.start)
    count = len(head.classes) if head.share == "class" else 1
    groups = tuple(code_group(coder, head.architecture, None, "weights", section.start) for _ in range(count))
    coder.finish()
    return groups


def read_labels(data: Source, layout: Layout) -> LabelNetwork | None:
    """The label network of a file, None if it has none."""
    section = layout.labels
    if section is None:
        return None
    size, classes = image_size(layout.head.architecture), len(layout.head.classes)
    reader = container.Reader(data, "labels", section.start, section.end)
    network = code_fields(reader, size, classes, None)
    at = reader.position
    coder = Decoder(data[at : section.end], "labels", at)
    fail = partial(FormatError, "labels", at)
    parameters = code_parameters(coder, network.layers, size, classes, None, fail)
    coder.finish()
    return replace(network, parameters=parameters)


def _read_latents(
    data: Source,
    head: Head,
    groups: tuple[Group, ...],
    sections: dict[int, Section],
    give_up: Callable[[int, FormatError], None],
) -> dict[int, Segment]:
    """Decode segments together, without those that fail: ``give_up`` gets their numbers and errors."""
    coders, soft = {}, {}
    for i, section in sections.items():
        try:
            if section.end - section.start < _DIGEST:
                raise FormatError(f"segment {i}", section.start, "ends inside the pixel digest")
            at = section.start + _DIGEST
            coder = Decoder(data[at : section.end], f"segment {i}", at)
            if head.soft is not None:
                fail_soft = partial(FormatError, f"segment {i}", at)
                soft[i] = code_soft(coder, head.soft, head.counts[i], None, fail_soft)
            coders[i] = coder
        except FormatError as error:
            give_up(i, error)
    if not coders:
        return {}
    numbers = list(coders)
    failed: set[int] = set()

    def fail(index: int, error: FormatError) -> None:
        failed.add(numbers[index])
        give_up(numbers[index], error)

    segments = code_latents(
        list(coders.values()),
        head.architecture,
        groups,
        head.share,
        tuple(head.counts[i] for i in numbers),
        head.ymax,
        None,
        [partial(FormatError, f"segment {i}", sections[i].start + _DIGEST) for i in numbers],
        give_up=fail,
    )
    for index, coder in enumerate(coders.values()):
        if numbers[index] not in failed:
            try:
                coder.finish()
            except FormatError as error:
                fail(index, error)
    return {
        i: replace(segment, soft=soft.get(i))
        for i, segment in zip(numbers, segments, strict=True)
        if i not in failed
    }


def _payload(
    head: Head, groups: tuple[Group, ...], labels: LabelNetwork | None, segments: dict[int, Segment]
) -> Payload:
    return Payload(
        head.architecture,
        head.classes,
        head.share,
        groups,
        tuple(segments.values()),
        head.recipe,
        labels,
        head.soft,
    )


def _read_images(
    data: Source,
    layout: Layout,
    groups: tuple[Group, ...],
    labels: LabelNetwork | None,
    classes: frozenset[str] | None,
) -> tuple[Payload, np.ndarray]:
    """Payload and images of the layout's segments, both without the classes not asked for."""
    head = layout.head
    segments = _read_latents(data, head, groups, layout.segments, fail_at_once)
    if classes is not None:
        mine = [name in classes for name in head.classes]
        segments = {i: _restrict(segment, mine) for i, segment in segments.items()}
    payload = _payload(head, groups, labels, segments)
    images = synthesize(payload)
    _check_digests(data, images, layout.segments, segments, head.counts, fail_at_once)
    return payload, images


def _restrict(segment: Segment, classes: list[bool]) -> Segment:
    """Only the images of some classes."""
    keep = np.repeat(classes, segment.counts)
    counts = tuple(n if mine else 0 for n, mine in zip(segment.counts, classes, strict=True))
    soft = segment.soft and SoftLabels(segment.soft.others[keep], segment.soft.odds[keep])
    return Segment(counts, tuple(grid[keep] for grid in segment.latents), soft)


def _check_digests(
    data: Source,
    images: np.ndarray,
    sections: dict[int, Section],
    segments: dict[int, Segment],
    counts: tuple[tuple[int, ...], ...],
    give_up: Callable[[int, FormatError], None],
) -> None:
    """Compare the images of each segment that has all of its ``counts`` with its digest."""
    found = digests([segment.counts for segment in segments.values()], images)
    for (i, segment), digest in zip(segments.items(), found, strict=True):
        at = sections[i].start
        if segment.counts == counts[i] and digest != int.from_bytes(data[at : at + _DIGEST], "little"):
            give_up(i, FormatError(f"segment {i}", at, "decoded images do not match their digest"))
