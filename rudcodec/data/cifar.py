"""CIFAR-10 and CIFAR-100 as their authors publish them: pickled ("python version") or binary batches, in a
folder or archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.arrays import Arrays, ArraySource
from rudcodec.data.bounds import MAX_LIST
from rudcodec.data.contents import Contents
from rudcodec.data.label_values import find_column
from rudcodec.data.pickles import byte_array, read_pickle
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class _Layout:
    """How a version of a set is stored.

    Attributes:
        batches: file names of each split.
        names: the file of class names.
        columns: the sets of labels, the usual one first: for each, its key in batches and in the file of
            names, or that file's name for binary batches.
    """

    name: str
    batches: dict[SourceSplit, tuple[str, ...]]
    names: str
    columns: dict[str, tuple[str, str]]
    is_binary: bool = False


_LAYOUTS = (
    _Layout(
        "cifar10",
        {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
        "batches.meta",
        {"label": ("labels", "label_names")},
    ),
    _Layout(
        "cifar100",
        {"train": ("train",), "test": ("test",)},
        "meta",
        {"fine": ("fine_labels", "fine_label_names"), "coarse": ("coarse_labels", "coarse_label_names")},
    ),
    _Layout(
        "cifar10",
        {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
        "batches.meta.txt",
        {"label": ("0", "batches.meta.txt")},
        is_binary=True,
    ),
    _Layout(
        "cifar100",
        {"train": ("train.bin",), "test": ("test.bin",)},
        "fine_label_names.txt",
        {"fine": ("1", "fine_label_names.txt"), "coarse": ("0", "coarse_label_names.txt")},
        is_binary=True,
    ),
)


def open_cifar(contents: Contents) -> ArraySource | None:
    """CIFAR's batches in a folder or archive, None if there are none. Of CIFAR-100's labels the fine ones
    count, or those that ``label_column`` names: ``fine`` or ``coarse``.

    Raises:
        DataError: a batch is missing or damaged, or there is more than one such set.
    """
    found = [
        (layout, folder)
        for layout in _LAYOUTS
        for folder, names in contents.called(layout.names, *layout.batches["train"]).items()
        if layout.names in names and len(names) > 1
    ]
    if not found:
        return None
    if len(found) > 1:
        folders = listed(sorted(folder or "./" for _, folder in found))
        raise DataError(
            f"{contents.where}: holds CIFAR's batches more than once ({folders}); name one folder"
        )
    return _source(contents, *found[0])


def _source(contents: Contents, layout: _Layout, folder: str) -> ArraySource:
    column = contents.reading.take("label_column") or next(iter(layout.columns))
    find_column([*layout.columns], column, contents.where)
    key, names_key = layout.columns[column]
    present = set(contents.visible)
    missing = [file for files in layout.batches.values() for file in files if folder + file not in present]
    if missing:
        raise DataError(
            f"{contents.files.locate(folder + missing[0])} is missing; CIFAR's batches belong together"
        )

    def arrays(split: SourceSplit) -> Arrays:
        read = _binary_batch if layout.is_binary else _pickled_batch
        batches = [
            read(contents.read(folder + file), contents.files.locate(folder + file), layout, key)
            for file in layout.batches[split]
        ]
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return images, labels

    notes = [f"labels are the {column} ones"] if len(layout.columns) > 1 else []
    readers = {split: partial(arrays, split) for split in layout.batches}
    names = _class_names(contents, layout, folder, names_key)
    source = ArraySource(layout.name, contents.where, readers, names, notes)
    files = [file for batches in layout.batches.values() for file in batches]
    name_files = [layout.names, *(file for _, file in layout.columns.values())]
    source.beside = contents.without({folder + file for file in (*files, *name_files)})
    return source


def _class_names(contents: Contents, layout: _Layout, folder: str, key: str) -> Sequence[str]:
    file = folder + (key if layout.is_binary else layout.names)
    where = contents.files.locate(file)
    if layout.is_binary:
        return contents.lines(file)
    names = read_pickle(contents.read(file, MAX_LIST), where).get(key)
    texts = [name.decode("latin1") if isinstance(name, bytes) else name for name in _list(names, where, key)]
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where}: {key} are no texts")
    return texts


def _pickled_batch(data: bytes, where: str, layout: _Layout, key: str) -> Arrays:
    entries = read_pickle(data, where)
    pixels = byte_array(entries.get("data"), f"{where}: data")
    labels = _list(entries.get(key), where, key)
    if not all(isinstance(label, int) and 0 <= label < 256 for label in labels):
        raise DataError(f"{where}: {key} are no class numbers")
    if pixels.ndim != 2 or pixels.shape[1] != _PIXELS or len(pixels) != len(labels):
        raise DataError(f"{where}: data must be ({len(labels)}, {_PIXELS}), not {pixels.shape}")
    return _as_images(pixels), np.array(labels, dtype=np.int64)


def _binary_batch(data: bytes, where: str, layout: _Layout, key: str) -> Arrays:
    label_bytes = len(layout.columns)
    if not data or len(data) % (label_bytes + _PIXELS):
        raise DataError(f"{where}: is cut short: {len(data):,} bytes are no whole number of images")
    records = np.frombuffer(data, np.uint8).reshape(-1, label_bytes + _PIXELS)
    return _as_images(records[:, label_bytes:]), records[:, int(key)].astype(np.int64)


def _as_images(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels.reshape(-1, *_SHAPE).transpose(0, 2, 3, 1)


def _list(value: Any, where: str, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{where}: has no list {key}")
    return value
