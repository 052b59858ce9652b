"""From a trained model to the Payload, and to the size of its file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rudcodec import bitstream
from rudcodec.model.latents import SyntheticModel
from rudcodec.payload import Group, Payload, Recipe, Segment

IMAGES_PER_SEGMENT = 10


def segment_sizes(ipc: int) -> tuple[int, ...]:
    """Images of a class in each segment: about ten, few enough to cut a set short, enough to cost little."""
    parts = min(16, max(1, ipc // IMAGES_PER_SEGMENT))
    return tuple(len(range(s, ipc, parts)) for s in range(parts))


def assemble(
    model: SyntheticModel,
    latents: list[NDArray[np.int32]],
    groups: tuple[Group, ...],
    classes: tuple[str, ...],
    share: str,
    recipe: Recipe,
) -> Payload:
    """``latents``: coarse to fine, int32 (N, c, h, w), images ordered by class, the same count for each.

    Segment s holds every image of a class whose number within it is s modulo the number of segments.
    """
    count = model.count // len(classes)
    sizes = segment_sizes(count)
    number = np.arange(model.count) % count
    segments = []
    for s, size in enumerate(sizes):
        mine = np.flatnonzero(number % len(sizes) == s)
        grids = tuple(
            np.ascontiguousarray(level[mine, component])
            for level in latents
            for component in range(level.shape[1])
        )
        segments.append(Segment(counts=(size,) * len(classes), latents=grids))
    return Payload(
        architecture=model.architecture,
        classes=classes,
        share="class" if share == "class" else "dataset",
        groups=groups,
        segments=tuple(segments),
        recipe=recipe,
    )


def file_size(payload: Payload) -> int:
    """Exact size in bytes of the payload's file."""
    return len(bitstream.encode(payload))
