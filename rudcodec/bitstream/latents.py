"""Latents: contexts, the order in which they are coded, and the one routine that codes them in either
direction.

All images of all segments advance together along a wavefront, so that a step is one evaluation of the context
network and one call of the coder for each segment. Images stand in *columns* (groups, images of the group);
every grid has a zero margin, so that a context is a gather of whole rows of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rudcodec.bitstream.coder import Coder
from rudcodec.bitstream.intnet import ContextNet
from rudcodec.bitstream.limits import INPUT_MAX, INPUTS, level_sizes
from rudcodec.errors import FormatError
from rudcodec.payload import Architecture, Group, Segment

_CHUNK = 8192  # columns of the context network's input at once: what fits the cache
_MARGIN = 2
# (dy, dx) of the causal neighbours in the same grid, and of those in the component before
_CAUSAL = [(0, -1), (0, -2)] + [(dy, dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2)]
_CROSS = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]


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

    def offsets(self, neighbours: list[tuple[int, int]]) -> np.ndarray:
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


Columns = slice | np.ndarray  # what to index with


def columns_of(counts: tuple[tuple[int, ...], ...], share: str) -> tuple[int, int, Sequence[Columns]]:
    """How images stand in columns: (groups, columns per group, for each segment the flat columns of its
    images).
    """
    if share == "dataset":
        ends = np.cumsum([sum(segment) for segment in counts]).tolist()
        return 1, ends[-1], [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
    totals = np.sum(counts, axis=0)
    most = int(totals.max())
    fill = np.zeros(len(totals), dtype=np.intp)
    parts = []
    for segment in counts:
        parts.append(np.concatenate([k * most + fill[k] + np.arange(n) for k, n in enumerate(segment)]))
        fill += np.array(segment)
    return len(totals), most, parts


def fail_at_once(index: int, error: FormatError) -> None:
    """What to do when a segment fails: let it end everything."""
    raise error


def code_latents(
    coders: Sequence[Coder],
    architecture: Architecture,
    groups: tuple[Group, ...],
    share: str,
    counts: tuple[tuple[int, ...], ...],
    ymax: int,
    given: tuple[Segment, ...] | None,
    fails: Sequence[Callable[[str], FormatError]],
    after_grid: Callable[[Grid], None] = lambda grid: None,
    give_up: Callable[[int, FormatError], None] = fail_at_once,
) -> tuple[Segment, ...]:
    """Code the latents of all segments, each with its coder; ``given`` is None when decoding.

    ``fails`` makes the error for a latent of a segment beyond ``ymax``; ``after_grid`` is called when a grid
    is coded. ``give_up`` gets the index of a segment that fails, and why; if it returns, the others go on.
    """
    net = ContextNet(architecture, groups)
    count, most, parts = columns_of(counts, share)
    grids, rows = plan(architecture)
    state = _State(net, count, most, rows)
    found: list[list[np.ndarray]] = [[] for _ in counts]
    active = dict(enumerate(zip(coders, parts, strict=True)))
    for index, grid in enumerate(grids):
        target = np.zeros((grid.height * grid.width, count * most), dtype=np.int32)
        if given is not None:
            for part, segment in zip(parts, given, strict=True):
                target[:, part] = segment.latents[index].reshape(sum(segment.counts), -1).T
        coarser = [g for g in grids if (g.level, g.component) == (grid.level - 1, grid.component)]
        before = grids[index - 1] if grid.component else None
        gather = partial(_context_rows, grid, coarser[0] if coarser else None, before)
        for y, x in wavefront(grid.height, grid.width):
            tables, location = state.predict(gather(y, x), index)
            position = y * grid.width + x
            values = target[position]
            for i, (coder, part) in tuple(active.items()):
                shift = location[:, part]
                known = (values[:, part] - shift).ravel() if given is not None else None
                try:
                    differences = coder.code(tables[:, part].ravel(), known)
                except FormatError as error:
                    del active[i]
                    give_up(i, error)
                    continue
                values[:, part] = differences.reshape(shift.shape) + shift
            target[position] = values
            state.store(grid.rows(y, x), values)
        for i, (part, latents) in enumerate(zip(parts, found, strict=True)):
            latents.append(target[:, part].T.reshape(-1, grid.height, grid.width))
            if i in active and max(int(latents[-1].max()), -int(latents[-1].min())) > ymax:
                del active[i]
                give_up(i, fails[i](f"a latent of level {grid.level} is beyond the largest declared, {ymax}"))
        after_grid(grid)
    return tuple(Segment(n, tuple(latents)) for n, latents in zip(counts, found, strict=True))


def _context_rows(
    grid: Grid, coarser: Grid | None, before: Grid | None, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Storage rows (21, positions) of the context of each position."""
    rows = np.zeros((INPUTS, len(y)), dtype=np.intp)
    rows[:12] = grid.rows(y, x) + grid.offsets(_CAUSAL)
    if coarser:
        right = (x & 1) * 2 - 1
        down = ((y & 1) * 2 - 1) * coarser.pitch
        rows[12] = coarser.rows(y >> 1, x >> 1)
        rows[13] = rows[12] + right
        rows[14] = rows[12] + down
        rows[15] = rows[14] + right
    if before:
        rows[16:] = before.rows(y, x) + before.offsets(_CROSS)
    return rows


class _State:
    """Latents coded so far, clamped, int8 (groups, storage rows, columns), and the network's view of them."""

    def __init__(self, net: ContextNet, groups: int, columns: int, rows: int) -> None:
        self._net = net
        self._storage = np.zeros((groups, rows, columns), dtype=np.int8)

    def predict(self, rows: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
        """Table row (intp) and integer location (int32) of each (position, flat column)."""
        groups, _, columns = self._storage.shape
        positions = rows.shape[1]
        result = np.empty((2, positions, groups, columns), dtype=np.int32)
        p_step = max(1, min(positions, _CHUNK // columns))
        g_step = max(1, min(groups, _CHUNK // (p_step * columns)))
        for g in range(0, groups, g_step):
            chosen = slice(g, min(g + g_step, groups))
            storage = self._storage[chosen]
            for p in range(0, positions, p_step):
                part = rows[:, p : p + p_step]
                block = self._net.inputs(len(storage), part.shape[1] * columns)
                block[:, :INPUTS] = storage.take(part.ravel(), axis=1).reshape(len(storage), INPUTS, -1)
                output = self._net.predict(block, grid, chosen).reshape(
                    len(storage), 2, part.shape[1], columns
                )
                result[:, p : p + p_step, chosen] = output.transpose(1, 2, 0, 3)
        eighths, scale = result.reshape(2, positions, groups * columns)
        location = (eighths + 4) >> 3
        eighths -= location << 3  # now the fraction, -4..3
        return ((eighths + 4) << 6 | scale).astype(np.intp), location

    def store(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Remember latents (positions, flat columns)."""
        groups, _, columns = self._storage.shape
        clamped = np.clip(values, -INPUT_MAX, INPUT_MAX).reshape(len(rows), groups, columns)
        self._storage[:, rows] = clamped.transpose(1, 0, 2)
