"""The contents of a file: its networks, decoded once, and its segments, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.codec import image_size
from rudcodec.bitstream.coder import Decoder
from rudcodec.bitstream.container import Place, Section
from rudcodec.bitstream.files import Source
from rudcodec.bitstream.labels import code_fields, code_parameters, shapes
from rudcodec.bitstream.latents import SegmentCoder, code_latents
from rudcodec.bitstream.layout import Layout
from rudcodec.bitstream.networks import Networks
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.payload import Group, LabelNetwork, Payload, Segment, SoftLabels

_DIGEST = 4  # bytes


class Contents:
    """A file whose head and sections are known. Raises FormatError when its networks are malformed."""

    def __init__(self, data: Source, layout: Layout) -> None:
        self.head = head = layout.head
        self.groups = _read_groups(data, layout)
        self.labels = read_labels(data, layout)
        self.networks = Networks(head.architecture, self.groups, head.share, head.ymax)
        self._data = data
        self._sections = layout.segments

    def payload(self, segments: Iterable[Segment]) -> Payload:
        """The payload with these segments."""
        head = self.head
        return Payload(
            head.architecture,
            head.classes,
            head.share,
            self.groups,
            tuple(segments),
            head.recipe,
            self.labels,
            head.soft,
        )

    def digest(self, number: int) -> tuple[Place, int]:
        """The digest of a segment's pixels, and where it is."""
        start = self._sections[number].start
        stored = int.from_bytes(self._data[start : start + _DIGEST], "little")
        return Place(f"segment {number}", start), stored

    def segments(self, sections: Mapping[int, Section]) -> dict[int, Segment | FormatError]:
        """Decode segments together. For each, the segment, or the error that says why it can't be decoded."""
        results: dict[int, Segment | FormatError] = {}
        decoders: dict[int, Decoder] = {}
        segments: dict[int, SegmentCoder] = {}
        soft: dict[int, SoftLabels] = {}
        for i, section in sections.items():
            try:
                place, counts = self._place(i, section), self.head.counts[i]
                decoders[i] = Decoder(self._data[place.offset : section.end], place)
                if self.head.soft is not None:
                    soft[i] = code_soft(decoders[i], self.head.soft, counts, None, place)
                segments[i] = SegmentCoder(decoders[i], counts, place)
            except FormatError as error:
                results[i] = error
        if segments:
            latents = code_latents(self.networks, list(segments.values()))
            for (i, segment), grids in zip(segments.items(), latents, strict=True):
                if isinstance(grids, FormatError):
                    results[i] = grids
                    continue
                try:
                    decoders[i].finish()
                    results[i] = Segment(segment.counts, grids, soft.get(i))
                except FormatError as error:
                    results[i] = error
        return {i: results[i] for i in sections}

    def _place(self, number: int, section: Section) -> Place:
        """The place where a segment's stream begins."""
        name = f"segment {number}"
        if section.end - section.start < _DIGEST:
            raise FormatError(name, section.start, "ends inside the pixel digest")
        return Place(name, section.start + _DIGEST)


def _read_groups(data: Source, layout: Layout) -> tuple[Group, ...]:
    head, section = layout.head, layout.weights
    place = Place("weights", section.start)
    coder = Decoder(data[section.start : section.end], place)
    count = limits.group_count(head.share, len(head.classes))
    groups = tuple(code_group(coder, head.architecture, None, place) for _ in range(count))
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
    place = Place("labels", reader.position)
    coder = Decoder(data[reader.position : section.end], place)
    parameters = code_parameters(coder, shapes(network.layers, size, classes), None, place)
    coder.finish()
    return replace(network, parameters=parameters)
