"""Which images belong to which split.

A source brings some of train, val and test. If it brings train but no val, the last 10 % of each class of
train (rounded down, but at least one image) are val and leave train: the same images for all who have it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rudcodec.errors import DataError, SettingError

SourceSplit = Literal["train", "val", "test"]
"""A split that a source brings."""

Split = Literal["train", "val", "test", "all"]
"""A split that can be asked for; ``all`` is train and val together."""

Rows = NDArray[np.intp]

ALIASES: dict[str, SourceSplit] = {
    "train": "train", "training": "train", "trainval": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Words for splits in the names of folders and array keys, in lower case."""


def available_splits(source_splits: Collection[SourceSplit]) -> tuple[SourceSplit, ...]:
    """The splits that can be asked for (beside ``all``) of a source that brings ``source_splits``."""
    return tuple(
        s for s in get_args(SourceSplit) if s in source_splits or (s == "val" and "train" in source_splits)
    )


def required_splits(
    split: Split, source_splits: Collection[SourceSplit], where: str
) -> tuple[SourceSplit, ...]:
    """The splits of the source that ``split`` draws on.

    Raises:
        SettingError: ``split`` isn't the name of a split.
        DataError: the source has no such split.
    """
    if split not in get_args(Split):
        raise SettingError(f"no such split: {split!r} (there are {', '.join(get_args(Split))})")
    if split == "all" and "train" in source_splits:
        return ("train", "val") if "val" in source_splits else ("train",)
    if split == "all" or split not in available_splits(source_splits):
        raise DataError(f"{where}: has no {split} split, only {', '.join(available_splits(source_splits))}")
    return ("train",) if split == "val" and "val" not in source_splits else (split,)


def split_rows(
    split: Split,
    labels: NDArray[np.int64],
    source_splits: Collection[SourceSplit],
    classes: tuple[str, ...],
    where: str,
) -> Rows:
    """The rows of one split of the source that belong to ``split``, ascending.

    Args:
        labels: int64 (N,), ascending: the labels of a split that :func:`required_splits` named.

    Raises:
        DataError: a class has one image, which can't be both train and val.
    """
    rows = np.arange(len(labels))
    if "val" in source_splits or split in ("test", "all"):
        return rows
    held_out = np.zeros(len(labels), dtype=bool)
    for label, name in enumerate(classes):
        start, stop = np.searchsorted(labels, [label, label + 1])
        count = int(stop - start)
        if count == 1:
            raise DataError(
                f"{where}: class {name!r} has one image, too few to hold one out for validation; "
                "take all images of the set (--split all, in Python split='all'), or give the class another"
            )
        if count:
            held_out[stop - max(1, count // 10) : stop] = True
    return rows[held_out] if split == "val" else rows[~held_out]
