"""Files that are read only where looked at, and files that appear only when complete."""

from __future__ import annotations

import glob
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from rudcodec.errors import DataError, FormatError

LARGEST_FILE = 1 << 30


class Source(Protocol):
    """Bytes, or a file of which only the parts that are looked at are read."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's contents. Raises DataError when it can't be read, FormatError when it is too large."""
    try:
        if os.path.getsize(path) > LARGEST_FILE:
            raise FormatError("file", 0, f"has more than {LARGEST_FILE} bytes")
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: can't be read ({error.strerror})") from None


class _File:
    """An open file as a :class:`Source`."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        try:
            self._file.seek(start)
            contents = self._file.read(max(stop - start, 0))
        except OSError as error:
            raise DataError(f"{self._path}: can't be read ({error.strerror})") from None
        if len(contents) < stop - start:
            raise DataError(f"{self._path}: became shorter while it was read")
        return contents


@contextmanager
def opened(path: str | os.PathLike[str] | BinaryIO) -> Iterator[Source]:
    """A file, or what is left of one that is open already, as a :class:`Source`. Raises DataError when it
    can't be read.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        yield path.read(LARGEST_FILE + 1)
        return
    name = os.fspath(path)
    try:
        file = open(path, "rb")
    except OSError as error:
        raise DataError(f"{name}: can't be read ({error.strerror})") from None
    with file:
        # what can't be sought in (a pipe) is read as a whole
        yield (
            _File(file, name)
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            else file.read(LARGEST_FILE + 1)
        )


def write_bytes(data: bytes, path: str | os.PathLike[str]) -> None:
    """Write a file that is either complete or not there. Raises DataError when it can't be written.

    Removes what a process that was killed while it wrote the same file has left beside it.
    """
    target = Path(path)
    temporary = ""
    try:
        for left in target.parent.glob(f".{glob.escape(target.name)}.????????"):  # as mkstemp names them
            left.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
        temporary = ""
    except OSError as error:
        raise DataError(f"{target}: can't be written ({error.strerror})") from None
    finally:
        if temporary:
            os.unlink(temporary)
