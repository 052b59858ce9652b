"""Truncating a file to its first segments, which hold the same streams, and the networks that these use."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from numbers import Real
from typing import Any

from rudcodec.bitstream.codec import file_start, model_section
from rudcodec.bitstream.container import SEGMENT, Section, copied, pack_fields
from rudcodec.bitstream.contents import read_model
from rudcodec.bitstream.layout import Outline, SegmentOutline, parse
from rudcodec.bitstream.models import ModelFields
from rudcodec.bitstream.segments import SegmentFields, code_segment
from rudcodec.bitstream.used_networks import renumbered, used_classes, with_classes
from rudcodec.errors import BudgetError, FormatError, SettingError
from rudcodec.payload import Model


@dataclass(frozen=True)
class Truncation:
    """A truncated file, ``data``: the first ``segments`` of ``total``, ``images`` of ``classes`` classes.

    ``lost``: names of classes that have images in the whole file, and none in this one.
    """

    data: bytes = field(repr=False)
    segments: int
    total: int
    images: int
    classes: int
    lost: tuple[str, ...] = ()

    @property
    def ipc(self) -> float:
        """Images per class, on average."""
        return self.images / self.classes

    @property
    def bpc(self) -> float:
        """Bits per class: 8 * size / number of classes."""
        return 8 * len(self.data) / self.classes


def truncate(data: bytes, *, ipc: float | None = None, bpc: float | None = None) -> Truncation:
    """A file of a file's first segments: as many as have at most ``ipc`` images, on average, and ``bpc`` bits
    a class.

    No image is decoded. Networks that only the images of other segments use are left out.

    Raises FormatError when the file is malformed, BudgetError when even one segment is too much, SettingError
    when no limit is given, or one that isn't positive.
    """
    if ipc is None and bpc is None:
        raise SettingError("truncate needs ipc or bpc")
    limits: dict[str, Any] = {"ipc": ipc, "bpc": bpc}
    for name, value in limits.items():
        if value is not None and not (isinstance(value, Real) and float(value) > 0):
            raise SettingError(f"{name} is {value!r}, must be a number above zero")
    outline = parse(data)
    classes, total = len(outline.classes), len(outline.segments)
    segments = [segment.fields for segment in outline.segments.values()]
    images = [0, *accumulate(segment.images for segment in segments)]
    shortening = _Shortening(data, outline)

    def file_size(count: int) -> int:
        return len(shortening.first_segments(count))

    num_segments = total
    if ipc is not None:
        num_segments = bisect_right(images, ipc * classes) - 1
        if not num_segments:
            raise BudgetError(
                f"one segment has {images[1] / classes:.10g} images per class on average, the least possible"
            )
    if bpc is not None and 8 * file_size(num_segments) > bpc * classes:
        num_segments = bisect_right(
            range(1, num_segments), bpc * classes, key=lambda count: 8 * file_size(count)
        )
        if not num_segments:
            raise BudgetError(
                f"one segment takes {-(-8 * file_size(1) // classes)} bits per class, the least possible"
            )
    result = shortening.first_segments(num_segments)
    lost = sorted(_present(segments) - _present(segments[:num_segments]))
    names = tuple(outline.classes[k] for k in lost)
    return Truncation(result, num_segments, total, images[num_segments], classes, names)


def _present(segments: Iterable[SegmentFields]) -> set[int]:
    """Numbers of the classes that have images in segments."""
    return set().union(*used_classes(segments).values())


@dataclass(frozen=True)
class _Shortening:
    """Makes files of a file's first segments; keeps the models that were read for one."""

    data: bytes
    outline: Outline
    _models: dict[int, Model] = field(default_factory=dict)

    def first_segments(self, count: int) -> bytes:
        """The file without all segments but the first ``count``, and without networks that no image uses."""
        segments = self.outline.segments
        dropped = [(segment.section, b"") for i, segment in segments.items() if i >= count]
        if not dropped:
            return self.data
        if changed := self._without_unused([segments[i] for i in range(count)]):
            result = self._replaced(count, [*changed, *dropped])
            with suppress(FormatError):  # shorter segments may not pay for their work
                parse(result)
                return result
        return self._replaced(count, dropped)

    def _replaced(self, count: int, sections: list[tuple[Section, bytes]]) -> bytes:
        """The file of ``count`` segments, with other bytes in place of some sections."""
        head = self.outline.head_section
        pieces, position = [file_start(replace(self.outline.head, num_segments=count))], head.end + 4
        for section, other in sorted(sections, key=lambda one: one[0].offset):
            pieces += self.data[position : section.offset], other
            position = section.end + 4
        return b"".join([*pieces, self.data[position:]])

    def _without_unused(self, segments: Sequence[SegmentOutline]) -> list[tuple[Section, bytes]]:
        """Sections that are others, or none, where networks are left out that these segments don't use."""
        changed: list[tuple[Section, bytes]] = []
        used = used_classes(segment.fields for segment in segments)
        models: list[ModelFields] = []
        for i, model in enumerate(self.outline.models):
            if i not in used:
                changed.append((model.section, b""))
                continue
            models.append(model.fields)
            if smaller := self._smaller_model(i, used[i]):
                models[-1], section = smaller
                changed.append((model.section, section))
        if len(models) == len(self.outline.models):
            return changed
        numbers = renumbered(used)
        code = partial(code_segment, classes=len(self.outline.classes), models=tuple(models))
        for one in segments:
            code_fields = partial(code, segment=replace(one.fields, model=numbers[one.fields.model]))
            rest = self.data[one.digest : one.section.end]
            changed.append((one.section, pack_fields(SEGMENT, "segment", code_fields, rest)))
        return changed

    def _smaller_model(self, number: int, classes: Collection[int]) -> tuple[ModelFields, bytes] | None:
        """A model's fields and section without networks of other classes; None if that saves nothing, since
        the classes must be listed then."""
        outline = self.outline.models[number]
        if outline.fields.classes is None or len(classes) == outline.fields.num_groups:
            return None
        if number not in self._models:
            self._models[number] = read_model(self.data, self.outline, number)
        model = with_classes(self._models[number], classes)
        fields = replace(outline.fields, classes=model.classes)
        section = model_section(number, fields, model.groups, len(self.outline.classes))
        return (fields, section) if len(section) < len(copied(self.data, outline.section)) else None
