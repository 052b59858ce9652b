"""Reading an image set from any kind of source."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.collect import collect_images
from rudcodec.data.contents import Contents
from rudcodec.data.disk import DiskFiles
from rudcodec.data.image_source import ImageSource, SplitRows
from rudcodec.data.images import LabelledImages
from rudcodec.data.kinds import kind_of_file
from rudcodec.data.named import is_named, known_names, open_named
from rudcodec.data.objects import Indexable, open_object
from rudcodec.data.openers import kinds_of_set, open_file, open_tree
from rudcodec.data.reading import SKIP_ADVICE, Reading
from rudcodec.data.report import SourceReport
from rudcodec.data.sizes import SizeRange
from rudcodec.data.splits import SourceSplit, Split, available_splits, required_splits, split_rows
from rudcodec.data.webdataset import open_pattern
from rudcodec.errors import DataError
from rudcodec.progress import Progress
from rudcodec.text import counted, shown

SourceLike = str | os.PathLike[str] | Mapping[str, Any] | tuple[Any, Any] | Indexable
"""What a set is read from, see :func:`load`."""
_LOOKED_AT = 1000
"""Images that tell how bright a set is, at most."""


def load(
    source: SourceLike,
    split: Split = "train",
    size: int | None = None,
    progress: Progress | None = None,
    *,
    reading: Reading | None = None,
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
            - a table (.csv, .tsv, .jsonl) beside pictures, tar shards of a WebDataset, Parquet and Arrow
              files, .npy, .mat, CIFAR's batches, distilled sets of published code: see ``docs/sources.md``;
            - a Python object, see :func:`rudcodec.data.objects.open_object`;
            - ``digits`` (scikit-learn's), or the name of a torchvision data set, such as ``cifar10``: looked
              for in the folder ``$RUDCODEC_DATA``, else ``~/.cache/rudcodec``, and never downloaded. In a
              string, such a name wins over a file or folder of that name; give that as ``./cifar10``.
        split: what the source brings; "all" is train and val. Where there is train but no val, the last 10 %
            of each class (of class folders and tables by sorted file name, else by index) are "val" and not
            in "train".
        size: as in ``reading``, for those who need nothing else of it.
        progress: called with (images done, images in all), a few times a second and at the end.
        reading: size, colour or grey, background, and what becomes of unreadable pictures.

    Returns:
        Images sorted by class, then by name: the same source gives the same arrays. Their ``report`` says
        what was read; it is logged, too (logger ``rudcodec``; its remarks at level WARNING).

    Raises:
        DataError: the source can't be used; one line that names the file and what is wrong with it.
        MissingPackageError: what reads it isn't installed.
        SettingError: a bad ``split`` or ``size``.
    """
    reading = reading or Reading()
    if size is not None:
        reading = replace(reading, size=size)
    data = load_silently(source, split, reading, progress)
    assert data.report is not None
    data.report.log()
    return data


def load_silently(
    source: SourceLike, split: Split, reading: Reading, progress: Progress | None = None
) -> LabelledImages:
    """Like :func:`load`, for those who show the report themselves."""
    reading = replace(reading)  # which learns what this source takes of it
    image_source = _open(source, reading)
    required = required_splits(split, image_source.splits, image_source.where)
    left_out = [line for source_split in required for line in image_source.problems(source_split)]
    if left_out and not reading.skip_bad:
        raise DataError(f"{left_out[0]}; {SKIP_ADVICE}")
    classes = image_source.classes
    if isinstance(source, str) and is_named(source) and os.path.lexists(source):
        warnings.warn(
            f"{source} is the set known by that name; what lies here is ./{source}",
            RuntimeWarning,
            stacklevel=2,
        )
    selection: list[SplitRows] = []
    labels_by_split: list[NDArray[np.int64]] = []
    chosen = reading.chosen_classes(classes, image_source.where)
    for source_split in required:
        split_labels = image_source.labels(source_split)
        rows = split_rows(split, split_labels, image_source.splits, classes, image_source.where)
        rows = rows[np.isin(split_labels[rows], chosen)]
        selection.append((source_split, rows))
        labels_by_split.append(np.searchsorted(chosen, split_labels[rows]))
    all_labels = np.concatenate(labels_by_split)
    if reading.classes is not None:
        classes = tuple(classes[number] for number in chosen)
        _require_images(all_labels, classes, split, image_source.where)
    order = np.argsort(all_labels, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    with warnings.catch_warnings():
        # odd metadata, a large picture: nothing the user could act on
        warnings.filterwarnings("ignore", module=r"PIL\.")
        stored = collect_images(image_source, selection, places, reading, progress)
    labels = _readable_labels(all_labels[order], stored.arrived, classes, image_source.where)
    result = LabelledImages(stored.images, labels, classes, image_source.name)
    bad = left_out + stored.bad
    return replace(result, report=_report(image_source, split, result, bad, stored.sizes, reading))


def splits(source: SourceLike, *, reading: Reading | None = None) -> tuple[SourceSplit, ...]:
    """The splits that :func:`load` can give of a source, beside "all"; no picture is read.

    ``reading`` matters where the source leaves something open that it says, such as the columns.

    Raises:
        DataError: as :func:`load`.
    """
    return available_splits(_open(source, reading or Reading()).splits)


def _open(source: SourceLike, reading: Reading) -> ImageSource:
    if not isinstance(source, str | os.PathLike):
        return open_object(source, reading)
    path_text = os.fspath(source)
    if not path_text:
        raise DataError("the name of the image set is empty")
    # a Path is meant as one; a bare word is first of all a name, whatever lies in the current folder
    if isinstance(source, str) and (named_source := open_named(source, reading)):
        return named_source
    path, where = Path(source), shown(path_text)
    if "\0" in path_text:
        raise DataError(f"{where}: no file or folder can have that name")
    try:
        if shards := open_pattern(path_text, reading):
            return shards
        if path.is_dir():
            return open_tree(Contents(DiskFiles(path), _name(path), path, reading))
        if not path.is_file():
            problem = "not a file or folder" if os.path.lexists(path) else "no such file or folder"
            raise DataError(
                f"{where}: {problem}, nor one of the sets known by name ({', '.join(known_names())})"
            )
        if file_source := open_file(path, reading):
            return file_source
        kind = kind_of_file(path)
    except OSError as error:
        raise DataError(f"{where}: {error.strerror or 'can not be read'}") from None
    raise DataError(f"{where}: not an image set, but {kind}; a set is {kinds_of_set()}")


def _name(folder: Path) -> str:
    full_path = folder.resolve() if ".." in folder.parts else folder.absolute()
    return full_path.name or str(folder)


def _require_images(labels: NDArray[np.int64], classes: tuple[str, ...], split: Split, where: str) -> None:
    """Raise DataError unless each of the classes that were chosen has an image."""
    for name, count in zip(classes, np.bincount(labels, minlength=len(classes)), strict=True):
        if not count:
            raise DataError(f"{where}: class {name!r} has no image in {split}")


def _readable_labels(
    labels: NDArray[np.int64], readable: NDArray[np.bool_], classes: tuple[str, ...], where: str
) -> NDArray[np.int64]:
    """The labels of the images that could be read. Raises DataError if a class has none any more."""
    before, after = (
        np.bincount(some_labels, minlength=len(classes)) for some_labels in (labels, labels[readable])
    )
    if (emptied := np.flatnonzero((before > 0) & (after == 0))).size:
        name = classes[emptied[0]]
        pictures = counted(int(before[emptied[0]]), "picture")
        raise DataError(f"{where}: class {name!r} has {pictures}, of which none can be read")
    return labels[readable]


def _report(
    source: ImageSource,
    split: Split,
    data: LabelledImages,
    bad: list[str],
    sizes: SizeRange,
    reading: Reading,
) -> SourceReport:
    counts = data.ipc_counts()
    most = max(counts)
    required = required_splits(split, source.splits, source.where)
    passed = source.passed(required)
    resizing = None if reading.size is None else sizes.resizing(reading.size)
    return SourceReport(
        source.where,
        split,
        data.classes,
        len(data),
        data.rarest_class(),
        (data.classes[counts.index(most)], most),
        tuple((reason, count, passed.examples[reason]) for reason, count in passed.counts.most_common()),
        tuple(bad),
        (*source.notes(required), *reading.notes(), *([resizing] if resizing else [])),
        int(data.images[:: -(-len(data) // _LOOKED_AT)].max(initial=0)),
        sizes,
    )
