"""From a trained model to the Payload, and to the size of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rudcodec import bitstream
from rudcodec.distill.settings import Share
from rudcodec.labels import soft_labels_by, with_soft_labels
from rudcodec.model.latents import SyntheticModel
from rudcodec.payload import Group, LabelNetwork, Payload, Recipe, Segment

Latents = list[NDArray[np.int32]]
Labels = list[list[Tensor]]
IMAGES_PER_SEGMENT = 10


def segment_sizes(ipc: int) -> tuple[int, ...]:
    """Images of a class in each segment: about ten, few enough to cut a set short, enough to cost little."""
    parts = min(16, max(1, ipc // IMAGES_PER_SEGMENT))
    return tuple(len(range(s, ipc, parts)) for s in range(parts))


@dataclass(frozen=True)
class Assembly:
    """Makes payloads of a model's networks and latents.

    Attributes:
        model: what is in training.
        classes: their names.
        share: of the groups of networks.
        recipe: for students; asked for each time, since a utility may learn some of it.
        teacher: labels the decoded images; None: their labels are hard.
    """

    model: SyntheticModel
    classes: tuple[str, ...]
    share: Share
    recipe: Callable[[], Recipe]
    teacher: LabelNetwork | None = None

    def __call__(self, groups: tuple[Group, ...], labels: Labels | None, latents: Latents) -> Payload:
        """``latents``: coarse to fine, int32 (N, c, h, w), images ordered by class, the same count for each;
        ``labels``: what :meth:`labels` has found.

        Segment s holds every image of a class whose number within it is s modulo the number of segments.
        """
        count = self.model.count // len(self.classes)
        sizes = segment_sizes(count)
        number = np.arange(self.model.count) % count
        segments = []
        for s, size in enumerate(sizes):
            mine = np.flatnonzero(number % len(sizes) == s)
            grids = tuple(
                np.ascontiguousarray(level[mine, component])
                for level in latents
                for component in range(level.shape[1])
            )
            segments.append(Segment(counts=(size,) * len(self.classes), latents=grids))
        payload = Payload(
            self.model.architecture, self.classes, self.share, groups, tuple(segments), self.recipe()
        )
        if labels is None or self.teacher is None:
            return payload
        return with_soft_labels(payload, labels, self.teacher.temperature)

    def labels(self, groups: tuple[Group, ...], latents: Latents) -> Labels | None:
        """What the teacher, if there is one, sees in the images of these latents."""
        if self.teacher is None:
            return None
        return soft_labels_by(self.teacher, self(groups, None, latents))


def file_size(payload: Payload) -> int:
    """Exact size in bytes of the payload's file."""
    return len(bitstream.encode(payload))
