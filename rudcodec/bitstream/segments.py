"""The fields of a SEGMENT section: its model, its images of each class, and the digest of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import Fields
from rudcodec.bitstream.models import ModelFields
from rudcodec.payload import image_classes


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

    @property
    def images(self) -> int:
        return sum(self.counts)

    @property
    def labels(self) -> np.ndarray:
        """The class of each image, int64 (images,)."""
        return image_classes(self.counts, self.order)

    def num_groups(self, model: ModelFields) -> int:
        """Groups of networks that its images use."""
        return 1 if model.classes is None else sum(count > 0 for count in self.counts)


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
    counts, order = _code_counts(fields, classes, segment)
    coded = SegmentFields(counts, model, order)
    if not coded.images:
        raise fields.fail("has no images")
    group_classes = models[model].classes
    if group_classes is not None:
        missing = {k for k, count in enumerate(counts) if count}.difference(group_classes)
        if missing:
            raise fields.fail(f"model {model} has no networks for class {min(missing)}")
    return coded


def _code_counts(
    fields: Fields, classes: int, segment: SegmentFields | None
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Counts of all classes, and the order of those that have images where it isn't ascending."""
    counts = segment.counts if segment else ()
    order = segment.order if segment else None
    same = counts[0] if counts and order is None and len(set(counts)) == 1 else 0
    same = fields.number("images of each class", same, 0, limits.IMAGES)
    if same:
        return (same,) * classes, None
    with_images = tuple(k for k, count in enumerate(counts) if count)
    if order is not None and sorted(order) != list(with_images):
        raise fields.fail("order must name each class that has images once")
    if order is None and 2 * len(with_images) < classes:
        order = with_images  # shorter than all counts
    runs = fields.number("number of runs", len(order) if order else 0, 0, classes)
    if not runs:
        values = counts or (0,) * classes
        return tuple(fields.number("images of a class", n, 0, limits.IMAGES) for n in values), None
    coded: dict[int, int] = {}
    for i in range(runs):
        number = fields.number("class of a run", order[i] if order else 0, 0, classes - 1)
        if number in coded:
            raise fields.fail(f"class {number} has two runs")
        coded[number] = fields.number("images of a run", counts[number] if counts else 0, 1, limits.IMAGES)
    coded_order = tuple(coded)
    ascending = coded_order == tuple(sorted(coded_order))
    return tuple(coded.get(k, 0) for k in range(classes)), None if ascending else coded_order
