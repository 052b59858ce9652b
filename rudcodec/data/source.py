"""The door: a source, whatever it is, becomes one LabelledImages."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.archives import open_archive
from rudcodec.data.folders import DiskFiles, FolderSource
from rudcodec.data.idx import idx_stem, open_idx
from rudcodec.data.images import LabelledImages
from rudcodec.data.named import known_names, open_named
from rudcodec.data.npz import SUFFIX as NPZ_SUFFIX
from rudcodec.data.npz import open_npz
from rudcodec.data.splits import Part, Rows, Split, offered, parts_of, rows_of
from rudcodec.data.tensors import SUFFIXES as TENSOR_SUFFIXES
from rudcodec.data.tensors import open_tensors
from rudcodec.errors import DataError, SettingError

MAX_SIZE = 4096
"""Largest ``size``, in pixels."""

Progress = Callable[[int, int], None]


class Source(Protocol):
    """What every kind of source offers. Rows of a part are sorted by class, then by name (or by index)."""

    name: str
    where: str
    """What messages begin with."""
    parts: tuple[Part, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Checked by :func:`rudcodec.data.images.check_classes`."""

    def labels(self, part: Part) -> NDArray[np.int64]:
        """int64 (N,), ascending."""

    def locate(self, part: Part, row: int) -> str:
        """How messages call the image."""

    def stream(self, part: Part, rows: Rows, size: int | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Index in ``rows`` and uint8 (H, W, C) of each, in any order."""


def load(
    source: str | os.PathLike[str],
    split: Split = "train",
    size: int | None = None,
    progress: Progress | None = None,
) -> LabelledImages:
    """Read one split of a labelled image set.

    Args:
        source: one of

            - a folder with a folder of pictures for each class, with or without train/, val/, test/ above;
            - a .zip or .tar (gz, bz2, xz) of that, read in place;
            - an .npz with ``images`` and ``labels``, or ``x_train``, ``y_train``, ``x_test``, ... , and, if
              the classes have names, ``classes``;
            - a .safetensors, .pt or .pth of tensors, see :func:`rudcodec.data.tensors.open_tensors`;
            - an IDX pair (MNIST and its family), gzipped or not: its folder, or one of its files;
            - ``digits`` (scikit-learn's), or the name of a torchvision data set, such as ``cifar10``: looked
              for in the folder ``$RUDCODEC_DATA``, else ``~/.cache/rudcodec``, and never downloaded. In a
              string, such a name wins over a file or folder of that name; give that as ``./cifar10``.
        split: what the source brings; "all" is train and val. Where there is train but no val, the last 10 %
            of each class (by sorted file name; for arrays by index) are "val" and not in "train".
        size: makes each image this many pixels high and wide: the centre square, antialiased bicubic. Without
            it all images must have one size.
        progress: called with (images done, images in all), a few times a second and at the end.

    Returns:
        Images sorted by class, then by name: the same source gives the same arrays.

    Raises:
        DataError: the source can't be used; one line that names the file and what is wrong with it.
        SettingError: a bad ``split`` or ``size``.
    """
    if size is not None and not 1 <= size <= MAX_SIZE:
        raise SettingError(f"size must be 1 to {MAX_SIZE} pixels, not {size}")
    opened = _open(source)
    classes = opened.classes
    picked: list[tuple[Part, Rows, NDArray[np.int64]]] = []
    for part in parts_of(split, opened.parts, opened.where):
        labels = opened.labels(part)
        rows = rows_of(split, labels, opened.parts, classes, opened.where)
        picked.append((part, rows, labels[rows]))
    with warnings.catch_warnings():
        # odd metadata, a large picture: nothing the user could act on
        warnings.filterwarnings("ignore", module=r"PIL\.")
        images = _collect(opened, [(part, rows) for part, rows, _ in picked], size, progress)
    labels = np.concatenate([labels for _, _, labels in picked])
    if len(picked) > 1:
        order = np.argsort(labels, kind="stable")
        images, labels = images[order], labels[order]
    return LabelledImages(images, labels, classes, opened.name)


def splits(source: str | os.PathLike[str]) -> tuple[Part, ...]:
    """The splits that :func:`load` can give of a source, beside "all"; no picture is read.

    Raises:
        DataError: as :func:`load`.
    """
    return offered(_open(source).parts)


def _open(source: str | os.PathLike[str]) -> Source:
    if not os.fspath(source):
        raise DataError("the name of the image set is empty")
    # a Path is meant as one; a bare word is first of all a name, whatever lies in the current folder
    if isinstance(source, str) and (named := open_named(source)):
        return named
    path = Path(source)
    try:
        if path.is_dir():
            stem = idx_stem(path)
            return open_idx(path, stem) if stem is not None else FolderSource(DiskFiles(path), _name(path))
        if not path.is_file():
            what = "not a file or folder" if path.exists() else "no such file or folder"
            raise DataError(
                f"{source}: {what}, nor one of the sets known by name ({', '.join(known_names())})"
            )
        if path.suffix.lower() == NPZ_SUFFIX:
            return open_npz(path)
        if path.suffix.lower() in TENSOR_SUFFIXES:
            return open_tensors(path)
        if (stem := idx_stem(path)) is not None:
            return open_idx(path.parent, stem)
        if files := open_archive(path):
            return FolderSource(files, path.name.split(".")[0] or path.name)
    except OSError as error:
        raise DataError(f"{source}: {error.strerror or error}") from None
    raise DataError(f"{source}: not a folder, .zip, .tar (gz, bz2, xz), .npz, .safetensors, .pt or IDX file")


def _name(folder: Path) -> str:
    return folder.resolve().name or str(folder)


def _collect(
    source: Source, picked: list[tuple[Part, Rows]], size: int | None, progress: Progress | None
) -> NDArray[np.uint8]:
    """All images in one uint8 (N, H, W, C), in the order of ``picked``."""
    total = sum(len(rows) for _, rows in picked)
    if not total:
        raise DataError(f"{source.where}: no images")
    images: NDArray[np.uint8] | None = None
    first, done, start, told = "", 0, 0, time.monotonic()
    for part, rows in picked:
        for i, pixels in source.stream(part, rows, size):
            if images is None:
                images, first = _room(source.where, total, pixels.shape), source.locate(part, int(rows[i]))
            elif pixels.shape != images.shape[1:]:
                raise _odd_one(source.locate(part, int(rows[i])), pixels.shape, first, images.shape[1:])
            images[start + i] = pixels
            done += 1
            if progress and (done == total or time.monotonic() - told >= 0.1):
                progress(done, total)
                told = time.monotonic()
        start += len(rows)
    assert images is not None  # total > 0
    return images


def _room(where: str, total: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    needed = total * int(np.prod(shape, dtype=np.int64))
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > have:
        height, width, _ = shape
        raise DataError(
            f"{where}: {total} images of {width}x{height} need {needed / 2**30:.1f} GiB, this machine has "
            f"{have / 2**30:.1f}; a smaller size makes them fit"
        )
    return np.empty((total, *shape), dtype=np.uint8)


def _odd_one(where: str, shape: tuple[int, ...], first: str, expected: tuple[int, ...]) -> DataError:
    if shape[2] != expected[2]:
        kinds = {1: "grey", 3: "colour"}
        return DataError(
            f"{where} is {kinds[shape[2]]}, but {first} is {kinds[expected[2]]}; make them all one kind"
        )
    return DataError(
        f"{where} is {shape[1]}x{shape[0]} pixels, but {first} is {expected[1]}x{expected[0]}; "
        "give a size (--size) to make them equal"
    )
