"""The source that consists of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.bounds import MAX_LABEL
from rudcodec.data.decode import fit
from rudcodec.data.images import as_class_name, check_classes
from rudcodec.data.levels import grey_levels
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.splits import Rows, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import shown

Arrays = tuple[NDArray[Any], NDArray[Any]]
"""Images and labels as the source holds them."""


class ArraySource:
    """The source made of image and label arrays.

    Args:
        name: what the set is called.
        where: what messages begin with.
        readers: read the arrays of each split; each is called once, when the arrays are needed.
        classes: the names of labels 0, 1, ...; without them, the labels that occur in train are the names.
    """

    def __init__(
        self,
        name: str,
        where: str,
        readers: Mapping[SourceSplit, Callable[[], Arrays]],
        classes: Sequence[str] | None = None,
    ) -> None:
        self.name, self.where = name, where
        self.splits = tuple(readers)
        self._readers = readers
        self._class_names = classes
        self._arrays_by_split: dict[SourceSplit, Arrays] = {}
        self._order_by_split: dict[SourceSplit, tuple[Rows, NDArray[np.int64]]] = {}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Raises DataError if these can't be class names."""
        # names become folders
        names = tuple(as_class_name(str(key)) for key in self._keys.tolist())
        check_classes(names, self.where)
        return names

    def labels(self, split: SourceSplit) -> NDArray[np.int64]:
        """int64 (N,), ascending. Raises DataError if the arrays aren't images and their labels."""
        return self._order(split)[1]

    def locate(self, split: SourceSplit, row: int) -> str:
        return f"{self.where}: {split} image {self._order(split)[0][row]}"

    def stream(
        self, split: SourceSplit, rows: Rows, reading: Reading
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        images, _ = self._read(split)
        for i, index in enumerate(self._order(split)[0][rows]):
            yield i, fit(images[index], reading)

    def problems(self, split: SourceSplit) -> Iterator[str]:
        """An array is read as a whole or not at all."""
        return iter(())

    def passed(self, splits: Sequence[SourceSplit]) -> Passed:
        """Nothing: an array is read as a whole."""
        return Passed()

    @cached_property
    def _keys(self) -> NDArray[Any]:
        """The labels, or the names, of classes 0, 1, ..."""
        if self._class_names is not None:
            return np.asarray(self._class_names, dtype=str)
        return np.unique(self._read("train" if "train" in self.splits else self.splits[0])[1])

    def _read(self, split: SourceSplit) -> Arrays:
        """uint8 (N, H, W, C); int64 or str (N,)."""
        if split not in self._arrays_by_split:
            where = f"{self.where}: {split}" if len(self.splits) > 1 else self.where
            image_array, label_array = self._readers[split]()
            images, labels = grey_levels(channels_last(image_array), where), _label_array(label_array, where)
            if len(images) != len(labels):
                raise DataError(f"{where}: {len(images)} images but {len(labels)} labels")
            self._arrays_by_split[split] = images, labels
        return self._arrays_by_split[split]

    def _order(self, split: SourceSplit) -> tuple[Rows, NDArray[np.int64]]:
        """The index in the arrays of each row, and its label."""
        if split not in self._order_by_split:
            labels = self._class_numbers(self._read(split)[1])
            order = np.argsort(labels, kind="stable")
            self._order_by_split[split] = order, labels[order]
        return self._order_by_split[split]

    def _class_numbers(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """int64 (N,) within 0..K-1, in the order of the arrays."""
        keys = self._keys
        if self._class_names is not None and labels.dtype.kind == "i":
            keys = np.arange(len(keys))
        if keys.dtype.kind != labels.dtype.kind:
            raise DataError(f"{self.where}: some labels are numbers, some texts")
        order = np.argsort(keys)
        numbers = order[np.searchsorted(keys, labels, sorter=order).clip(max=len(keys) - 1)]
        unknown = keys[numbers] != labels
        if unknown.any():
            expected = f"{len(keys)} class names" if self._class_names is not None else "the classes of train"
            raise DataError(f"{self.where}: label {shown(str(labels[unknown][0]))} is none of {expected}")
        return np.asarray(numbers, dtype=np.int64)


def channels_last(images: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, C) of what may be (N, H, W) or (N, C, H, W); other shapes as they are."""
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        return images.transpose(0, 2, 3, 1)
    return images


def _label_array(labels: NDArray[Any], where: str) -> NDArray[Any]:
    """int64 or str (N,) of what may be (N, 1), or one-hot (N, classes)."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "iufb":
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        if one_hot:
            return np.asarray(labels.argmax(axis=1), dtype=np.int64)
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
        return labels
    if labels.dtype.kind == "u" and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: the label {labels.max()} is too large a number")
    return labels.astype(np.int64)
