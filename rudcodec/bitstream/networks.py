"""The networks of a set, made ready to run: once, and only those of groups that have images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rudcodec.bitstream.intnet import ContextNet, Folded, fold_context
from rudcodec.bitstream.synthesis import Synthesis
from rudcodec.payload import Model, Payload, Segment


class _Stretch(NamedTuple):
    """Adjacent images of a segment, and where they stand among all images."""

    segment: int
    rows: slice
    target: slice


class Networks:
    """The networks of all models: those that predict latents, and those that make pixels of them.

    Args:
        models: of networks.
        ymax: for each model, a magnitude that no latent exceeds.
    """

    def __init__(self, models: Sequence[Model], ymax: Sequence[int]) -> None:
        self.models = [ModelNetworks(model, y) for model, y in zip(models, ymax, strict=True)]

    def images(self, segments: Sequence[Segment]) -> np.ndarray:
        """Pixels, uint8 (N, H, W, C): segment after segment, in each class after class."""
        a = self.models[0].architecture
        total = sum(sum(segment.counts) for segment in segments)
        result = np.empty((total, a.height, a.width, a.channels), dtype=np.uint8)
        for (model, group), stretches in self._stretches(segments).items():
            network = self.models[model].synthesis(group)
            for batch in _batches(stretches, network.batch):
                pieces = [[grid[rows] for grid in segments[i].latents] for i, rows, _ in batch]
                latents = [np.concatenate(grids) for grids in zip(*pieces, strict=True)]
                pixels = network.run(latents)
                end = 0
                for _, _, target in batch:
                    start, end = end, end + target.stop - target.start
                    result[target] = pixels[start:end]
        return result

    def _stretches(self, segments: Sequence[Segment]) -> dict[tuple[int, int], list[_Stretch]]:
        """The places of the images of each group of each model."""
        stretches: dict[tuple[int, int], list[_Stretch]] = {}
        first = 0
        for i, segment in enumerate(segments):
            groups = self.models[segment.model].group_of(segment.labels)
            starts = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist()] if len(groups) else []
            for start, end in pairwise([*starts, len(groups)]):
                stretch = _Stretch(i, slice(start, end), slice(first + start, first + end))
                stretches.setdefault((segment.model, int(groups[start])), []).append(stretch)
            first += len(groups)
        return stretches


class ModelNetworks:
    """The networks of one model, made ready when they are first asked for."""

    def __init__(self, model: Model, ymax: int) -> None:
        self.architecture = model.architecture
        self.ymax = ymax
        self._groups = model.groups
        self._group_of_class = None if model.classes is None else _inverse(model.classes)
        self._folded: dict[int, list[Folded]] = {}
        self._synthesis: dict[int, Synthesis] = {}
        self._context: dict[tuple[int, ...], ContextNet] = {}

    def group_of(self, classes: np.ndarray) -> np.ndarray:
        """The group of images of these classes, int64 (n,)."""
        if self._group_of_class is None:
            return np.zeros(len(classes), np.int64)
        return self._group_of_class[classes]

    def context(self, *groups: tuple[int, ...]) -> list[ContextNet]:
        """For each tuple of group numbers, their context networks side by side.

        The result of the last call is kept, so that segments of the same groups share it.
        """
        self._context = {
            numbers: self._context.get(numbers) or ContextNet([self._fold(number) for number in numbers])
            for numbers in groups
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


def _inverse(classes: tuple[int, ...]) -> np.ndarray:
    """The group of each class up to the largest that has one."""
    groups = np.zeros(max(classes) + 1, np.int64)
    groups[list(classes)] = np.arange(len(classes))
    return groups


def networks_of(payload: Payload) -> Networks:
    """The networks of a payload."""
    return Networks(payload.models, largest_latents(payload))


def largest_latents(payload: Payload) -> list[int]:
    """For each model, the largest magnitude of its segments' latents."""
    by_model: dict[int, list[Segment]] = {}
    for segment in payload.segments:
        by_model.setdefault(segment.model, []).append(segment)
    return [_largest(by_model.get(number, [])) for number in range(len(payload.models))]


def _largest(segments: Sequence[Segment]) -> int:
    return max(
        (max(int(grid.max()), -int(grid.min())) for s in segments for grid in s.latents if grid.size),
        default=0,
    )


def _batches(stretches: Sequence[_Stretch], size: int) -> Iterator[list[_Stretch]]:
    """The same images in batches of ``size``, for which stretches are cut and put together."""
    batch: list[_Stretch] = []
    room = size
    for i, rows, target in stretches:
        cuts = [0, *range(room, rows.stop - rows.start, size), rows.stop - rows.start]
        for start, end in pairwise(cuts):
            piece = slice(rows.start + start, rows.start + end)
            batch.append(_Stretch(i, piece, slice(target.start + start, target.start + end)))
            room -= end - start
            if not room:
                yield batch
                batch, room = [], size
    if batch:
        yield batch
