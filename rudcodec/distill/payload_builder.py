"""From latents to the segments of a payload."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rudcodec import bitstream
from rudcodec.errors import BudgetError
from rudcodec.payload import Payload, Segment
from rudcodec.text import per_class

LatentLevels = list[NDArray[np.int32]]
"""Latents of a whole set: coarse to fine, each int32 (N, c, h, w), images ordered by class."""

IMAGES_PER_SEGMENT = 10
MAX_SEGMENTS = 16


def segment_sizes(ipc: int) -> tuple[int, ...]:
    """Images of a class in each segment: about ten, few enough to cut a set short, enough to cost little."""
    num_segments = min(MAX_SEGMENTS, max(1, ipc // IMAGES_PER_SEGMENT))
    return tuple(len(range(s, ipc, num_segments)) for s in range(num_segments))


def segment_rows(num_images: int, ipc: int) -> list[NDArray[np.intp]]:
    """Indices of the images in each segment, ascending; images are ordered by class, ``ipc`` of each.

    Segment s holds every image of a class whose index within it is s modulo the number of segments.
    """
    num_segments = len(segment_sizes(ipc))
    index_in_class = np.arange(num_images) % ipc
    return [np.flatnonzero(index_in_class % num_segments == s) for s in range(num_segments)]


def with_latents(payload: Payload, latents: LatentLevels) -> Payload:
    """A payload with these latents in its segments; there are as many images of each class."""
    num_images = len(latents[0])
    ipc = num_images // len(payload.classes)
    segments = []
    for rows, size in zip(segment_rows(num_images, ipc), segment_sizes(ipc), strict=True):
        grids = tuple(
            np.ascontiguousarray(level[rows, component])
            for level in latents
            for component in range(level.shape[1])
        )
        segments.append(Segment(counts=(size,) * len(payload.classes), latents=grids))
    return replace(payload, segments=tuple(segments))


def paid_part(payload: Payload) -> Payload:
    """The payload; without its last segments where they ask a decoder for more than the file's bytes pay for.

    That takes many images of next to no bytes, far fewer than were asked for. Raises BudgetError if not even
    one segment is left.
    """
    count = bitstream.paid_segments(payload)
    if count == len(payload.segments):
        return payload
    if count == 0:
        raise BudgetError(
            "ipc: so many images may not be in a file as small as these become; fewer of them may"
        )
    ipc, kept = (sum(one.counts[0] for one in payload.segments[:end]) for end in (None, count))
    warnings.warn(
        f"the file has {per_class(kept)}, not {ipc}: one as small as these become may not hold more",
        RuntimeWarning,
        stacklevel=2,
    )
    return replace(payload, segments=payload.segments[:count])
