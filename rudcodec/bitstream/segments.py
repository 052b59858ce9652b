"""The fields of a SEGMENT section: its model, its images of each class, and the digest of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import Fields
from rudcodec.bitstream.models import ModelFields
from rudcodec.bitstream.soft import soft_symbols
from rudcodec.payload import SoftScale, image_classes


@dataclass(frozen=True)
class SegmentFields:
    """What a segment says of itself in front of its digest.

    Attributes:
        counts: images of each class.
        model: the number of its model.
        order: the classes that have images, in the order of these; None: ascending.
    """

    counts: tuple[int, ...]
    model: int = 0
    order: tuple[int, ...] | None = None

    @cached_property
    def images(self) -> int:
        """In all classes."""
        return sum(self.counts)

    @cached_property
    def labels(self) -> np.ndarray:
        """The class of each image, int64 (images,)."""
        return image_classes(self.counts, self.order)

    def work(self, models: Sequence[ModelFields], soft: SoftScale | None) -> int:
        """The work of decoding it; ``models``: of the file; ``soft``: how its soft labels are quantized."""
        model, classes = models[self.model], len(self.counts)
        # groups of networks that its images use
        groups = 1 if model.classes is None else sum(count > 0 for count in self.counts)
        return limits.segment_work(
            model.architecture, self.images, groups, classes, soft_symbols(soft, classes)
        )


def code_segment(
    fields: Fields, classes: int, models: tuple[ModelFields, ...], segment: SegmentFields | None
) -> SegmentFields:
    """Code the fields in front of the digest; ``classes``: their number in the file."""
    model = 0
    if segment and not 0 <= segment.model < len(models):
        raise fields.fail(f"model {segment.model} isn't there, there are {len(models)}")
    if len(models) > 1:
        model = fields.number("model", segment.model if segment else 0, 0, len(models) - 1)
    if segment and len(segment.counts) != classes:
        raise fields.fail(f"has {len(segment.counts)} counts for {classes} classes")
    counts, order = _Counts(fields, classes, models[model].class_set).code(segment)
    if not sum(counts):
        raise fields.fail("has no images")
    return SegmentFields(counts, model, order)


@dataclass(frozen=True)
class _Counts:
    """Codes counts of ``classes`` classes, of which those in ``allowed`` may have images; None: all."""

    fields: Fields
    classes: int
    allowed: frozenset[int] | None

    def code(self, segment: SegmentFields | None) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Counts of all classes, and the order of those that have images where it isn't ascending."""
        counts = segment.counts if segment else ()
        order = _written_order(segment) if segment else None
        if order is not None and sorted(order) != [k for k, count in enumerate(counts) if count]:
            raise self.fields.fail("order must name each class that has images once")
        same = counts[0] if counts and order is None and len(set(counts)) == 1 else 0
        same = self.fields.number("images of each class", same, 0, limits.IMAGES)
        if same:
            if self.allowed is not None and len(self.allowed) < self.classes:
                raise self.fields.fail("its model has no networks for some classes")
            return (same,) * self.classes, None
        runs = self.fields.number("number of runs", len(order) if order else 0, 0, self.classes)
        return self._code_runs(runs, counts, order or ()) if runs else (self._code_each(counts), None)

    def _code_each(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        coded = []
        for k in range(self.classes):
            coded.append(
                self.fields.number("images of a class", counts[k] if counts else 0, 0, limits.IMAGES)
            )
            self._check(k, coded[-1])
        return tuple(coded)

    def _code_runs(
        self, runs: int, counts: tuple[int, ...], order: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        coded: dict[int, int] = {}
        for i in range(runs):
            k = self.fields.number("class of a run", order[i] if order else 0, 0, self.classes - 1)
            if k in coded:
                raise self.fields.fail(f"class {k} has two runs")
            self._check(k, 1)
            coded[k] = self.fields.number("images of a run", counts[k] if counts else 0, 1, limits.IMAGES)
        ascending = list(coded) == sorted(coded)
        counted = [0] * self.classes
        for k, count in coded.items():
            counted[k] = count
        return tuple(counted), None if ascending else tuple(coded)

    def _check(self, k: int, count: int) -> None:
        if count and self.allowed is not None and k not in self.allowed:
            raise self.fields.fail(f"its model has no networks for class {k}")


def _written_order(segment: SegmentFields) -> tuple[int, ...] | None:
    """The classes of the runs that say the counts shortest; None: counts of all classes."""
    if segment.order is not None:
        return segment.order
    with_images = tuple(k for k, count in enumerate(segment.counts) if count)
    return with_images if 2 * len(with_images) < len(segment.counts) else None
