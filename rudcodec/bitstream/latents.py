"""Latents: contexts, the order in which they are coded, and the one routine that codes them in either
direction.

All images of all segments advance together along a wavefront, so that a step is one evaluation of the context
network and one call of the coder for each segment. Images stand in *columns* (groups, images of the group);
every grid has a zero margin, so that a context is a gather of whole rows of columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.columns import Block, columns_of
from rudcodec.bitstream.constants import CAUSAL, INPUT_LIMIT, INPUTS, LOCATION_BITS, PARENTS, SCALES, SIBLINGS
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.intnet import ContextNet
from rudcodec.bitstream.limits import level_sizes
from rudcodec.bitstream.networks import ModelNetworks, Networks
from rudcodec.bitstream.segments import SegmentFields
from rudcodec.errors import FormatError
from rudcodec.payload import Architecture

_CHUNK = 8192  # columns of the context network's input at once: what fits the cache
_MARGIN = 2


@dataclass(frozen=True)
class Grid:
    """One component of one level in the padded storage; row 0 of the storage stays zero."""

    level: int
    component: int
    height: int
    width: int
    base: int  # storage row of position (0, 0)

    @property
    def pitch(self) -> int:
        return self.width + _MARGIN

    def rows(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self.base + y * self.pitch + x

    def offsets(self, neighbours: Sequence[tuple[int, int]]) -> np.ndarray:
        return np.array([[dy * self.pitch + dx] for dy, dx in neighbours], dtype=np.intp)


def plan(architecture: Architecture) -> tuple[list[Grid], int]:
    """All grids in coding order, and the number of storage rows.

    The margin to the right of a line is the one to the left of the next.
    """
    grids = []
    row = 1
    for level, (height, width) in enumerate(level_sizes(architecture)):
        for component in range(architecture.grids[level]):
            grids.append(Grid(level, component, height, width, row + _MARGIN * (width + _MARGIN) + _MARGIN))
            row += (height + _MARGIN + 1) * (width + _MARGIN) + _MARGIN
    return grids, row


def wavefront(height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(y, x) of the positions of each step: x + 3 y = t, y ascending."""
    for t in range(width + 3 * (height - 1)):
        y = np.arange(max(0, -(-(t - width + 1) // 3)), min(height - 1, t // 3) + 1)
        yield y, t - 3 * y


@dataclass(frozen=True)
class SegmentCoder:
    """A segment with a coder of its own; ``latents`` is None when they are to be decoded."""

    coder: Coder
    fields: SegmentFields
    place: Place
    latents: tuple[np.ndarray, ...] | None = None


def code_latents(
    networks: Networks, segments: Sequence[SegmentCoder]
) -> list[tuple[np.ndarray, ...] | FormatError]:
    """Code the latents of all segments: those of each, as in a :class:`Segment`, or what is wrong with it."""
    results: dict[int, tuple[np.ndarray, ...] | FormatError] = {}
    by_model: dict[int, list[int]] = {}
    for i, segment in enumerate(segments):
        by_model.setdefault(segment.fields.model, []).append(i)
    for number, own in by_model.items():
        coding = LatentCoding(networks.models[number], [segments[i] for i in own])
        for _ in coding.grids():
            pass
        results.update(zip(own, coding.results(), strict=True))
    return [results[i] for i in range(len(segments))]


class LatentCoding:
    """Codes the latents of some segments of a model, grid by grid; a segment that fails is left out from then
    on.

    When encoding, none fails whose latents are within the networks' limit.
    """

    def __init__(self, networks: ModelNetworks, segments: Sequence[SegmentCoder]) -> None:
        self._columns = columns_of([networks.group_of(segment.fields.labels) for segment in segments])
        self._grids, rows = plan(networks.architecture)
        blocks = self._columns.blocks
        nets = networks.context(*(block.groups for block in blocks))
        self._states = [_ContextStorage(net, block, rows) for net, block in zip(nets, blocks, strict=True)]
        self._ymax = networks.ymax
        self._segments = segments
        self._coded: list[list[np.ndarray]] = [[] for _ in segments]
        self._active = list(range(len(segments)))
        self._errors: dict[int, FormatError] = {}

    def grids(self) -> Iterator[Grid]:
        """Code grid after grid; yields each when it is done."""
        for index, grid in enumerate(self._grids):
            if not self._active:
                return
            values = self._code(index, grid)
            for i, columns in enumerate(self._columns.by_segment):
                latents = values[:, columns].T.reshape(-1, grid.height, grid.width)
                self._coded[i].append(latents)
                if max(int(latents.max()), -int(latents.min())) > self._ymax:
                    reason = f"a latent of level {grid.level} is beyond the largest declared, {self._ymax}"
                    self._errors.setdefault(i, self._segments[i].place.error(reason))
            self._active = [i for i in self._active if i not in self._errors]
            yield grid

    def results(self) -> list[tuple[np.ndarray, ...] | FormatError]:
        """The latents of each segment, or its error, once all grids are coded."""
        return [self._errors.get(i, tuple(latents)) for i, latents in enumerate(self._coded)]

    def _code(self, index: int, grid: Grid) -> np.ndarray:
        """The latents of a grid, int32 (positions, columns)."""
        by_segment = self._columns.by_segment
        target = np.zeros((grid.height * grid.width, self._columns.total), dtype=np.int32)
        for segment, columns in zip(self._segments, by_segment, strict=True):
            if segment.latents is not None:
                target[:, columns] = segment.latents[index].reshape(segment.fields.images, -1).T
        context = _Context(grid, self._grids)
        for state in self._states:
            state.start(index)
        for y, x in wavefront(grid.height, grid.width):
            rows, location = self._predict(context.rows(y, x))
            position = y * grid.width + x
            values = target[position]
            for i in self._active:
                segment, shift = self._segments[i], location[:, by_segment[i]]
                known_differences = (
                    None if segment.latents is None else (values[:, by_segment[i]] - shift).ravel()
                )
                try:
                    differences = segment.coder.code(rows[:, by_segment[i]].ravel(), known_differences)
                except FormatError as error:
                    self._errors[i] = error
                else:
                    values[:, by_segment[i]] = differences.reshape(shift.shape) + shift
            if self._errors:
                self._active = [i for i in self._active if i not in self._errors]
            target[position] = values
            for state in self._states:
                state.store(grid.rows(y, x), values)
        return target

    def _predict(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Table row (intp) and integer location (int32) of each (position, column)."""
        eighths, scale = np.empty((2, context.shape[1], self._columns.total), dtype=np.int32)
        for state in self._states:
            state.predict(context, eighths, scale)
        half = 1 << LOCATION_BITS >> 1
        location = (eighths + half) >> LOCATION_BITS
        eighths -= location << LOCATION_BITS  # now the fraction, -4..3
        return ((eighths + half) * SCALES + scale).astype(np.intp), location


class _Context:
    """The places in the storage where the inputs of a grid's predictions lie."""

    def __init__(self, grid: Grid, grids: Sequence[Grid]) -> None:
        grid_at = {(other.level, other.component): other for other in grids}
        self._grid = grid
        self._coarser = grid_at.get((grid.level - 1, grid.component))
        self._before = grid_at.get((grid.level, grid.component - 1))
        self._causal = grid.offsets(CAUSAL)
        self._siblings = self._before.offsets(SIBLINGS) if self._before else None

    def rows(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Storage rows (21, positions) of the context of each position."""
        rows = np.zeros((INPUTS, len(y)), dtype=np.intp)
        rows[: len(CAUSAL)] = self._grid.rows(y, x) + self._causal
        if self._coarser:
            right = (x & 1) * 2 - 1
            down = ((y & 1) * 2 - 1) * self._coarser.pitch
            parents = rows[len(CAUSAL) :]
            parents[0] = self._coarser.rows(y >> 1, x >> 1)
            parents[1] = parents[0] + right
            parents[2] = parents[0] + down
            parents[3] = parents[2] + right
        if self._before:
            rows[len(CAUSAL) + PARENTS :] = self._before.rows(y, x) + self._siblings
        return rows


class _ContextStorage:
    """Latents of a block coded so far, clamped, int8 (groups, storage rows, columns), and its networks."""

    def __init__(self, net: ContextNet, block: Block, rows: int) -> None:
        self._net = net
        self._columns = block.columns
        self._storage = np.zeros((len(block.groups), rows, block.per_group), dtype=np.int8)
        self._matrices: list[np.ndarray] = []

    def start(self, grid: int) -> None:
        """Choose the grid that the next predictions are for."""
        self._matrices = self._net.matrices(grid)

    def predict(self, rows: np.ndarray, eighths: np.ndarray, scale: np.ndarray) -> None:
        """Fill in location in 1/8 and scale index, int32 (positions, all columns), in the block's columns."""
        groups, _, columns = self._storage.shape
        positions = rows.shape[1]
        results = [a[:, self._columns].reshape(positions, groups, columns) for a in (eighths, scale)]
        p_step = max(1, min(positions, _CHUNK // columns))
        g_step = max(1, min(groups, _CHUNK // (p_step * columns)))
        for g in range(0, groups, g_step):
            group_slice = slice(g, min(g + g_step, groups))
            storage = self._storage[group_slice]
            matrices = [matrix[group_slice] for matrix in self._matrices]
            for p in range(0, positions, p_step):
                block_rows = rows[:, p : p + p_step]
                block = self._net.inputs(len(storage), block_rows.shape[1] * columns)
                block[:, :INPUTS] = storage.take(block_rows.ravel(), axis=1).reshape(len(storage), INPUTS, -1)
                output = self._net.predict(block, matrices)
                output = output.reshape(len(storage), 2, block_rows.shape[1], columns).transpose(1, 2, 0, 3)
                for result, values in zip(results, output, strict=True):
                    result[p : p + p_step, group_slice] = values

    def store(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Remember latents (positions, all columns)."""
        groups, _, columns = self._storage.shape
        clamped = np.clip(values[:, self._columns], -INPUT_LIMIT, INPUT_LIMIT)
        self._storage[:, rows] = clamped.reshape(len(rows), groups, columns).transpose(1, 0, 2)
