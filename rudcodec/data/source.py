"""The door: a source, whatever it is, becomes one LabelledImages."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.archives import open_archive
from rudcodec.data.collect import Picked, Progress, Source, collected
from rudcodec.data.disk import DiskFiles
from rudcodec.data.folders import FolderSource
from rudcodec.data.idx import idx_stem, open_idx
from rudcodec.data.images import LabelledImages
from rudcodec.data.kinds import kind_of_file
from rudcodec.data.named import known_names, open_named
from rudcodec.data.npz import SUFFIX as NPZ_SUFFIX
from rudcodec.data.npz import open_npz
from rudcodec.data.reading import Reading
from rudcodec.data.report import SourceReport
from rudcodec.data.splits import Part, Split, offered, parts_of, rows_of
from rudcodec.data.tensors import SUFFIXES as TENSOR_SUFFIXES
from rudcodec.data.tensors import open_tensors
from rudcodec.errors import DataError
from rudcodec.text import shown


def load(
    source: str | os.PathLike[str],
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
            - ``digits`` (scikit-learn's), or the name of a torchvision data set, such as ``cifar10``: looked
              for in the folder ``$RUDCODEC_DATA``, else ``~/.cache/rudcodec``, and never downloaded. In a
              string, such a name wins over a file or folder of that name; give that as ``./cifar10``.
        split: what the source brings; "all" is train and val. Where there is train but no val, the last 10 %
            of each class (by sorted file name; for arrays by index) are "val" and not in "train".
        size: as in ``reading``, for those who need nothing else of it.
        progress: called with (images done, images in all), a few times a second and at the end.
        reading: size, colour or grey, background, and what becomes of unreadable pictures.

    Returns:
        Images sorted by class, then by name: the same source gives the same arrays. Their ``report`` says
        what was read.

    Raises:
        DataError: the source can't be used; one line that names the file and what is wrong with it.
        SettingError: a bad ``split`` or ``size``.
    """
    reading = reading or Reading()
    if size is not None:
        reading = replace(reading, size=size)
    opened = _open(source)
    parts = parts_of(split, opened.parts, opened.where)
    left_out = [f"{opened.where}: {line}" for part in parts for line in opened.problems(part)]
    if left_out and not reading.skip_bad:
        raise DataError(f"{left_out[0]}; mend it, or leave out what can't be read (--skip-bad)")
    classes = opened.classes
    picked: list[Picked] = []
    by_part: list[NDArray[np.int64]] = []
    for part in parts:
        all_labels = opened.labels(part)
        rows = rows_of(split, all_labels, opened.parts, classes, opened.where)
        picked.append((part, rows))
        by_part.append(all_labels[rows])
    with warnings.catch_warnings():
        # odd metadata, a large picture: nothing the user could act on
        warnings.filterwarnings("ignore", module=r"PIL\.")
        images, there, bad = collected(opened, picked, reading, progress)
    labels = _kept(np.concatenate(by_part), there, classes, opened.where)
    if len(parts) > 1:
        order = np.argsort(labels, kind="stable")
        images, labels = images[order], labels[order]
    result = LabelledImages(images, labels, classes, opened.name)
    return replace(result, report=_report(opened, split, result, left_out + bad))


def splits(source: str | os.PathLike[str]) -> tuple[Part, ...]:
    """The splits that :func:`load` can give of a source, beside "all"; no picture is read.

    Raises:
        DataError: as :func:`load`.
    """
    return offered(_open(source).parts)


def _open(source: str | os.PathLike[str]) -> Source:
    given = os.fspath(source)
    if not given:
        raise DataError("the name of the image set is empty")
    # a Path is meant as one; a bare word is first of all a name, whatever lies in the current folder
    if isinstance(source, str) and (named := open_named(source)):
        return named
    path, where = Path(source), shown(given)
    if "\0" in given:
        raise DataError(f"{where}: no file or folder can have that name")
    try:
        if path.is_dir():
            stem = idx_stem(path)
            return open_idx(path, stem) if stem is not None else FolderSource(DiskFiles(path), _name(path))
        if not path.is_file():
            what = "not a file or folder" if os.path.lexists(path) else "no such file or folder"
            raise DataError(
                f"{where}: {what}, nor one of the sets known by name ({', '.join(known_names())})"
            )
        if path.suffix.lower() == NPZ_SUFFIX:
            return open_npz(path)
        if path.suffix.lower() in TENSOR_SUFFIXES:
            return open_tensors(path)
        if (stem := idx_stem(path)) is not None:
            return open_idx(path.parent, stem)
        if files := open_archive(path):
            return FolderSource(files, path.name.split(".")[0] or path.name)
        kind = kind_of_file(path)
    except OSError as error:
        raise DataError(f"{where}: {error.strerror or 'can not be read'}") from None
    raise DataError(
        f"{where}: not an image set, but {kind}; a set is a folder, .zip, .tar (gz, bz2, xz), .npz, "
        ".safetensors, .pt or IDX file"
    )


def _name(folder: Path) -> str:
    whole = folder.resolve() if ".." in folder.parts else folder.absolute()
    return whole.name or str(folder)


def _kept(
    labels: NDArray[np.int64], there: NDArray[np.bool_], classes: tuple[str, ...], where: str
) -> NDArray[np.int64]:
    """The labels of the images that could be read. Raises DataError if a class has none any more."""
    before, after = (np.bincount(kept, minlength=len(classes)) for kept in (labels, labels[there]))
    if (lost := np.flatnonzero((before > 0) & (after == 0))).size:
        name = classes[lost[0]]
        raise DataError(f"{where}: none of the {before[lost[0]]} pictures of class {name!r} can be read")
    return labels[there]


def _report(source: Source, split: Split, data: LabelledImages, bad: list[str]) -> SourceReport:
    counts = data.ipc_counts()
    few, many = (counts.index(extreme(counts)) for extreme in (min, max))
    passed = source.passed(parts_of(split, source.parts, source.where))
    return SourceReport(
        source.where,
        split,
        data.classes,
        len(data),
        (data.classes[few], counts[few]),
        (data.classes[many], counts[many]),
        tuple((reason, count, passed.examples[reason]) for reason, count in passed.counts.most_common()),
        tuple(bad),
    )
