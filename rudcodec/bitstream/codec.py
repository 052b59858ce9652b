"""Encoding a payload into bytes, and synthesizing its pixels."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.ancillary import pack_ancillary, pack_views
from rudcodec.bitstream.coder import Encoder
from rudcodec.bitstream.container import Place, Writer
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_labels, code_parameters, network_excess, shapes
from rudcodec.bitstream.latents import SegmentCoder, code_latents
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.bitstream.networks import Networks, largest_latents, networks_of
from rudcodec.bitstream.segments import SegmentFields, code_segment
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.files import write_bytes
from rudcodec.payload import Architecture, Group, ImageShape, LabelNetwork, Payload, Segment, SoftScale

Counts = Sequence[tuple[int, ...]]
"""For each segment, its images of each class."""


def encode(payload: Payload) -> bytes:
    """The ``.rud`` file of a payload. Raises FormatError when the format can't express it."""
    file = _coded(payload, with_digests=True)
    paid, reason = file.paid_segments(payload)
    if reason is not None:
        raise FormatError(f"segment {paid}", -1, reason)
    return b"".join([*file.front, *(one.section for one in file.segments)])


def encoded_size(payload: Payload) -> int:
    """Bytes of the file of a payload, without making its images for that.

    It may ask for more work than its bytes pay for: see :func:`paid_segments`. Else raises as :func:`encode`.
    """
    file = _coded(payload, with_digests=False)
    return sum(map(len, file.front)) + sum(len(one.section) for one in file.segments)


def paid_segments(payload: Payload) -> int:
    """How many of a payload's segments, from the first one on, a file may have: those whose work its bytes,
    and what is free, pay for. Raises as :func:`encode`."""
    return _coded(payload, with_digests=False).paid_segments(payload)[0]


@dataclass(frozen=True)
class _CodedSegment:
    """A segment's fields, and the bytes of its section, of which ``size`` are the body's."""

    fields: SegmentFields
    section: bytes
    size: int


@dataclass(frozen=True)
class _CodedFile:
    """The sections in ``front`` of the segments, the fields of the models in them, and the segments."""

    models: tuple[ModelFields, ...]
    front: list[bytes]
    segments: list[_CodedSegment]

    def paid_segments(self, payload: Payload) -> tuple[int, str | None]:
        """How many segments a file may have, and what is wrong with the next one. Raises FormatError if it
        is the models that ask for too much."""
        work = limits.WorkLimit()
        for i, model in enumerate(self.models):
            if reason := work.add(limits.model_work(model.architecture, model.num_groups)):
                raise FormatError(f"model {i}", -1, reason)
        for i, segment in enumerate(self.segments):
            if reason := work.add(segment.fields.work(self.models, payload.soft), segment.size):
                return i, reason
        return len(self.segments), None


def _coded(payload: Payload, with_digests: bool) -> _CodedFile:
    """All sections; without digests of their images segments have zeros there, which are as long."""
    _check_consistent(payload)
    models = tuple(
        ModelFields(model.architecture, model.classes, largest)
        for model, largest in zip(payload.models, largest_latents(payload), strict=True)
    )
    front = _front_sections(payload, models)
    return _CodedFile(models, front, _coded_segments(payload, models, with_digests))


def _front_sections(payload: Payload, models: tuple[ModelFields, ...]) -> list[bytes]:
    """All in front of the segments."""
    head = Head(payload.image_shape, payload.classes, len(payload.segments))
    sections = [file_start(head), *pack_ancillary(payload)]
    total = limits.NetworksLimit()
    for i, (model, fields) in enumerate(zip(payload.models, models, strict=True)):
        if len(model.groups) != fields.num_groups:
            raise FormatError(f"model {i}", -1, f"{len(model.groups)} groups, must be {fields.num_groups}")
        if reason := limits.model_excess(fields.architecture) or total.add(
            fields.architecture, len(model.groups)
        ):
            raise FormatError(f"model {i}", -1, reason)
        sections.append(model_section(i, fields, model.groups, len(payload.classes)))
    labels = payload.network or payload.soft
    if labels is not None:
        sections.append(_labels_section(labels, payload.image_shape, len(payload.classes)))
    return sections


def file_start(head: Head) -> bytes:
    """Magic, version and HEAD."""
    opening = container.MAGIC + bytes([container.VERSION])
    return opening + container.pack_fields(container.HEAD, "head", lambda fields: code_head(fields, head))


def model_section(number: int, fields: ModelFields, groups: Sequence[Group], classes: int) -> bytes:
    """The section of a model; ``classes``: their number in the file. Raises FormatError."""
    place, coder, a = Place(f"model {number}"), Encoder(), fields.architecture
    for group in groups:
        code_group(coder, a, group, place)
    shape = a.image_shape
    return container.pack_fields(
        container.MODEL,
        place.section,
        lambda writer: code_model(writer, shape, classes, fields),
        coder.finish(),
    )


def labels_bytes(network: LabelNetwork, shape: ImageShape, classes: int) -> bytes:
    """What a label network is in a file, with how views are drawn for it. Raises FormatError."""
    return _labels_section(network, shape, classes) + pack_views(network.views)


def labels_size(network: LabelNetwork, shape: ImageShape, classes: int) -> int:
    """How many bytes these are. Raises FormatError."""
    return len(labels_bytes(network, shape, classes))


def _labels_section(labels: LabelNetwork | SoftScale, shape: ImageShape, classes: int) -> bytes:
    stream = b""
    if isinstance(labels, LabelNetwork):
        if reason := network_excess(labels, shape, classes):
            raise FormatError("labels", -1, reason)
        coder = Encoder()
        layer_shapes = shapes(labels.layers, shape, classes)
        code_parameters(coder, layer_shapes, labels.parameters, Place("labels"))
        stream = coder.finish()
    return container.pack_fields(
        container.LABELS, "labels", lambda fields: code_labels(fields, shape, classes, labels), stream
    )


def _coded_segments(
    payload: Payload, models: tuple[ModelFields, ...], with_digests: bool
) -> list[_CodedSegment]:
    networks = Networks(payload.models, [model.ymax for model in models])
    classes = len(payload.classes)
    coders: list[Encoder] = []
    segments = []
    headers = []
    for i, segment in enumerate(payload.segments):
        place, coder = Place(f"segment {i}"), Encoder()
        writer = Writer(place.section)
        fields = code_segment(writer, classes, models, _fields_of(segment))
        _check_latents(segment, models[fields.model].architecture, place)
        if payload.soft is not None:
            code_soft(coder, payload.soft, fields.labels, classes, segment.soft, place)
        coders.append(coder)
        headers.append(bytes(writer.data))
        segments.append(SegmentCoder(coder, fields, place, segment.latents))
    code_latents(networks, segments)
    checksums = [0] * len(segments)
    if with_digests:
        checksums = digests([one.fields.images for one in segments], networks.images(payload.segments))
    coded = []
    for one, header, digest, coder in zip(segments, headers, checksums, coders, strict=True):
        body = header + digest.to_bytes(4, "little") + coder.finish()
        coded.append(_CodedSegment(one.fields, container.pack(container.SEGMENT, body), len(body)))
    return coded


def _fields_of(segment: Segment) -> SegmentFields:
    return SegmentFields(tuple(int(n) for n in segment.counts), segment.model, segment.order)


def synthesize(payload: Payload) -> np.ndarray:
    """Images, uint8 (N, H, W, C): segment after segment, in each class after class."""
    return networks_of(payload).images(payload.segments)


def hard_labels(payload: Payload) -> np.ndarray:
    """Class index of each image of :func:`synthesize`, int64 (N,)."""
    return np.concatenate([np.empty(0, np.int64), *(segment.labels for segment in payload.segments)])


def write(payload: Payload, path: str | os.PathLike[str]) -> int:
    """Encode into a file that is either complete or not there; returns its size in bytes.

    Raises FormatError when the format can't express the payload, DataError when the file can't be written.
    """
    data = encode(payload)
    write_bytes(data, path)
    return len(data)


def check_limits(
    architecture: Architecture, counts: Counts, groups: int, size: int = 0, label_symbols: int = 0
) -> None:
    """Raise FormatError if no file of ``size`` bytes may ask for as much as this; an encoder's early warning.

    ``counts``: per segment, images of each class; ``groups``: of networks, each of which every segment uses;
    ``label_symbols``: of an image's soft label.
    """
    reason = limits.model_excess(architecture) or limits.NetworksLimit().add(architecture, groups)
    work = limits.WorkLimit()
    reason = reason or work.add(limits.model_work(architecture, groups))
    for segment in counts:
        cost = limits.segment_work(architecture, sum(segment), groups, len(segment), label_symbols)
        reason = reason or work.add(cost, size // len(counts))
    if reason:
        raise FormatError("file", -1, reason)


def _check_consistent(payload: Payload) -> None:
    """Check what no single section can tell."""
    if not payload.models:
        raise FormatError("model 0", -1, "missing")
    for i, model in enumerate(payload.models):
        if model.architecture.image_shape != payload.image_shape:
            raise FormatError(f"model {i}", -1, "makes images of another shape than the first model")
    if payload.soft is not None and payload.network is not None:
        raise FormatError("labels", -1, "there can't be both soft labels and a label network")
    for i, segment in enumerate(payload.segments):
        if (segment.soft is None) != (payload.soft is None):
            raise FormatError(
                f"segment {i}", -1, "has soft labels where the set has not, or the other way round"
            )


def _check_latents(segment: Segment, architecture: Architecture, place: Place) -> None:
    """Check that latents are integers of the shapes that architecture and counts ask for."""
    levels = zip(limits.level_sizes(architecture), architecture.grids, strict=True)
    sizes = [size for size, components in levels for _ in range(components)]
    expected = [(sum(segment.counts), *size) for size in sizes]
    if [grid.shape for grid in segment.latents] != expected:
        raise place.error(f"latents must have the shapes {expected}")
    if any(grid.dtype.kind not in "iu" for grid in segment.latents):
        raise place.error("latents must be integers")


def digests(counts: Iterable[int], images: np.ndarray) -> list[int]:
    """CRC-32 of the pixels of each of some segments with so many images."""
    checksums, end = [], 0
    for count in counts:
        start, end = end, end + count
        checksums.append(zlib.crc32(np.ascontiguousarray(images[start:end]).data))
    return checksums
