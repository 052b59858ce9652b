"""Merging files without decoding anything: coded streams are copied."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rudcodec.bitstream import limits
from rudcodec.bitstream.ancillary import pack_metadata
from rudcodec.bitstream.codec import file_start
from rudcodec.bitstream.container import METADATA, MODEL, SEGMENT, copied, pack_fields
from rudcodec.bitstream.header import Head
from rudcodec.bitstream.layout import ModelOutline, Outline, parse
from rudcodec.bitstream.models import ModelFields, code_model
from rudcodec.bitstream.segments import SegmentFields, code_segment
from rudcodec.errors import FormatError, SettingError
from rudcodec.text import listed

_HARD = "rudcodec extract --hard makes files with hard labels"


@dataclass
class _Merged:
    """The contents of the new file so far: models' fields and streams, with their numbers by what tells them
    from each other, and segments' fields with what follows these."""

    head: Head
    models: list[tuple[ModelFields, bytes]] = field(default_factory=list)
    numbers: dict[tuple[ModelFields, bytes], int] = field(default_factory=dict)
    segments: list[tuple[SegmentFields, bytes]] = field(default_factory=list)

    def add(self, data: bytes, outline: Outline) -> None:
        """Add the models and segments of a file."""
        numbers = {name: number for number, name in enumerate(self.head.classes)}
        class_numbers = [numbers[name] for name in outline.classes]
        keys = [_key(data, model, class_numbers) for model in outline.models]
        known = dict(self.numbers)  # of other files: a file keeps all models of its own
        model_numbers = [
            self._add_model(key, model.fields.ymax, known)
            for key, model in zip(keys, outline.models, strict=True)
        ]
        for segment in outline.segments.values():
            fields = _renumbered(segment.fields, class_numbers, len(numbers))
            fields = replace(fields, model=model_numbers[segment.fields.model])
            self.segments.append((fields, data[segment.digest : segment.section.end]))

    def _add_model(
        self, key: tuple[ModelFields, bytes], ymax: int, known: dict[tuple[ModelFields, bytes], int]
    ) -> int:
        """The new number of a model; a known one is used again, by the larger bound on latents."""
        fields, stream = key
        number = known.get(key, len(self.models))
        if number == len(self.models):
            self.models.append((fields, stream))
            self.numbers.setdefault(key, number)
        largest = max(ymax, self.models[number][0].ymax)
        self.models[number] = replace(fields, ymax=largest), stream
        return number

    def sections(self, labels: bytes) -> Iterator[bytes]:
        """The models, then the section of labels, then the segments. Raises FormatError."""
        shape, classes = self.head.image_shape, len(self.head.classes)
        for fields, stream in self.models:
            code = partial(code_model, shape=shape, classes=classes, model=fields)
            yield pack_fields(MODEL, "model", code, stream)
        yield labels
        models = tuple(fields for fields, _ in self.models)
        for segment, rest in self.segments:
            code_fields = partial(code_segment, classes=classes, models=models, segment=segment)
            yield pack_fields(SEGMENT, "segment", code_fields, rest)


def _key(data: bytes, model: ModelOutline, class_numbers: list[int]) -> tuple[ModelFields, bytes]:
    """What tells a model from others: its fields but the bound on latents, by the new classes, and its
    stream."""
    classes = model.fields.classes
    own = None if classes is None else tuple(class_numbers[k] for k in classes)
    return replace(model.fields, classes=own, ymax=0), data[model.stream : model.section.end]


def merge(files: Sequence[bytes], names: Sequence[str] | None = None) -> bytes:
    """One file with the images of several; classes of the same name are one class.

    No coded stream is decoded. The recipe, how views are drawn, and ancillary sections that this version
    doesn't know are the first file's; so is metadata, to which later files add what has other keys.
    ``names``: what errors call the files.

    Raises:
        SettingError: no files, or they don't go together: other image shapes, other kinds of labels.
        FormatError: a file is malformed, or together they ask for more than a file may.
    """
    if not files:
        raise SettingError("merge needs at least one file")
    names = names or [f"file {number}" for number in range(1, len(files) + 1)]
    outlines = [_parsed(name, data) for name, data in zip(names, files, strict=True)]
    for name, data, outline in zip(names, files, outlines, strict=True):
        if reason := _mismatch(files[0], outlines[0], data, outline):
            raise SettingError(f"{name} can't be merged with {names[0]}: {reason}")
    classes = tuple(dict.fromkeys(name for outline in outlines for name in outline.classes))
    numbered = [all(name.isdecimal() for name in outline.classes) for outline in outlines]
    if any(numbered) and not all(numbered):
        number, other = numbered.index(True), numbered.index(False)
        warnings.warn(
            f"classes of {names[number]} are numbers, those of {names[other]} are names: they are different "
            "classes in the merged file",
            RuntimeWarning,
            stacklevel=2,
        )
    segments = sum(outline.head.num_segments for outline in outlines)
    if reason := limits.counts_excess(len(classes), segments):
        raise FormatError("merged file", -1, reason)
    metadata = _metadata(outlines)
    merged = _Merged(Head(outlines[0].image_shape, classes, segments))
    for data, outline in zip(files, outlines, strict=True):
        merged.add(data, outline)
    try:
        result = _file(files[0], outlines[0], metadata, merged)
        parse(result)  # its limits
    except FormatError as error:
        raise FormatError("merged file", -1, error.reason) from None
    return result


def _parsed(name: str, data: bytes) -> Outline:
    try:
        return parse(data)
    except FormatError as error:
        raise FormatError(f"{name}: {error.section}", error.offset, error.reason) from None


def _mismatch(first_data: bytes, first: Outline, data: bytes, other: Outline) -> str | None:
    """Why a file can't be merged with the first one, None if it can."""
    if other.image_shape != first.image_shape:
        return f"its images are {other.image_shape.text}, not {first.image_shape.text}"
    if other.label_mode != first.label_mode:
        return f"its labels are {other.label_mode}, not {first.label_mode} ({_HARD})"
    if first.labels is None or other.labels is None:
        return None
    if other.classes != first.classes:
        return f"its {other.label_mode} labels are of other classes ({_HARD})"
    if copied(data, other.labels.section) != copied(first_data, first.labels.section):
        kind = "label network is another" if first.soft is None else "soft labels have another scale"
        return f"its {kind} ({_HARD})"
    return None


def _renumbered(segment: SegmentFields, class_numbers: list[int], classes: int) -> SegmentFields:
    """A segment's images of each class when its classes have other numbers."""
    counts = [0] * classes
    for old, new in enumerate(class_numbers):
        counts[new] = segment.counts[old]
    old_order = segment.order or [k for k, count in enumerate(segment.counts) if count]
    order = tuple(class_numbers[k] for k in old_order)
    return SegmentFields(tuple(counts), order=None if list(order) == sorted(order) else order)


def _metadata(outlines: Sequence[Outline]) -> bytes:
    """The section of all files' metadata. Raises FormatError if that is more than a file may have."""
    metadata: dict[str, str] = {}
    for outline in outlines:
        metadata = outline.metadata | metadata
    differing = {key for outline in outlines for key, _ in outline.metadata.items() - metadata.items()}
    if differing:
        warnings.warn(
            f"metadata differ in {listed(sorted(differing))}: the merged file has the first of each",
            RuntimeWarning,
            stacklevel=3,
        )
    try:
        return pack_metadata(metadata)
    except FormatError as error:
        raise FormatError("merged file", -1, f"metadata {error.reason}; merge fewer files") from None


def _file(first_data: bytes, first: Outline, metadata: bytes, merged: _Merged) -> bytes:
    """The merged file: the first file's sections but its metadata, and the models and segments of all."""
    kept = [copied(first_data, section) for section, _ in first.ancillary.sections if section.tag != METADATA]
    labels = b"" if first.labels is None else copied(first_data, first.labels.section)
    return b"".join([file_start(merged.head), *kept, metadata, *merged.sections(labels)])
