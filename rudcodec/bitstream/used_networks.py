"""Which networks the segments of a file use, and models without the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from rudcodec.bitstream.segments import SegmentFields
from rudcodec.payload import Model, Payload, Segment


def used_classes(segments: Iterable[Segment | SegmentFields]) -> dict[int, set[int]]:
    """The numbers of the models that segments use, ascending, with the classes of the images that do."""
    used: dict[int, set[int]] = {}
    for segment in segments:
        classes = used.setdefault(segment.model, set())
        classes.update(k for k, count in enumerate(segment.counts) if count)
    return dict(sorted(used.items()))


def renumbered(used: Iterable[int]) -> dict[int, int]:
    """The new number of each thing that is kept when the others go."""
    return {old: new for new, old in enumerate(used)}


def with_classes(model: Model, classes: Collection[int]) -> Model:
    """A model without the groups of networks of other classes."""
    if model.classes is None:
        return model
    kept = [i for i, k in enumerate(model.classes) if k in classes]
    return replace(
        model, groups=tuple(model.groups[i] for i in kept), classes=tuple(model.classes[i] for i in kept)
    )


def without_unused(payload: Payload) -> Payload:
    """A payload without networks that no image uses."""
    used = used_classes(payload.segments)
    numbers = renumbered(used)
    return replace(
        payload,
        models=tuple(with_classes(payload.models[i], classes) for i, classes in used.items()),
        segments=tuple(replace(segment, model=numbers[segment.model]) for segment in payload.segments),
    )
