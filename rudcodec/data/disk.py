"""Files below a folder on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from rudcodec.data.bounds import MAX_FILE, Paths
from rudcodec.data.decode import PictureError
from rudcodec.data.kinds import NO_ENDING, ending_of
from rudcodec.errors import DataError
from rudcodec.names import from_disk, is_hidden, is_junk, on_disk
from rudcodec.text import shown

_Place = tuple[int, int]
"""Device and number of a folder."""


class DiskFiles:
    """The files below a folder; links are followed."""

    def __init__(self, folder: Path) -> None:
        self.where = shown(from_disk(str(folder)))
        self._folder = folder

    def names(self) -> Sequence[str]:
        """Like :meth:`rudcodec.data.files.Files.names`; hidden folders and junk are not entered."""
        names: list[str] = []
        paths = Paths(self.where)
        above: dict[Path, frozenset[_Place]] = {}

        def give_up(error: OSError) -> None:
            raise DataError(f"{self._name(error.filename)}: {error.strerror}")

        for at, folders, files in os.walk(self._folder, onerror=give_up, followlinks=True):
            folder = Path(at)
            self._check_circle(folder, above)
            inside = "/".join(from_disk(component) for component in folder.relative_to(self._folder).parts)
            prefix = f"{inside}/" if inside else ""
            entries = [f"{from_disk(f)}/" for f in folders]
            entries += [from_disk(f) + "/" * _is_lost_folder(folder / f) for f in files]
            for entry in entries:
                paths.check(prefix + entry)
                names.append(prefix + entry)
            folders[:] = [f for f in folders if not is_hidden(f) and not is_junk(f)]
        return names

    def locate(self, name: str) -> str:
        return self._name(str(self._folder / on_disk(name)))

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | PictureError]]:
        for i, name in enumerate(names):
            yield i, file_contents(self._folder / on_disk(name))

    def head(self, name: str, most: int) -> bytes | PictureError:
        return file_contents(self._folder / on_disk(name), most)

    def stamps(self, names: Sequence[str]) -> Iterator[bytes]:
        return (file_stamp(self._folder / on_disk(name)) for name in names)

    def _check_circle(self, folder: Path, above: dict[Path, frozenset[_Place]]) -> None:
        """Raise DataError if this folder is one of those it lies in."""
        status = folder.stat()
        place = status.st_dev, status.st_ino
        outer = above.get(folder.parent, frozenset())
        if place in outer:
            raise DataError(
                f"{self._name(str(folder))}: is a link to a folder that it lies in, deep without end"
            )
        above[folder] = outer | {place}

    def _name(self, path: str) -> str:
        return shown(from_disk(path))


def _is_lost_folder(path: Path) -> bool:
    """Whether this is a link to nothing that is called like a folder."""
    return ending_of(path.name) == NO_ENDING and path.is_symlink() and not path.exists()


def file_contents(path: Path, most: int | None = None) -> bytes | PictureError:
    """What is in a file, or in its first ``most`` bytes, or why it can't be had."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return PictureError("is no ordinary file")
        if most is None and status.st_size > MAX_FILE:
            return PictureError(f"is larger than {MAX_FILE >> 20} MiB")
        with path.open("rb") as file:
            return file.read(MAX_FILE if most is None else most)
    except OSError as error:
        return PictureError(f"can't be read: {error.strerror}")


def file_stamp(path: str | os.PathLike[str]) -> bytes:
    """What is other bytes after a file has changed: its path, its size, and when it was changed."""
    full_path = Path(path).absolute()
    try:
        status = full_path.stat()
    except OSError:
        return os.fsencode(full_path)
    return os.fsencode(f"{full_path}\0{status.st_size}\0{status.st_mtime_ns}")
