"""A description of a file: a table of its bytes, and ideal code lengths under the integer model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from rudcodec.bitstream import limits
from rudcodec.bitstream.codec import image_size
from rudcodec.bitstream.coder import Meter
from rudcodec.bitstream.container import HEAD, Place, Reader, Section, unpack
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_fields, code_parameters, label_parameters
from rudcodec.bitstream.labels import shapes as label_shapes
from rudcodec.bitstream.latents import LatentCoding, SegmentCoder
from rudcodec.bitstream.layout import Layout, parse
from rudcodec.bitstream.networks import networks_of
from rudcodec.bitstream.reading import decode
from rudcodec.bitstream.soft import code_soft, columns
from rudcodec.bitstream.weights import code_layers
from rudcodec.payload import Payload


class Row(NamedTuple):
    """A range of bytes of a file: its section, its offset, the number of bytes, and what they are."""

    section: str
    offset: int
    bytes: int
    note: str


class Part(NamedTuple):
    """The ideal code length of part of a payload: ``symbols`` integers take ``bits``."""

    name: str
    symbols: int
    bits: float


@dataclass(frozen=True)
class Description:
    """What the bytes of a file are.

    Attributes:
        head: the file's head.
        rows: byte ranges that cover the file, in order and without gaps.
        data: the file.
    """

    head: Head
    rows: tuple[Row, ...]
    data: bytes = field(repr=False)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Code lengths in the coder streams, which are decoded for that. Raises FormatError."""
        return code_length(decode(self.data))


def describe(data: bytes) -> Description:
    """Explain the bytes of a file. Raises FormatError when head or checksums are wrong."""
    layout = parse(data)
    head = layout.head
    groups = limits.group_count(head.share, len(head.classes))
    rows = [Row("file", 0, 4, "magic 'RUD' and format version 1")]
    rows += _head_rows(data)
    symbols = limits.parameters(head.architecture) * groups
    start, end = layout.weights.start, layout.weights.end
    note = f"{groups} group(s), {symbols} parameters, {8 * (end - start) / symbols:.2f} bits each"
    rows += _framed("weights", layout.weights, [Row("weights", start, end - start, note)])
    if layout.labels is not None:
        rows += _framed("labels", layout.labels, _label_rows(data, layout))
    for i, section in layout.segments.items():
        name, images = f"segment {i}", sum(head.counts[i])
        body = section.end - section.start - 4
        contents = "latents" if head.soft is None else "labels and latents"
        note = f"{contents} of {images} images, {8 * body / images:.1f} bits each"
        rows += _framed(
            name,
            section,
            [Row(name, section.start, 4, "digest of the pixels"), Row(name, section.start + 4, body, note)],
        )
    return Description(head, tuple(rows), data)


def _framed(name: str, section: Section, body: list[Row]) -> list[Row]:
    opening = Row(name, section.offset, section.start - section.offset, "tag, length")
    return [opening, *body, Row(name, section.end, 4, "checksum")]


def code_length(payload: Payload) -> tuple[Part, ...]:
    """Ideal code lengths of weights and latents: the sum over all symbols of -log2 of their probability.

    A file adds its head, some 12 bytes a section, and at most 8 bytes a coder stream.
    """
    architecture = payload.architecture
    lengths = []
    for kind, shapes in zip(("context", "synthesis"), limits.network_shapes(architecture), strict=True):
        meter = Meter()
        for group in payload.groups:
            layers = group.context if kind == "context" else group.synthesis
            code_layers(meter, shapes, layers, kind, Place("weights"))
        count = sum(limits.product(shape.weight) + limits.product(shape.bias) for shape in shapes)
        lengths.append(Part(f"weights: {kind} network", count * len(payload.groups), meter.bits))
    if payload.labels is not None:
        classes, size, meter = len(payload.classes), image_size(architecture), Meter()
        network = payload.labels
        parameter_shapes = label_shapes(network.layers, size, classes)
        code_parameters(meter, parameter_shapes, network.parameters, Place("labels"))
        count = label_parameters(network.layers, size, classes)
        lengths.append(Part("labels: label network", count, meter.bits))
    if payload.soft is not None:
        count, meter = 0, Meter()
        for segment in payload.segments:
            code_soft(meter, payload.soft, segment.counts, segment.soft, Place("segment"))
            count += sum(segment.counts) * (1 + columns(payload.soft, len(payload.classes)))
        lengths.append(Part("labels of images", count, meter.bits))
    meter = Meter()
    level_bits = [0.0] * len(architecture.grids)
    segments = [SegmentCoder(meter, s.counts, Place("segment"), s.latents) for s in payload.segments]
    for grid in LatentCoding(networks_of(payload), segments).grids():
        level_bits[grid.level] += meter.bits - sum(level_bits)
    images = sum(sum(segment.counts) for segment in payload.segments)
    for i, ((h, w), c) in enumerate(zip(limits.level_sizes(architecture), architecture.grids, strict=True)):
        lengths.append(Part(f"latents: level {i}, {c} x {h} x {w}", images * c * h * w, level_bits[i]))
    return tuple(lengths)


def _label_rows(data: bytes, layout: Layout) -> list[Row]:
    section = layout.labels
    assert section is not None
    size, classes = image_size(layout.head.architecture), len(layout.head.classes)
    reader = Reader(data, "labels", section.start, section.end)
    network = code_fields(reader, size, classes, None)
    (_, first), (_, views) = reader.marks
    symbols = label_parameters(network.layers, size, classes)
    coded = section.end - reader.position
    widths = " ".join(str(layer.out_channels) for layer in network.layers)
    return [
        Row("labels", first, views - first, f"label network of widths {widths}, softmax"),
        Row("labels", views, reader.position - views, "how views are drawn"),
        Row("labels", reader.position, coded, f"{symbols} parameters, {8 * coded / symbols:.2f} bits each"),
    ]


def _head_rows(data: bytes) -> list[Row]:
    section = unpack(data, 4, HEAD, "head")
    reader = Reader(data, "head", section.start, section.end)
    head = code_head(reader, None)
    a = head.architecture
    notes = {
        "picture": f"{a.width} x {a.height}, {a.channels} channel(s); labels: {head.labels}; "
        f"networks per {head.share}",
        "networks": f"grids {a.grids}, context {a.context_hidden}, {len(a.synthesis)} synthesis layers",
        "recipe": f"{head.recipe.optimizer}, {head.recipe.steps} steps of {head.recipe.batch}",
        "classes": f"names of {len(head.classes)} classes",
        "segments": f"images of each class in {len(head.counts)} segment(s)",
        "soft labels": "how many classes, step, temperature",
    }
    rows = [Row("head", section.offset, section.start - section.offset, "tag, length")]
    ends = [start for _, start in reader.marks[1:]] + [section.end]
    for (name, start), end in zip(reader.marks, ends, strict=True):
        rows.append(Row("head", start, end - start, f"{name}: {notes[name]}"))
    return [*rows, Row("head", section.end, 4, "checksum")]
