"""Sets in MATLAB files, such as SVHN's train_32x32.mat. Read by scipy, which is imported when one is
opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.array_keys import IMAGES, LABELS, keys_by_lowercase
from rudcodec.data.arrays import Arrays, ArraySource, as_pictures
from rudcodec.data.bounds import MAX_DEFLATE, check_memory
from rudcodec.data.contents import Contents
from rudcodec.data.damage import refusing
from rudcodec.data.idx import DIGITS
from rudcodec.data.kinds import kind_of_file
from rudcodec.data.layout import split_of_name
from rudcodec.data.modules import import_reader
from rudcodec.data.reading import Reading
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

SUFFIX = ".mat"

_ITEM_SIZES = {
    "logical": 1, "int8": 1, "uint8": 1,
    "int16": 2, "uint16": 2,
    "int32": 4, "uint32": 4, "single": 4, "char": 4,
}  # fmt: skip
"""Bytes that a number of MATLAB's classes takes, where these are fewer than eight."""

_SVHN = re.compile(r"(train|test|extra)_32x32\.mat", re.IGNORECASE)


def open_mat_folder(contents: Contents) -> ArraySource | None:
    """The set of the .mat files in a folder, one for each split; None if there are none, or pictures beside
    them.

    Raises:
        DataError: their names don't say the splits, or they can't be read.
    """
    names = contents.ending(SUFFIX)
    if contents.bare_folder is None or not names:
        return None
    by_split: dict[SourceSplit, str] = {}
    candidates = [name for name in names if "extra" not in name.lower()]  # SVHN's, which is of no split
    for name in candidates:
        split = split_of_name(Path(name).stem) or ("train" if len(candidates) == 1 else None)
        if split is None or split in by_split:
            raise DataError(
                f"{contents.where}: which of {listed(names)} is train, and which test? Name one file"
            )
        by_split[split] = name
    if not by_split:
        raise DataError(f"{contents.where}: holds {listed(names)} only; name the file")
    paths = {split: contents.path(name) for split, name in by_split.items()}
    source = _source(contents.name, contents.where, paths, contents.reading)
    source.beside = contents.without({*by_split.values()})
    return source


def open_mat_file(path: Path, reading: Reading) -> ArraySource | None:
    """The set in a .mat: ``X`` (H, W, C, N) or ``images``, and ``y`` or ``labels`` (N,). None of other files.

    Raises:
        DataError: it can't be read.
    """
    if path.suffix.lower() != SUFFIX:
        return None
    return _source(path.stem, shown(str(path)), {"train": path}, reading)


def _source(name: str, where: str, paths: dict[SourceSplit, Path], reading: Reading) -> ArraySource:
    is_svhn = all(_SVHN.fullmatch(path.name) for path in paths.values())
    notes = ["label 10 is the digit 0, as in SVHN"] if is_svhn else []
    readers = {split: partial(_arrays, path, is_svhn, reading) for split, path in paths.items()}
    return ArraySource("svhn" if is_svhn else name, where, readers, DIGITS if is_svhn else None, notes)


def _arrays(path: Path, is_svhn: bool, reading: Reading) -> Arrays:
    where = shown(str(path))
    images, labels = _read(path, where)
    if images.dtype.kind in "OV" or labels.dtype.kind in "OV":
        raise DataError(f"{where}: images or labels are cells or structs, not plain arrays")
    labels = labels.reshape(-1) if 1 in labels.shape else labels
    if labels.dtype.kind == "f" and labels.ndim == 1:
        if not (np.abs(labels) < 1e15).all() or (labels != np.rint(labels)).any():
            raise DataError(f"{where}: labels must be whole numbers")
        labels = labels.astype(np.int64)  # MATLAB's numbers are floats
    if is_svhn and labels.dtype.kind in "iu":
        labels = np.where(labels == 10, 0, labels)
    pixels = _images_first(images, len(labels), where)
    return as_pictures(pixels, {}, reading, where), labels


def _read(path: Path, where: str) -> Arrays:
    with path.open("rb") as file:
        head = file.read(128)
    if head[:4] == b"\x89HDF" or head.startswith(b"MATLAB 7.3"):
        raise DataError(
            f"{where}: is a MATLAB file of version 7.3; save it with -v7, or its arrays as an .npz"
        )
    scipy_io = import_reader("scipy.io", where)
    with refusing(lambda _: _damage_error(path, where)):
        arrays = scipy_io.whosmat(str(path))
        found = _images_and_labels([name for name, _, _ in arrays], where)
        used = [(prod(map(int, shape)), kind) for name, shape, kind in arrays if name in found]
        # don't take memory for what can't be there; numbers of eight bytes may lie there in one
        if sum(count for count, _ in used) > MAX_DEFLATE * path.stat().st_size:
            raise _damage_error(path, where)
        check_memory(sum(count * _ITEM_SIZES.get(kind, 8) for count, kind in used), f"{where}: its images")
        entries = scipy_io.loadmat(str(path), variable_names=found)
        images, labels = (np.asarray(entries[name]) for name in found)
    return images, labels


def _images_and_labels(names: Sequence[str], where: str) -> tuple[str, str]:
    """Their names among those of all arrays. Raises DataError if one is missing, or there twice."""
    keys = keys_by_lowercase([name for name in names if name.lower() in (*IMAGES, *LABELS)], where)
    images, labels = (next((keys[key] for key in kind if key in keys), None) for kind in (IMAGES, LABELS))
    if images is None or labels is None:
        raise DataError(f"{where}: has no images and labels (nor X and y), only {listed(names)}")
    return images, labels


def _damage_error(path: Path, where: str) -> DataError:
    kind = kind_of_file(path)
    note = "damaged" if kind.startswith("a MATLAB") else kind
    return DataError(f"{where}: not a MATLAB file that can be read ({note})")


def _images_first(images: NDArray[Any], count: int, where: str) -> NDArray[Any]:
    """(N, ...) of what is (..., N), MATLAB's order, or (N, ...) already.

    Raises:
        DataError: neither, or both.
    """
    first, last = (images.ndim >= 3 and images.shape[axis] == count for axis in (0, -1))
    if images.ndim == 4:  # colour says which
        first, last = first and images.shape[3] in (1, 3), last and images.shape[2] in (1, 3)
    if first == last:
        raise DataError(
            f"{where}: images must be (H, W, N), (H, W, 1 or 3, N) or (N, H, W, 1 or 3) for {count} labels, "
            f"not {images.shape}"
        )
    return np.moveaxis(images, -1, 0) if last else images
