"""Taking some classes, or some images of each, out of a file: what is left decodes to the same pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from rudcodec.bitstream import limits
from rudcodec.bitstream.ancillary import pack_recipe
from rudcodec.bitstream.class_names import names, numbers_of
from rudcodec.bitstream.codec import encode
from rudcodec.bitstream.container import RECIPE, VIEWS, copied
from rudcodec.bitstream.layout import parse, read_head
from rudcodec.bitstream.reading import decode_images
from rudcodec.bitstream.used_networks import renumbered, without_unused
from rudcodec.errors import FormatError, SettingError
from rudcodec.payload import LabelNetwork, Payload, QTensor, hard_recipe
from rudcodec.whole_numbers import whole


def extract(
    data: bytes, *, classes: Iterable[str] | None = None, ipc: int | None = None, hard: bool = False
) -> bytes:
    """A file of some of a file's images; its latents are coded anew, and are the same.

    Ancillary sections are copied, those too that this version doesn't know, but for the recipe and the views
    of a label network that is left out.

    Args:
        data: the file.
        classes: names of those that are kept, in the order of the file; None: all.
        ipc: the first so many images of each class; None: all.
        hard: leave out soft labels or a label network; without one, the recipe is one for images.

    Raises:
        SettingError: there is no such class, nothing would be left, soft labels name classes that go, or what
            would be left may not be a file, since so few bytes don't pay for the work of decoding it.
        FormatError: the file is malformed.
    """
    payload, _ = decode_images(data)
    drops_network = hard and payload.network is not None
    if hard:
        segments = tuple(replace(segment, soft=None) for segment in payload.segments)
        payload = replace(payload, segments=segments, network=None, soft=None)
    if ipc is not None:
        payload = _with_ipc(payload, ipc)
    kept_classes = None if classes is None else _numbers_of(payload, classes)
    if kept_classes is not None:
        kept_segments = [one.with_images(np.isin(one.labels, kept_classes)) for one in payload.segments]
        payload = replace(payload, segments=tuple(kept_segments))
    payload = replace(payload, segments=tuple(one for one in payload.segments if sum(one.counts)))
    if not payload.segments:
        raise SettingError("no image is left: choose other classes, or more images")
    payload = without_unused(payload)
    if kept_classes is not None:
        payload = _without_classes(payload, kept_classes)
    network = payload.network and replace(payload.network, views=None)
    try:
        rest = encode(replace(payload, network=network, recipe=None, metadata={}))
    except FormatError as error:
        raise SettingError(f"these images may not be a file of their own: {error}") from None
    kept = _ancillary(data, but=(RECIPE, VIEWS) if drops_network else ())
    if drops_network and payload.recipe is not None:  # which was one for views
        bpc = 8 * (len(rest) + len(kept)) / len(payload.classes)
        recipe = hard_recipe(payload.recipe, bpc, payload.num_images)
        kept = pack_recipe(recipe, payload.image_shape.channels) + kept
    head_end = read_head(rest).head_section.end + 4
    return rest[:head_end] + kept + rest[head_end:]


def _ancillary(data: bytes, but: Collection[int]) -> bytes:
    """The ancillary sections of a file, but those with some tags."""
    sections = [section for section, _ in parse(data).ancillary.sections if section.tag not in but]
    return b"".join(copied(data, section) for section in sections)


def _with_ipc(payload: Payload, ipc: int) -> Payload:
    ipc = whole("ipc", ipc, 1, limits.IMAGES)
    seen = np.zeros(len(payload.classes), np.int64)
    segments = []
    for segment in payload.segments:
        labels = segment.labels
        keep = np.zeros(len(labels), bool)
        for k in np.unique(labels):
            rows = np.flatnonzero(labels == k)
            keep[rows[: max(0, ipc - seen[k])]] = True
            seen[k] += len(rows)
        segments.append(segment.with_images(keep))
    return replace(payload, segments=tuple(segments))


def _numbers_of(payload: Payload, classes: Iterable[str]) -> list[int]:
    """The numbers of the classes that are kept. Raises SettingError if they can't be kept alone."""
    kept = numbers_of(names(classes), payload.classes)
    if payload.soft is not None and len(kept) < len(payload.classes):
        raise SettingError(
            "soft labels name all classes, so that none can go; --hard (in Python hard=True) "
            "leaves the labels out"
        )
    return kept


def _without_classes(payload: Payload, kept: list[int]) -> Payload:
    """The payload with these classes only, which all its images and networks are of."""
    numbers = renumbered(kept)
    segments = tuple(
        replace(
            segment,
            counts=tuple(segment.counts[k] for k in kept),
            order=segment.order and tuple(numbers[k] for k in segment.order),
        )
        for segment in payload.segments
    )
    models = tuple(
        replace(model, classes=model.classes and tuple(numbers[k] for k in model.classes))
        for model in payload.models
    )
    network = payload.network and _network_with_classes(payload.network, kept)
    names = tuple(payload.classes[k] for k in kept)
    return replace(payload, classes=names, models=models, segments=segments, network=network)


def _network_with_classes(network: LabelNetwork, kept: list[int]) -> LabelNetwork:
    """The network whose linear layer has the outputs of these classes only."""

    def rows(tensor: QTensor) -> QTensor:
        return QTensor(tensor.values[kept], tensor.exponent)

    *convolutions, linear = network.parameters
    last = replace(linear, weight=rows(linear.weight), bias=rows(linear.bias))
    return replace(network, parameters=(*convolutions, last))
