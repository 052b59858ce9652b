"""Folders that a set may be written to: those that are free, or hold what has been written before."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rudcodec.errors import DataError
from rudcodec.files import is_temporary, real_place
from rudcodec.names import LABELS_FILE, on_disk
from rudcodec.text import shown


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise DataError if a folder exists and isn't empty, something else is in its place, or nothing can be
    there."""
    target = Path(folder)
    with _looking_at(target):
        if not is_free(real_place(target)):
            raise DataError(
                f"{target}: exists already and is not an empty folder; the command decompress --force "
                "replaces one that it wrote"
            )


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Raise DataError if something is there that isn't a folder as :func:`rudcodec.export.folders.save`
    writes it: with its labels.json, and the files that this lists, and no other."""
    target = Path(folder)
    with _looking_at(target):
        real = real_place(target)
        if is_free(real):
            return
        if target.is_symlink():
            raise DataError(
                f"{target}: is a link, which --force doesn't replace; name {target.resolve()} instead"
            )
        foreign = _foreign_file(real)
    if foreign is not None:
        raise DataError(
            f"{target}: holds {foreign}, which decompress hasn't written; not even --force removes it"
        )


def is_free(target: Path) -> bool:
    """Whether nothing is there, or a folder that is empty or holds what killed processes have left in it."""
    return not target.exists() or (
        target.is_dir() and all(is_temporary(path, target) for path in target.iterdir())
    )


@contextmanager
def _looking_at(target: Path) -> Iterator[None]:
    """Turns what comes of looking at a path where nothing can be written into DataError."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            target.stat()
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{shown(str(target))}: can't be written ({reason})") from None


def _foreign_file(folder: Path) -> str | None:
    """A file of a folder that no decoded set has written there; None if there is none."""
    if not folder.is_dir():
        return folder.name
    ours = _written_files(folder)
    for child in folder.iterdir():
        if is_temporary(child, folder):
            continue
        for path in (child, *child.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or name in ours):
                return shown(name)
    return None


def _written_files(folder: Path) -> set[str]:
    """The files that a labels.json like ours says were written, itself among them: the folder's own, or, of a
    folder that a killed process was filling, that of what it has left there; none if there is none."""
    unfinished = [path / LABELS_FILE for path in folder.iterdir() if is_temporary(path, folder)]
    return set().union(*map(_listed_files, (folder / LABELS_FILE, *unfinished)))


def _listed_files(labels: Path) -> set[str]:
    """The files that a labels.json like ours lists, and itself."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        said = json.loads(labels.read_bytes())
        names = dict(zip(said["folders"], said["classes"], strict=True))
        patterns = [re.compile(rf"{re.escape(name)}/\d{{5,}}\.png") for name in said["folders"]]
        are_ours = all(patterns[label].fullmatch(file) for file, label in said["labels"].items())
        if said["class_of"] == names and are_ours:
            return {LABELS_FILE, *map(on_disk, said["labels"])}
    return set()
