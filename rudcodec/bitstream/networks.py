"""The networks of a set, made ready to run: once, and only those of groups that have images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rudcodec.bitstream.intnet import ContextNet, Folded, fold_context
from rudcodec.bitstream.synthesis import Synthesis
from rudcodec.payload import Architecture, Group, Payload, Segment


class _Stretch(NamedTuple):
    """Adjacent images of a segment, and where they stand among all images."""

    segment: int
    rows: slice
    target: slice


class Networks:
    """What turns bits into latents, and latents into pixels.

    Args:
        architecture: of pictures, grids and networks.
        groups: parameters of each group's networks.
        share: whether a group is the images of a class or of the whole set.
        ymax: no latent is larger in magnitude.
    """

    def __init__(self, architecture: Architecture, groups: Sequence[Group], share: str, ymax: int) -> None:
        self.architecture = architecture
        self.share = share
        self.ymax = ymax
        self._groups = groups
        self._folded: dict[int, list[Folded]] = {}
        self._synthesis: dict[int, Synthesis] = {}
        self._context: dict[tuple[int, ...], ContextNet] = {}

    def context(self, *groups: tuple[int, ...]) -> list[ContextNet]:
        """The context networks of some groups, of some other groups, ...

        Those of the last call are at hand, so that segments of the same groups share them.
        """
        self._context = {
            some: self._context.get(some) or ContextNet([self._fold(k) for k in some]) for some in groups
        }
        return list(self._context.values())

    def _fold(self, group: int) -> list[Folded]:
        if group not in self._folded:
            self._folded[group] = fold_context(self._groups[group].context)
        return self._folded[group]

    def synthesis(self, group: int) -> Synthesis:
        """The synthesis network of a group."""
        if group not in self._synthesis:
            self._synthesis[group] = Synthesis(self.architecture, self._groups[group], self.ymax)
        return self._synthesis[group]

    def images(self, segments: Sequence[Segment]) -> np.ndarray:
        """Pixels, uint8 (N, H, W, C): segment after segment, in each class after class."""
        a = self.architecture
        total = sum(sum(segment.counts) for segment in segments)
        result = np.empty((total, a.height, a.width, a.channels), dtype=np.uint8)
        for group, stretches in self._stretches(segments).items():
            network = self.synthesis(group)
            for batch in _batches(stretches, network.batch):
                parts = [[grid[rows] for grid in segments[i].latents] for i, rows, _ in batch]
                latents = [np.concatenate(grids) for grids in zip(*parts, strict=True)]
                pixels = network.run(latents)
                end = 0
                for _, _, target in batch:
                    start, end = end, end + target.stop - target.start
                    result[target] = pixels[start:end]
        return result

    def _stretches(self, segments: Sequence[Segment]) -> dict[int, list[_Stretch]]:
        """Where the images of each group lie."""
        stretches: dict[int, list[_Stretch]] = {}
        first = 0
        for i, segment in enumerate(segments):
            counts = np.array([sum(segment.counts)] if self.share == "dataset" else segment.counts)
            ends = np.cumsum(counts)
            for k in np.flatnonzero(counts).tolist():
                start, end = int(ends[k] - counts[k]), int(ends[k])
                stretch = _Stretch(i, slice(start, end), slice(first + start, first + end))
                stretches.setdefault(k, []).append(stretch)
            first += int(ends[-1])
        return stretches


def networks_of(payload: Payload) -> Networks:
    """The networks of a payload."""
    return Networks(payload.architecture, payload.groups, payload.share, largest_latent(payload.segments))


def largest_latent(segments: Sequence[Segment]) -> int:
    """Largest magnitude of all latents."""
    return max(
        (max(int(grid.max()), -int(grid.min())) for s in segments for grid in s.latents if grid.size),
        default=0,
    )


def _batches(stretches: Sequence[_Stretch], size: int) -> Iterator[list[_Stretch]]:
    """The same images, cut and put together to batches of ``size``."""
    batch: list[_Stretch] = []
    room = size
    for i, rows, target in stretches:
        cuts = [0, *range(room, rows.stop - rows.start, size), rows.stop - rows.start]
        for start, end in pairwise(cuts):
            taken = slice(rows.start + start, rows.start + end)
            batch.append(_Stretch(i, taken, slice(target.start + start, target.start + end)))
            room -= end - start
            if not room:
                yield batch
                batch, room = [], size
    if batch:
        yield batch
