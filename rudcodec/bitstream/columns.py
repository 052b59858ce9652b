"""Where images stand while their latents are coded: in *columns*, those of a group side by side, so that one
matrix product serves many images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Columns of some groups: ``per_group`` of each, as many as the largest of them has images.

    ``columns``: where they stand among all columns, group after group.
    """

    groups: tuple[int, ...]
    per_group: int
    columns: slice


@dataclass(frozen=True)
class Columns:
    """How the images of some segments stand in columns: ``total`` of them, in ``blocks``.

    ``by_segment``: for each segment the columns of its images, in their order.
    """

    blocks: tuple[Block, ...]
    by_segment: tuple[slice | np.ndarray, ...]

    @property
    def total(self) -> int:
        return self.blocks[-1].columns.stop


def columns_of(groups: Sequence[np.ndarray]) -> Columns:
    """The columns of segments whose images belong to these ``groups``, each int64 (images,)."""
    if not any(group.any() for group in groups):
        ends = np.cumsum([len(group) for group in groups]).tolist()
        by_segment = tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))
        return Columns((Block((0,), ends[-1], slice(0, ends[-1])),), by_segment)
    all_groups = np.concatenate(groups)
    blocks = _blocks(np.bincount(all_groups))
    first = np.zeros(int(all_groups.max()) + 1, np.int64)
    for block in blocks:
        first[list(block.groups)] = block.columns.start + np.arange(len(block.groups)) * block.per_group
    # a group's images stand side by side, in the order in which they come
    by_group = np.argsort(all_groups, kind="stable")
    sorted_groups = all_groups[by_group]
    columns = np.empty(len(all_groups), np.int64)
    columns[by_group] = first[sorted_groups] + _index_within(sorted_groups)
    ends = np.cumsum([len(group) for group in groups])
    return Columns(blocks, tuple(np.split(columns, ends[:-1])))


def _index_within(sorted_groups: np.ndarray) -> np.ndarray:
    """The index of each element among those of its group."""
    starts = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
    lengths = np.diff(starts, append=len(sorted_groups))
    return np.arange(len(sorted_groups)) - np.repeat(starts, lengths)


def _blocks(totals: np.ndarray) -> tuple[Block, ...]:
    """Groups of similar sizes side by side: at least half of a block's columns hold an image."""
    blocks = []
    end = 0
    remaining = np.flatnonzero(totals)
    while len(remaining):
        largest = int(totals[remaining].max())
        similar = 2 * totals[remaining] >= largest
        groups = remaining[similar]
        start, end = end, end + largest * len(groups)
        blocks.append(Block(tuple(groups.tolist()), largest, slice(start, end)))
        remaining = remaining[~similar]
    return tuple(blocks)
