"""Sets in an .npz file."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.arrays import Arrays, ArraySource, channels_last
from rudcodec.data.bounds import MAX_LABEL, check_memory
from rudcodec.data.kinds import kind_of_file
from rudcodec.data.levels import denormalised
from rudcodec.data.splits import ALIASES, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

SUFFIX = ".npz"

IMAGES = ("images", "x", "data")
"""Names that an entry of images may have; the first that is there counts."""
LABELS = ("labels", "y", "targets")
_CLASSES = ("classes", "class_names", "label_names")
_DAMAGE = (
    OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError, OverflowError,
    TypeError, RecursionError, zipfile.BadZipFile, zlib.error,
    SyntaxError, tokenize.TokenError,  # of the head of an array, which is Python
)  # fmt: skip


def open_npz(path: Path) -> ArraySource:
    """The set in an .npz: ``images`` and ``labels``, or for each split ``x_train`` and ``y_train``, or
    ``train_images`` and ``train_labels``; the names of the classes in ``classes``, if there. The case of keys
    doesn't matter. Images are uint8, or floats in 0..1, or floats normalised by ``mean`` and ``std``; labels
    are numbers, texts, or one-hot.

    Raises:
        DataError: not an .npz, or none of these is in it.
    """
    where = shown(str(path))
    try:
        with zipfile.ZipFile(path) as file:
            keys = {name.removesuffix(".npy").lower(): name.removesuffix(".npy") for name in file.namelist()}
    except OSError as error:
        raise DataError(f"{where}: can't be read ({error.strerror})") from None
    except _DAMAGE:
        raise DataError(f"{where}: not an .npz, but {kind_of_file(path)}") from None

    def find(kinds: Sequence[str], marks: Sequence[str]) -> str | None:
        candidates = [
            key
            for kind in kinds
            for mark in marks
            for key in ((f"{kind}_{mark}", f"{mark}_{kind}") if mark else (kind,))
        ]
        return next((keys[key] for key in candidates if key in keys), None)

    readers: dict[SourceSplit, Callable[[], Arrays]] = {}
    for split in sorted(set(ALIASES.values())):
        marks = [mark for mark, meant in ALIASES.items() if meant == split] + [""] * (split == "train")
        images, labels = find(IMAGES, marks), find(LABELS, marks)
        if images and labels:
            norm: dict[str, str] = {key: keys[key] for key in ("mean", "std") if key in keys}
            readers[split] = partial(_read_both, path, images, labels, norm)
    if not readers:
        raise DataError(
            f"{where}: has no images and labels (nor x_train and y_train), only {listed(keys.values())}"
        )
    names = find(_CLASSES, [""])
    return ArraySource(path.stem, where, readers, _texts(path, names) if names else None)


def _read_both(path: Path, images: str, labels: str, norm: dict[str, str]) -> Arrays:
    pixels = _read(path, images)
    if pixels.dtype.kind == "f":
        entries = {key: _read(path, name) for key, name in norm.items()}
        pixels = denormalised(channels_last(pixels), entries, shown(str(path)))
    return pixels, _read(path, labels)


def _read(path: Path, key: str) -> NDArray[Any]:
    where = f"{shown(str(path))}: {shown(key)}"
    try:
        with np.load(path, allow_pickle=False) as file:
            entry = file.zip.getinfo(f"{key}.npy" if f"{key}.npy" in file.zip.namelist() else key)
            check_memory(entry.file_size, where + " would", "keep fewer images in one file")
            array = np.asarray(file[key])
    except OSError as error:
        raise DataError(f"{where} can't be read ({error.strerror or 'the file is damaged'})") from None
    except _DAMAGE as error:
        objects = isinstance(error, ValueError) and "allow_pickle" in str(error)
        why = "it holds Python objects, not numbers" if objects else "the entry is damaged or cut short"
        raise DataError(f"{where} can't be read: {why}") from None
    if array.dtype.kind != "S":
        return array
    if array.dtype.itemsize > MAX_LABEL:
        raise DataError(f"{where} has texts of more than {MAX_LABEL} characters")
    return np.char.decode(array, "utf-8", "replace")


def _texts(path: Path, key: str) -> list[str]:
    names = _read(path, key)
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(
            f"{shown(str(path))}: {shown(key)} must be a list of texts, not "
            f"{shown(str(names.dtype))} {names.shape}"
        )
    return [str(name) for name in names]
