"""A description of a file: a table of its bytes, and ideal code lengths under the integer model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from rudcodec.bitstream import limits
from rudcodec.bitstream.ancillary import NAMES
from rudcodec.bitstream.coder import Meter
from rudcodec.bitstream.container import METADATA, VERSION, Place, Section
from rudcodec.bitstream.labels import code_parameters, label_parameters
from rudcodec.bitstream.labels import shapes as label_shapes
from rudcodec.bitstream.latents import LatentCoding, SegmentCoder
from rudcodec.bitstream.layout import LabelsOutline, ModelOutline, Outline, SegmentOutline, parse
from rudcodec.bitstream.networks import ModelNetworks, networks_of
from rudcodec.bitstream.reading import decode
from rudcodec.bitstream.segments import SegmentFields
from rudcodec.bitstream.soft import code_soft, columns
from rudcodec.bitstream.weights import code_layers
from rudcodec.payload import LabelNetwork, Model, Payload, Segment, SoftScale
from rudcodec.text import shown


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
        outline: what the file says of itself.
        rows: byte ranges that cover the file, in order and without gaps.
        data: the file.
    """

    outline: Outline
    rows: tuple[Row, ...]
    data: bytes = field(repr=False)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Code lengths in the coder streams, which are decoded for that. Raises FormatError."""
        return code_length(decode(self.data))


def describe(data: bytes) -> Description:
    """Explain the bytes of a file. Raises FormatError when a section is malformed."""
    outline = parse(data)
    rows = [Row("file", 0, 4, f"magic 'RUD' and format version {VERSION}"), *_head_rows(outline)]
    for i, model in enumerate(outline.models):
        rows += _framed(f"model {i}", model.section, _model_rows(f"model {i}", model))
    if outline.labels is not None:
        rows += _framed("labels", outline.labels.section, _label_rows(outline, outline.labels))
    for i, segment in outline.segments.items():
        rows += _framed(f"segment {i}", segment.section, _segment_rows(f"segment {i}", outline, segment))
    for section, reason in outline.ancillary.sections:
        rows += _ancillary_rows(outline, section, reason)
    return Description(outline, tuple(sorted(rows, key=lambda row: row.offset)), data)


def _framed(name: str, section: Section, body: list[Row]) -> list[Row]:
    opening = Row(name, section.offset, section.start - section.offset, "tag, length")
    return [opening, *body, Row(name, section.end, 4, "checksum")]


def _rows(name: str, section: Section, *ends: tuple[int, str]) -> list[Row]:
    """The rows of a section's body: where each ends, and what it is."""
    rows, start = [], section.start
    for end, note in ends:
        rows.append(Row(name, start, end - start, note))
        start = end
    return rows


def _head_rows(outline: Outline) -> list[Row]:
    height, width, channels = outline.image_shape
    section, segments = outline.head_section, outline.head.num_segments
    note = f"{width} x {height}, {channels} channel(s); {len(outline.classes)} classes; {segments} segment(s)"
    return _framed("head", section, _rows("head", section, (section.end, note)))


def _model_rows(name: str, model: ModelOutline) -> list[Row]:
    fields, section = model.fields, model.section
    a, groups = fields.architecture, fields.num_groups
    symbols = limits.parameters(a) * groups
    rate = 8 * (section.end - model.stream) / symbols
    return _rows(
        name,
        section,
        (model.stream, f"grids {a.grids}, context {a.context_hidden}, {len(a.synthesis)} synthesis layers"),
        (section.end, f"{groups} group(s), {symbols} parameters, {rate:.2f} bits each"),
    )


def _label_rows(outline: Outline, labels: LabelsOutline) -> list[Row]:
    section, network = labels.section, labels.labels
    if isinstance(network, SoftScale):
        return _rows("labels", section, (section.end, "soft labels: how many classes, step, temperature"))
    symbols = label_parameters(network.layers, outline.image_shape, len(outline.classes))
    widths = " ".join(str(layer.out_channels) for layer in network.layers)
    rate = 8 * (section.end - labels.stream) / symbols
    return _rows(
        "labels",
        section,
        (labels.stream, f"label network of widths {widths}, softmax"),
        (section.end, f"{symbols} parameters, {rate:.2f} bits each"),
    )


def _segment_rows(name: str, outline: Outline, segment: SegmentOutline) -> list[Row]:
    images, start, end = segment.fields.images, segment.digest + 4, segment.section.end
    contents = "latents" if outline.soft is None else "labels and latents"
    return _rows(
        name,
        segment.section,
        (segment.digest, "images of each class"),
        (start, "digest of the pixels"),
        (end, f"{contents} of {images} images, {8 * (end - start) / images:.1f} bits each"),
    )


def _ancillary_rows(outline: Outline, section: Section, reason: str | None) -> list[Row]:
    name = NAMES.get(section.tag, f"section {section.tag}")
    recipe = outline.recipe
    note = "how views are drawn"
    if reason is not None:
        note = f"skipped: {reason}"
    elif section.tag == METADATA:
        note = ", ".join(map(shown, outline.metadata))
    elif name == "recipe" and recipe is not None:
        note = f"{recipe.optimizer}, {recipe.steps} steps of {recipe.batch}"
    return _framed(name, section, _rows(name, section, (section.end, note)))


def code_length(payload: Payload) -> tuple[Part, ...]:
    """Ideal code lengths of weights and latents: the sum over all symbols of -log2 of their probability.

    A file adds its head, some 12 bytes a section, and at most 8 bytes a coder stream.
    """
    networks = networks_of(payload).models
    names = [f"model {i}: " if len(networks) > 1 else "" for i in range(len(networks))]
    lengths = []
    for name, model in zip(names, payload.models, strict=True):
        lengths += _weight_lengths(name, model)
    if payload.network is not None:
        lengths.append(_network_length(payload, payload.network))
    if payload.soft is not None:
        lengths.append(_soft_length(payload, payload.soft))
    for i, (name, ready) in enumerate(zip(names, networks, strict=True)):
        lengths += _latent_lengths(name, ready, [s for s in payload.segments if s.model == i])
    return tuple(lengths)


def _weight_lengths(prefix: str, model: Model) -> list[Part]:
    lengths = []
    for kind, shapes in zip(("context", "synthesis"), limits.network_shapes(model.architecture), strict=True):
        meter = Meter()
        for group in model.groups:
            layers = group.context if kind == "context" else group.synthesis
            code_layers(meter, shapes, layers, kind, Place("model"))
        count = sum(math.prod(shape.weight) + math.prod(shape.bias) for shape in shapes)
        lengths.append(Part(f"{prefix}weights: {kind} network", count * len(model.groups), meter.bits))
    return lengths


def _network_length(payload: Payload, network: LabelNetwork) -> Part:
    shape, classes, meter = payload.image_shape, len(payload.classes), Meter()
    layer_shapes = label_shapes(network.layers, shape, classes)
    code_parameters(meter, layer_shapes, network.parameters, Place("labels"))
    return Part("labels: label network", label_parameters(network.layers, shape, classes), meter.bits)


def _soft_length(payload: Payload, scale: SoftScale) -> Part:
    count, meter, classes = 0, Meter(), len(payload.classes)
    for segment in payload.segments:
        code_soft(meter, scale, segment.labels, classes, segment.soft, Place("segment"))
        count += sum(segment.counts) * (1 + columns(scale, classes))
    return Part("labels of images", count, meter.bits)


def _latent_lengths(prefix: str, model: ModelNetworks, segments: Sequence[Segment]) -> list[Part]:
    """One for each level of a model; of no images if it has no segments."""
    meter, a = Meter(), model.architecture
    level_bits = [0.0] * len(a.grids)
    coders = [
        SegmentCoder(meter, SegmentFields(s.counts, s.model, s.order), Place("segment"), s.latents)
        for s in segments
    ]
    for grid in LatentCoding(model, coders).grids() if coders else ():
        level_bits[grid.level] += meter.bits - sum(level_bits)
    images = sum(sum(segment.counts) for segment in segments)
    return [
        Part(f"{prefix}latents: level {i}, {c} x {h} x {w}", images * c * h * w, bits)
        for i, (bits, c, (h, w)) in enumerate(zip(level_bits, a.grids, limits.level_sizes(a), strict=True))
    ]
