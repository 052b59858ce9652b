"""Sets in an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.arrays import Arrays, ArraySource
from rudcodec.data.splits import ALIASES, Part
from rudcodec.errors import DataError

SUFFIX = ".npz"

IMAGES = ("images", "x", "data")
"""What an entry of images may be called; the first one found counts."""
LABELS = ("labels", "y", "targets")
_CLASSES = ("classes", "class_names", "label_names")
_DAMAGE = (
    OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def open_npz(path: Path) -> ArraySource:
    """The set in an .npz: ``images`` and ``labels``, or for each split ``x_train`` and ``y_train``, or
    ``train_images`` and ``train_labels``; the names of the classes in ``classes``, if there. The case of keys
    doesn't matter.

    Raises:
        DataError: not an .npz, or none of these is in it.
    """
    try:
        with zipfile.ZipFile(path) as file:
            keys = {name.removesuffix(".npy").lower(): name.removesuffix(".npy") for name in file.namelist()}
    except _DAMAGE as error:
        raise DataError(f"{path}: not an .npz ({_line(error)})") from None

    def find(kinds: Sequence[str], marks: Sequence[str]) -> str | None:
        wanted = [w for k in kinds for m in marks for w in ((f"{k}_{m}", f"{m}_{k}") if m else (k,))]
        return next((keys[w] for w in wanted if w in keys), None)

    found: dict[Part, Callable[[], Arrays]] = {}
    for part in sorted(set(ALIASES.values())):
        marks = [mark for mark, meant in ALIASES.items() if meant == part] + [""] * (part == "train")
        images, labels = find(IMAGES, marks), find(LABELS, marks)
        if images and labels:
            found[part] = partial(_read_both, path, images, labels)
    if not found:
        raise DataError(
            f"{path}: has no images and labels (nor x_train and y_train), only {', '.join(keys.values())}"
        )
    names = find(_CLASSES, [""])
    return ArraySource(path.stem, str(path), found, _texts(path, names) if names else None)


def _read_both(path: Path, images: str, labels: str) -> Arrays:
    return _read(path, images), _read(path, labels)


def _read(path: Path, key: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            array = np.asarray(file[key])
    except _DAMAGE as error:
        raise DataError(f"{path}: {key} can't be read ({_line(error)})") from None
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def _texts(path: Path, key: str) -> list[str]:
    names = _read(path, key)
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"{path}: {key} must be a list of texts, not {names.dtype} {names.shape}")
    return [str(name) for name in names]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
