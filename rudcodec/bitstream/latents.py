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
class Columns:
    """How the images of some segments stand in columns.

    ``groups``: those that have images, ascending; ``most``: columns of each of them; ``parts``: for each
    segment the flat columns of its images.
    """

    groups: tuple[int, ...]
    most: int
    parts: tuple[slice | np.ndarray, ...]

    @property
    def total(self) -> int:
        return len(self.groups) * self.most


def columns_of(counts: Sequence[tuple[int, ...]], share: str) -> Columns:
    """``counts``: of each segment, images of each class."""
    if share == "dataset":
        ends = np.cumsum([sum(segment) for segment in counts]).tolist()
        parts = tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))
        return Columns((0,), ends[-1], parts)
    table = np.array(counts)
    totals = table.sum(0)
    groups = np.flatnonzero(totals)
    most = int(totals.max())
    # the first column of each segment's images of a class
    first = np.cumsum(table, axis=0) - table
    first[:, groups] += np.arange(len(groups)) * most
    columns = []
    for start, segment in zip(first, table, strict=True):
        shift = start - (np.cumsum(segment) - segment)
        columns.append(np.arange(segment.sum()) + np.repeat(shift, segment))
    return Columns(tuple(groups.tolist()), most, tuple(columns))


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
        self._net = networks.context(self._columns.groups)
        self._grids, rows = plan(networks.architecture)
        self._state = _State(self._net, self._columns, rows)
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
        """The latents of a grid, int32 (positions, flat columns)."""
        parts = self._columns.parts
        target = np.zeros((grid.height * grid.width, self._columns.total), dtype=np.int32)
        for segment, part in zip(self._segments, parts, strict=True):
            if segment.latents is not None:
                target[:, part] = segment.latents[index].reshape(sum(segment.counts), -1).T
        coarser = [g for g in self._grids if (g.level, g.component) == (grid.level - 1, grid.component)]
        before = self._grids[index - 1] if grid.component else None
        matrices = self._net.matrices(index)
        for y, x in wavefront(grid.height, grid.width):
            context = _context_rows(grid, coarser[0] if coarser else None, before, (y, x))
            rows, location = self._state.predict(context, matrices)
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
            self._state.store(grid.rows(y, x), values)
        return target


def _context_rows(
    grid: Grid, coarser: Grid | None, before: Grid | None, positions: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Storage rows (21, positions) of the context of each position (y, x)."""
    y, x = positions
    rows = np.zeros((INPUTS, len(y)), dtype=np.intp)
    causal, parents, siblings = np.split(rows, (len(CAUSAL), len(CAUSAL) + PARENTS))
    causal[:] = grid.rows(y, x) + grid.offsets(CAUSAL)
    if coarser:
        right = (x & 1) * 2 - 1
        down = ((y & 1) * 2 - 1) * coarser.pitch
        nearest = coarser.rows(y >> 1, x >> 1)
        parents[:] = nearest, nearest + right, nearest + down, nearest + down + right
    if before:
        siblings[:] = before.rows(y, x) + before.offsets(SIBLINGS)
    return rows


class _State:
    """Latents coded so far, clamped, int8 (groups, storage rows, columns), and the network's view of them."""

    def __init__(self, net: ContextNet, columns: Columns, rows: int) -> None:
        self._net = net
        self._storage = np.zeros((len(columns.groups), rows, columns.most), dtype=np.int8)

    def predict(self, rows: np.ndarray, matrices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Table row (intp) and integer location (int32) of each (position, flat column)."""
        groups, _, columns = self._storage.shape
        positions = rows.shape[1]
        result = np.empty((2, positions, groups, columns), dtype=np.int32)
        p_step = max(1, min(positions, _CHUNK // columns))
        g_step = max(1, min(groups, _CHUNK // (p_step * columns)))
        for g in range(0, groups, g_step):
            chosen = slice(g, min(g + g_step, groups))
            storage = self._storage[chosen]
            own = [matrix[chosen] for matrix in matrices]
            for p in range(0, positions, p_step):
                part = rows[:, p : p + p_step]
                block = self._net.inputs(len(storage), part.shape[1] * columns)
                block[:, :INPUTS] = storage.take(part.ravel(), axis=1).reshape(len(storage), INPUTS, -1)
                output = self._net.predict(block, own)
                output = output.reshape(len(storage), 2, part.shape[1], columns)
                result[:, p : p + p_step, chosen] = output.transpose(1, 2, 0, 3)
        eighths, scale = result.reshape(2, positions, groups * columns)
        half = 1 << LOCATION_BITS >> 1
        location = (eighths + half) >> LOCATION_BITS
        eighths -= location << LOCATION_BITS  # now the fraction, -4..3
        return ((eighths + half) * SCALES + scale).astype(np.intp), location

    def store(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Remember latents (positions, flat columns)."""
        groups, _, columns = self._storage.shape
        clamped = np.clip(values, -INPUT_LIMIT, INPUT_LIMIT).reshape(len(rows), groups, columns)
        self._storage[:, rows] = clamped.transpose(1, 0, 2)
