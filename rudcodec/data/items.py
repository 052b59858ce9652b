"""The source that consists of items, an image and a label each, in an order of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.bounds import MAX_LABEL
from rudcodec.data.decode import PictureError
from rudcodec.data.images import as_class_name, check_classes
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.splits import Rows, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import shown

Picture = NDArray[np.uint8] | PictureError
"""uint8 (H, W, C), or why it can't be used."""


class Items(ABC):
    """The items of a split, as the source holds them.

    Attributes:
        labels: one number or text for each, or one-hot, or soft; see :func:`label_array`.
        classes: the names of labels 0, 1, ..., if they came with these items; those of the source go by name.
        problems: what is wrong with others that the source names.
        passed: files that are no part of the set.
        notes: what the user should know of how they were read.
    """

    def __init__(self, labels: NDArray[Any]) -> None:
        self.labels = labels
        self.classes: Sequence[str] | None = None
        self.problems: list[str] = []
        self.passed = Passed()
        self.notes: list[str] = []

    @abstractmethod
    def locate(self, index: int) -> str:
        """How messages call the item."""

    @abstractmethod
    def stream(self, indices: Rows, reading: Reading) -> Iterator[tuple[int, Picture]]:
        """The position in ``indices`` and the image of each, in any order."""

    def mapped(self, indices: Rows, reading: Reading) -> NDArray[np.uint8] | None:
        """These images, uint8 (n, H, W, C), where they lie in a mapped file; None if in none."""
        return None

    def stamps(self, indices: Rows) -> Iterator[bytes] | None:
        """What is other bytes if these images are others, without reading them; None if nothing tells."""
        return None


class ItemSource:
    """The source made of :class:`Items` for each split.

    Attributes:
        beside: files beside all splits that are no part of the set.

    Args:
        name: what the set is called.
        where: what messages begin with.
        readers: make the items of each split; each is called once, when they are needed.
        classes: the names of labels 0, 1, ...; without them, those that come with the items of train, or else
            the labels that occur in it.
    """

    def __init__(
        self,
        name: str,
        where: str,
        readers: Mapping[SourceSplit, Callable[[], Items]],
        classes: Sequence[str] | None = None,
    ) -> None:
        self.name, self.where = name, where
        self.splits = tuple(readers)
        self.beside = Passed()
        self._readers = readers
        self._class_names = classes
        self._items_by_split: dict[SourceSplit, Items] = {}
        self._order_by_split: dict[SourceSplit, tuple[Rows, NDArray[np.int64]]] = {}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Raises DataError if these can't be class names."""
        # names become folders
        names = tuple(as_class_name(str(key)) for key in self._keys.tolist())
        check_classes(names, self.where)
        return names

    def labels(self, split: SourceSplit) -> NDArray[np.int64]:
        """int64 (N,), ascending. Raises DataError if there are no such labels."""
        return self._order(split)[1]

    def locate(self, split: SourceSplit, row: int) -> str:
        return self._items(split).locate(int(self._order(split)[0][row]))

    def stream(self, split: SourceSplit, rows: Rows, reading: Reading) -> Iterator[tuple[int, Picture]]:
        return self._items(split).stream(self._order(split)[0][rows], reading)

    def mapped(self, split: SourceSplit, rows: Rows, reading: Reading) -> NDArray[np.uint8] | None:
        return self._items(split).mapped(self._order(split)[0][rows], reading)

    def stamps(self, split: SourceSplit, rows: Rows) -> Iterator[bytes] | None:
        return self._items(split).stamps(self._order(split)[0][rows])

    def problems(self, split: SourceSplit) -> Iterator[str]:
        return iter(self._items(split).problems)

    def passed(self, splits: Sequence[SourceSplit]) -> Passed:
        result = Passed()
        result.merge(self.beside)
        for split in splits:
            result.merge(self._items(split).passed)
        return result

    def notes(self, splits: Sequence[SourceSplit]) -> tuple[str, ...]:
        # the same note of two splits is one
        return tuple(dict.fromkeys(note for split in splits for note in self._items(split).notes))

    @cached_property
    def _keys(self) -> NDArray[Any]:
        """The labels, or the names, of classes 0, 1, ..."""
        if self._names is not None:
            return np.asarray(self._names, dtype=str)
        return np.unique(self._first_items.labels)

    @cached_property
    def _names(self) -> Sequence[str] | None:
        """The names of labels 0, 1, ...; None where labels are names themselves."""
        return self._first_items.classes if self._class_names is None else self._class_names

    @property
    def _first_items(self) -> Items:
        """Those that say what classes there are."""
        return self._items("train" if "train" in self.splits else self.splits[0])

    def _items(self, split: SourceSplit) -> Items:
        """With labels that are int64 or str (N,)."""
        if split not in self._items_by_split:
            items = self._readers[split]()
            items.labels, note = label_array(items.labels, where_of(self.where, split, self.splits))
            items.notes += [note] if note else []
            self._items_by_split[split] = items
        return self._items_by_split[split]

    def _order(self, split: SourceSplit) -> tuple[Rows, NDArray[np.int64]]:
        """The index in the source of each row, and its label."""
        if split not in self._order_by_split:
            labels = self._labels_of(self._items(split))
            order = np.argsort(labels, kind="stable")
            self._order_by_split[split] = order, labels[order]
        return self._order_by_split[split]

    def _labels_of(self, items: Items) -> NDArray[np.int64]:
        """int64 (N,) within 0..K-1, in the order of the items."""
        names, own_names, labels = self._names, items.classes, items.labels
        # texts are names already
        if names is None or own_names is None or labels.dtype.kind == "U" or [*own_names] == [*names]:
            return self._class_numbers(labels)
        used, places = np.unique(labels, return_inverse=True)
        if (unknown := used[(used < 0) | (used >= len(own_names))]).size:
            raise DataError(f"{self.where}: label {unknown[0]} is none of {len(own_names)} class names")
        return self._class_numbers(np.asarray(own_names, dtype=str)[used])[places]

    def _class_numbers(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """The class of each label, int64 within 0..K-1."""
        keys = self._keys
        if self._names is not None and labels.dtype.kind == "i":
            keys = np.arange(len(keys))
        if keys.dtype.kind == "U" and labels.dtype.kind == "i":
            labels = labels.astype(str)  # train may have other texts beside numbers
        if keys.dtype.kind != labels.dtype.kind:
            raise DataError(f"{self.where}: some labels are numbers, some texts")
        order = np.argsort(keys)
        numbers = order[np.searchsorted(keys, labels, sorter=order).clip(max=len(keys) - 1)]
        unknown = keys[numbers] != labels
        if unknown.any():
            expected = f"{len(keys)} class names" if self._names is not None else "the classes of train"
            raise DataError(f"{self.where}: label {shown(str(labels[unknown][0]))} is none of {expected}")
        return np.asarray(numbers, dtype=np.int64)


def where_of(where: str, split: SourceSplit, splits: Collection[SourceSplit]) -> str:
    """What messages on a split begin with, which need not name the only one."""
    return f"{where}: {split}" if len(splits) > 1 else where


def label_array(labels: NDArray[Any], where: str) -> tuple[NDArray[Any], str]:
    """int64 or str (N,) of what may be (N, 1), one-hot (N, classes), or soft: floats (N, classes), of which
    the largest counts. Beside it a note for the user, empty where nothing was left away.

    Raises:
        DataError: other kinds of labels, or soft ones with two largest.
    """
    note = ""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "iufb":
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        if one_hot:
            return np.asarray(labels.argmax(axis=1), dtype=np.int64), note
        if labels.dtype.kind == "f":
            labels = _likeliest(labels, where)
            note = "labels are soft: the likeliest class of each image counts"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise DataError(
            f"{where}: labels must be one whole number or text per image, or one-hot, not "
            f"{labels.dtype} {labels.shape}"
        )
    if labels.dtype.kind == "U":
        if labels.dtype.itemsize > 4 * MAX_LABEL:
            raise DataError(f"{where}: labels of more than {MAX_LABEL} characters")
        return labels, note
    if labels.dtype.kind == "u" and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: the label {labels.max()} is too large a number")
    return labels.astype(np.int64), note


def _likeliest(labels: NDArray[Any], where: str) -> NDArray[np.int64]:
    """The class of the largest number of each row. Raises DataError if that is no single one."""
    if not np.isfinite(labels).all():
        raise DataError(f"{where}: soft labels hold numbers that are not finite")
    ambiguous = np.flatnonzero((labels == labels.max(axis=1, keepdims=True)).sum(axis=1) > 1)
    if ambiguous.size:
        raise DataError(
            f"{where}: labels must be one whole number or text per image, one-hot, or soft with a likeliest "
            f"class, which image {ambiguous[0]} has not"
        )
    return np.asarray(labels.argmax(axis=1), dtype=np.int64)
