"""The kinds of source. Each has a module, and an opener here: a function that returns a source, or None for
what is of another kind. The first that answers counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rudcodec.data import arrow, webdataset
from rudcodec.data.archives import open_archive
from rudcodec.data.arrow_tables import ARROW, PARQUET
from rudcodec.data.cifar import open_cifar
from rudcodec.data.contents import Contents
from rudcodec.data.folders import FolderSource
from rudcodec.data.idx import open_idx_file, open_idx_folder
from rudcodec.data.image_source import ImageSource
from rudcodec.data.listed import open_listed, open_table_file
from rudcodec.data.mat import SUFFIX as MAT
from rudcodec.data.mat import open_mat_file, open_mat_folder
from rudcodec.data.npy import SUFFIX as NPY
from rudcodec.data.npy import open_npy_file, open_npy_folder
from rudcodec.data.npz import SUFFIX as NPZ
from rudcodec.data.npz import open_npz
from rudcodec.data.reading import Reading
from rudcodec.data.tables import ENDINGS as TABLES
from rudcodec.data.tensors import SUFFIXES as TENSORS
from rudcodec.data.tensors import open_tensors, open_tensors_folder
from rudcodec.errors import DataError
from rudcodec.text import shown


def _open_class_folders(contents: Contents) -> ImageSource:
    """The set in class folders. Raises DataError also where it may be tables that pictures lie beside."""
    tables = contents.ending(PARQUET, ARROW) if contents.folder else ()
    if tables and contents.pictures and not _are_class_folders(contents):
        raise DataError(
            f"{contents.where}: holds {shown(tables[0])} and, not in class folders alone, pictures such as "
            f"{shown(contents.pictures[0])}; name the file or folder that is the set"
        )
    return FolderSource(contents)


def _are_class_folders(contents: Contents) -> bool:
    """Whether all the folders are those of classes, with pictures in them."""
    try:
        source = FolderSource(contents)
        return not any(
            source.labels(split).size == 0 or any(source.problems(split)) for split in source.splits
        )
    except DataError:
        return False


FILES: Mapping[Callable[[Path, Reading], ImageSource | None], Sequence[str]] = {
    open_npz: (NPZ,),
    open_tensors: TENSORS,
    open_idx_file: ("IDX",),
    open_npy_file: (NPY,),
    open_mat_file: (MAT,),
    arrow.open_arrow_file: (PARQUET, ARROW),
    open_table_file: TABLES,
}
"""Of one file, which is no archive; with what messages call such files, most of them by their endings."""

TREES: tuple[Callable[[Contents], ImageSource | None], ...] = (
    open_idx_folder,
    open_cifar,
    open_listed,
    webdataset.open_samples,
    webdataset.open_shards_folder,
    arrow.open_saved_folder,
    arrow.open_shards_folder,
    open_npy_folder,
    open_tensors_folder,
    open_mat_folder,
    _open_class_folders,  # answers always
)
"""Of what lies in a folder or archive."""


def kinds_of_set() -> str:
    """The kinds of source on disk, for messages."""
    files = ", ".join(kind for kinds in FILES.values() for kind in kinds)
    return f"a folder, a .zip or .tar (gz, bz2, xz), or a file of the kinds {files}"


def open_file(path: Path, reading: Reading) -> ImageSource | None:
    """The set in a file, or None if no kind is at home in it. Raises DataError, OSError."""
    for opener in FILES:
        if source := opener(path, reading):
            return source
    if files := open_archive(path):
        return open_tree(Contents(files, path.name.split(".")[0] or path.name, None, reading))
    return None


def open_tree(contents: Contents) -> ImageSource:
    """The set in a folder or archive. Raises DataError, OSError."""
    return next(source for opener in TREES if (source := opener(contents)))
