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
from rudcodec.bitstream.constants import CAUSAL, INPUT_LIMIT, INPUTS, LOCATION_BITS, PARENTS, SCALES, SIBLINGS
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.intnet import ContextNet
from rudcodec.bitstream.limits import level_sizes
from rudcodec.bitstream.networks import Networks
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
class Block:
    """Columns of some groups: ``most`` of each, as many as the largest of them has images.

    ``columns``: where they stand among all columns, group after group.
    """

    groups: tuple[int, ...]
    most: int
    columns: slice


@dataclass(frozen=True)
class Columns:
    """How the images of some segments stand in columns: ``total`` of them, in ``blocks``.

    ``parts``: for each segment the columns of its images, class after class.
    """

    blocks: tuple[Block, ...]
    parts: tuple[slice | np.ndarray, ...]

    @property
    def total(self) -> int:
        return self.blocks[-1].columns.stop


def columns_of(counts: Sequence[tuple[int, ...]], share: str) -> Columns:
    """``counts``: of each segment, images of each class."""
    if share == "dataset":
        ends = np.cumsum([sum(segment) for segment in counts]).tolist()
        parts = tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))
        return Columns((Block((0,), ends[-1], slice(0, ends[-1])),), parts)
    table = np.array(counts)
    blocks = _blocks(table.sum(0))
    # the first column of each segment's images of a class
    first = np.cumsum(table, axis=0) - table
    for block in blocks:
        first[:, block.groups] += block.columns.start + np.arange(len(block.groups)) * block.most
    columns = []
    for start, segment in zip(first, table, strict=True):
        shift = start - (np.cumsum(segment) - segment)
        columns.append(np.arange(segment.sum()) + np.repeat(shift, segment))
    return Columns(blocks, tuple(columns))


def _blocks(totals: np.ndarray) -> tuple[Block, ...]:
    """Groups of similar sizes side by side: at least half of a block's columns hold an image."""
    blocks = []
    end = 0
    left = np.flatnonzero(totals)
    while len(left):
        most = int(totals[left].max())
        chosen = 2 * totals[left] >= most
        groups = left[chosen]
        start, end = end, end + most * len(groups)
        blocks.append(Block(tuple(groups.tolist()), most, slice(start, end)))
        left = left[~chosen]
    return tuple(blocks)


@dataclass(frozen=True)
class SegmentCoder:
    """A segment on its way through a coder of its own; ``latents`` is None when they are to be decoded."""

    coder: Coder
    counts: tuple[int, ...]
    place: Place
    latents: tuple[np.ndarray, ...] | None = None


def code_latents(
    networks: Networks, segments: Sequence[SegmentCoder]
) -> list[tuple[np.ndarray, ...] | FormatError]:
    """Code the latents of all segments: those of each, as in a :class:`Segment`, or what is wrong with it."""
    coding = LatentCoding(networks, segments)
    for _ in coding.grids():
        pass
    return coding.results()


class LatentCoding:
    """The latents of some segments on their way: all segments together, those that fail left out.

    When encoding, none fails whose latents are within the networks' limit.
    """

    def __init__(self, networks: Networks, segments: Sequence[SegmentCoder]) -> None:
        self._columns = columns_of([segment.counts for segment in segments], networks.share)
        self._grids, rows = plan(networks.architecture)
        blocks = self._columns.blocks
        nets = networks.context(*(block.groups for block in blocks))
        self._states = [_State(net, block, rows) for net, block in zip(nets, blocks, strict=True)]
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
            for i, part in enumerate(self._columns.parts):
                latents = values[:, part].T.reshape(-1, grid.height, grid.width)
                self._coded[i].append(latents)
                if max(int(latents.max()), -int(latents.min())) > self._ymax:
                    reason = f"a latent of level {grid.level} is beyond the largest declared, {self._ymax}"
                    self._errors.setdefault(i, self._segments[i].place.error(reason))
            self._active = [i for i in self._active if i not in self._errors]
            yield grid

    def results(self) -> list[tuple[np.ndarray, ...] | FormatError]:
        """Of each segment, when all grids are done."""
        return [self._errors.get(i, tuple(latents)) for i, latents in enumerate(self._coded)]

    def _code(self, index: int, grid: Grid) -> np.ndarray:
        """The latents of a grid, int32 (positions, columns)."""
        parts = self._columns.parts
        target = np.zeros((grid.height * grid.width, self._columns.total), dtype=np.int32)
        for segment, part in zip(self._segments, parts, strict=True):
            if segment.latents is not None:
                target[:, part] = segment.latents[index].reshape(sum(segment.counts), -1).T
        context = _Context(grid, self._grids)
        for state in self._states:
            state.start(index)
        for y, x in wavefront(grid.height, grid.width):
            rows, location = self._predict(context.rows(y, x))
            position = y * grid.width + x
            values = target[position]
            for i in self._active:
                segment, shift = self._segments[i], location[:, parts[i]]
                known = None if segment.latents is None else (values[:, parts[i]] - shift).ravel()
                try:
                    differences = segment.coder.code(rows[:, parts[i]].ravel(), known)
                except FormatError as error:
                    self._errors[i] = error
                else:
                    values[:, parts[i]] = differences.reshape(shift.shape) + shift
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
    """Where the inputs of a grid's predictions lie in the storage."""

    def __init__(self, grid: Grid, grids: Sequence[Grid]) -> None:
        places = {(one.level, one.component): one for one in grids}
        self._grid = grid
        self._coarser = places.get((grid.level - 1, grid.component))
        self._before = places.get((grid.level, grid.component - 1))
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


class _State:
    """Latents of a block coded so far, clamped, int8 (groups, storage rows, columns), and its networks."""

    def __init__(self, net: ContextNet, block: Block, rows: int) -> None:
        self._net = net
        self._columns = block.columns
        self._storage = np.zeros((len(block.groups), rows, block.most), dtype=np.int8)
        self._matrices: list[np.ndarray] = []

    def start(self, grid: int) -> None:
        """The next predictions are of a grid."""
        self._matrices = self._net.matrices(grid)

    def predict(self, rows: np.ndarray, eighths: np.ndarray, scale: np.ndarray) -> None:
        """Fill in location in 1/8 and scale index, int32 (positions, all columns), in the block's columns."""
        groups, _, columns = self._storage.shape
        positions = rows.shape[1]
        results = [a[:, self._columns].reshape(positions, groups, columns) for a in (eighths, scale)]
        p_step = max(1, min(positions, _CHUNK // columns))
        g_step = max(1, min(groups, _CHUNK // (p_step * columns)))
        for g in range(0, groups, g_step):
            chosen = slice(g, min(g + g_step, groups))
            storage = self._storage[chosen]
            matrices = [matrix[chosen] for matrix in self._matrices]
            for p in range(0, positions, p_step):
                part = rows[:, p : p + p_step]
                block = self._net.inputs(len(storage), part.shape[1] * columns)
                block[:, :INPUTS] = storage.take(part.ravel(), axis=1).reshape(len(storage), INPUTS, -1)
                output = self._net.predict(block, matrices)
                output = output.reshape(len(storage), 2, part.shape[1], columns).transpose(1, 2, 0, 3)
                for result, values in zip(results, output, strict=True):
                    result[p : p + p_step, chosen] = values

    def store(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Remember latents (positions, all columns)."""
        groups, _, columns = self._storage.shape
        clamped = np.clip(values[:, self._columns], -INPUT_LIMIT, INPUT_LIMIT)
        self._storage[:, rows] = clamped.reshape(len(rows), groups, columns).transpose(1, 0, 2)
