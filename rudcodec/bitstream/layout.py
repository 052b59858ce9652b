"""The outline of a file: all that its sections say of themselves, before any coded stream is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rudcodec.bitstream import container, limits
from rudcodec.bitstream.ancillary import NAMES, Ancillary
from rudcodec.bitstream.container import ANCILLARY, HEAD, LABELS, MAGIC, MODEL, SEGMENT, Reader, Section
from rudcodec.bitstream.files import Source
from rudcodec.bitstream.header import Head, code_head
from rudcodec.bitstream.labels import code_labels, network_excess
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.bitstream.segments import SegmentFields, code_segment
from rudcodec.errors import FormatError
from rudcodec.payload import ImageShape, LabelNetwork, Recipe, SoftScale

_MOST_FIELDS = 11 << 16  # bytes that the fields of a segment may take: those of 65,535 runs


@dataclass(frozen=True)
class ModelOutline:
    """A model's ``section``, its ``fields``, and where its ``stream`` begins."""

    section: Section
    fields: ModelFields
    stream: int


@dataclass(frozen=True)
class LabelsOutline:
    """The labels' ``section``, what it says, a label network's parameters and views apart, and where its
    ``stream`` begins."""

    section: Section
    labels: SoftScale | LabelNetwork
    stream: int


@dataclass(frozen=True)
class SegmentOutline:
    """A segment's ``section``, its ``fields``, and where its ``digest`` is."""

    section: Section
    fields: SegmentFields
    digest: int


@dataclass
class Outline:
    """What a file is, known without decoding any of its streams.

    Attributes:
        head: image shape, classes, number of segments.
        models: of networks, at least one.
        labels: None: images have their class for a label.
        segments: those that were looked at, by number.
        ancillary: recipe, views and metadata.
    """

    head: Head
    head_section: Section
    models: list[ModelOutline] = field(default_factory=list)
    labels: LabelsOutline | None = None
    segments: dict[int, SegmentOutline] = field(default_factory=dict)
    ancillary: Ancillary = field(default_factory=Ancillary)
    total_work: limits.WorkLimit = field(default_factory=limits.WorkLimit)
    total_networks: limits.NetworksLimit = field(default_factory=limits.NetworksLimit)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.head.classes

    @property
    def image_shape(self) -> ImageShape:
        """Of every image."""
        return self.head.image_shape

    @property
    def recipe(self) -> Recipe | None:
        """For students; None: there is none that is understood."""
        return self.ancillary.recipe

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself in words."""
        return self.ancillary.metadata

    @property
    def soft(self) -> SoftScale | None:
        """How soft labels are quantized; None without them."""
        labels = self.labels.labels if self.labels else None
        return labels if isinstance(labels, SoftScale) else None

    @property
    def label_mode(self) -> str:
        """``"hard"``, ``"soft"`` or ``"network"``."""
        return "hard" if self.labels is None else "network" if self.soft is None else "soft"

    @property
    def num_images(self) -> int:
        """In the segments that were looked at."""
        return sum(segment.fields.images for segment in self.segments.values())

    @cached_property
    def model_fields(self) -> tuple[ModelFields, ...]:
        """Of all models."""
        return tuple(model.fields for model in self.models)


def parse(data: Source, wanted: Collection[int] | None = None, strict: bool = False) -> Outline:
    """Outline of a file, none of whose streams is decoded.

    Order, lengths and limits are checked, those for files of strangers if ``strict``. Of segments that aren't
    ``wanted`` (None: all are), nothing but tag and length is read, and the file may end behind those that
    are. Raises FormatError.
    """
    outline, number = read_head(data, strict), 0
    try:
        for section in _sections(data, outline):
            if section.tag != SEGMENT:
                continue
            if wanted is None or number in wanted:
                container.check(data, section, f"segment {number}")
                add_segment(data, outline, section, number)
            number += 1
        if number < outline.head.num_segments:
            raise FormatError(f"segment {number}", len(data), "missing, the file ends here")
    except FormatError:
        if wanted is None or not outline.models or number <= max(wanted, default=-1):
            raise
    return outline


def read_head(data: Source, strict: bool = False) -> Outline:
    """The outline as far as HEAD tells; ``strict``: what else is read into it keeps the limits for files of
    strangers."""
    offset = container.start(data)
    tag = container.tag_at(data, offset, "head")
    if tag != HEAD:
        raise FormatError("head", offset, f"expected a section with tag {HEAD}, found {tag}")
    section = container.frame(data, offset, "head")
    container.check(data, section, "head")
    reader = Reader(data, "head", section.start, section.end)
    head = code_head(reader, None)
    reader.finish()
    return Outline(head, section, total_work=limits.WorkLimit(strict))


def _sections(data: Source, outline: Outline) -> Iterator[Section]:
    """The sections behind HEAD, in order; all but segments are checked and read into the outline."""
    offset, number = outline.head_section.end + 4, 0
    while offset < len(data):
        section = next_section(data, outline, offset, number)
        yield section
        offset = section.end + 4
        number += section.tag == SEGMENT


def next_section(data: Source, outline: Outline, offset: int, segments: int) -> Section:
    """The section at ``offset``, ``segments`` of them behind; all but a segment is read into the outline."""
    expected = _expected(outline, segments)
    tag = container.tag_at(data, offset, expected)
    if not _is_allowed(tag, outline, segments):
        another = bytes(data[offset : offset + len(MAGIC)]) == MAGIC
        what = "another .rud file begins here" if another else f"unexpected section with tag {tag}"
        raise FormatError(expected, offset, what)
    name = _name(tag, outline, segments)
    section = container.frame(data, offset, name)
    if tag != SEGMENT:
        container.check(data, section, name)
    if tag >= ANCILLARY:
        if len(outline.ancillary.sections) == limits.ANCILLARY:
            reason = f"there are more than {limits.ANCILLARY} sections that may be skipped"
            raise FormatError("ancillary section", section.start, reason)
        outline.ancillary.read(data, section, outline.image_shape.channels)
    elif tag == MODEL:
        _read_model(data, outline, section, name)
    elif tag == LABELS:
        _read_labels(data, outline, section)
    return section


def _is_allowed(tag: int, outline: Outline, segments: int) -> bool:
    """Whether a section with this tag may come next, behind so many segments."""
    if tag == MODEL:
        return outline.labels is None and not segments
    if tag == LABELS:
        return bool(outline.models) and outline.labels is None and not segments
    if tag == SEGMENT:
        return bool(outline.models) and segments < outline.head.num_segments
    return tag >= ANCILLARY


def _expected(outline: Outline, segments: int) -> str:
    """The name of the section that comes next, for errors."""
    if not outline.models:
        return "model 0"
    return f"segment {segments}" if segments < outline.head.num_segments else "file"


def _name(tag: int, outline: Outline, segments: int) -> str:
    """The name of a section that comes next, for errors."""
    if tag >= ANCILLARY:
        return f"ancillary section ({NAMES[tag]})" if tag in NAMES else "ancillary section"
    return {MODEL: f"model {len(outline.models)}", LABELS: "labels"}.get(tag, f"segment {segments}")


def _read_model(data: Source, outline: Outline, section: Section, name: str) -> None:
    reader = Reader(data, name, section.start, section.end)
    fields = code_model(reader, outline.image_shape, len(outline.classes), None)
    outline.models.append(ModelOutline(section, fields, reader.position))
    reason = limits.model_excess(fields.architecture)
    reason = reason or outline.total_networks.add(fields.architecture, fields.num_groups)
    if reason := reason or outline.total_work.add(limits.model_work(fields.architecture, fields.num_groups)):
        raise FormatError(name, section.start, reason)


def _read_labels(data: Source, outline: Outline, section: Section) -> None:
    reader = Reader(data, "labels", section.start, section.end)
    shape, classes = outline.image_shape, len(outline.classes)
    labels = code_labels(reader, shape, classes, None)
    if isinstance(labels, SoftScale):
        reader.finish()
    elif reason := network_excess(labels, shape, classes):
        raise FormatError("labels", section.start, reason)
    outline.labels = LabelsOutline(section, labels, reader.position)


def add_segment(data: Source, outline: Outline, section: Section, number: int) -> None:
    """Read the fields of a segment, whose checksum is right, into the outline. Raises FormatError."""
    name = f"segment {number}"
    end = min(section.end, section.start + _MOST_FIELDS)
    reader = Reader(data, name, section.start, end)
    fields = code_segment(reader, len(outline.classes), outline.model_fields, None)
    if section.end - reader.position < 4:
        raise FormatError(name, reader.position, "ends inside the pixel digest")
    work = fields.work(outline.model_fields, outline.soft)
    if reason := outline.total_work.add(work, section.end - section.start):
        raise FormatError(name, section.start, reason)
    outline.segments[number] = SegmentOutline(section, fields, reader.position)
