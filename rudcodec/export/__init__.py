"""Sets saved in forms that other programs read: class folders, or one file of a known format."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from rudcodec.errors import SettingError
from rudcodec.export import folders, npz, parquet, tensors, webdataset
from rudcodec.export.contents import Contents
from rudcodec.export.formats import FileFormat
from rudcodec.files import names_folder, replacing

__all__ = ["FILE_FORMATS", "FOLDER", "Contents", "FileFormat", "choose_format", "format_names", "save"]

FILE_FORMATS = {
    one.name: one for one in (npz.FORMAT, tensors.FORMAT, parquet.FORMAT, webdataset.FORMAT)
}  # fmt: skip
"""The forms of one file, by name."""

FOLDER = "folder"
"""The name of the other form."""


def format_names() -> tuple[str, ...]:
    """All forms that a set can be saved in."""
    return (FOLDER, *FILE_FORMATS)


def choose_format(path: str | os.PathLike[str], name: str | None = None) -> FileFormat | None:
    """The format called ``name``, or else the one of the path's suffix; None stands for class folders.

    Raises:
        SettingError: there is no such format, or no name and a suffix that says nothing; or the path ends
            with a slash, and the format is one file.
        MissingPackageError: the format needs a package that isn't installed.
    """
    if name is None:
        name = _by_suffix(os.fspath(path))
    if name == FOLDER:
        return None
    if name not in FILE_FORMATS:
        raise SettingError(f"no format is called {name!r}: choose from {', '.join(format_names())}")
    if names_folder(os.fspath(path)):
        raise SettingError(f"{os.fspath(path)}: names a folder, and {name} is one file; give a file's name")
    chosen = FILE_FORMATS[name]
    chosen.check_installed()
    return chosen


def save(
    contents: Contents, path: str | os.PathLike[str], chosen: FileFormat | None, replace: bool = False
) -> None:
    """Save a set, complete or not at all, in a format that :func:`choose_format` gave.

    ``replace``: also in place of class folders that were saved there. Raises DataError.
    """
    if chosen is None:
        folders.save(contents, path, replace)
        return
    with replacing(path) as file:
        chosen.write(contents, file)


def _by_suffix(path: str) -> str:
    if names_folder(path):
        return FOLDER
    with suppress(OSError):  # which writing will meet again
        if Path(path).is_dir():
            return FOLDER
    suffix = Path(path).suffix.lower()
    for one in FILE_FORMATS.values():
        if suffix == one.suffix:
            return one.name
    if re.fullmatch(r"\.[a-z][a-z0-9]*", suffix):
        known = ", ".join(one.suffix for one in FILE_FORMATS.values())
        raise SettingError(
            f"{path}: no format has the suffix {suffix}, only {known}; "
            "for class folders end the name with a slash, or say --format folder (in Python format='folder')"
        )
    return FOLDER
