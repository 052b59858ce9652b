"""Files that are read only where they are looked at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from rudcodec.errors import DataError, FormatError
from rudcodec.text import shown

LARGEST_FILE = 1 << 30


File = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview
"""Where a ``.rud`` file is read from: a path, an open binary file such as ``sys.stdin.buffer``, or a whole
file's contents."""


class Source(Protocol):
    """Bytes, or a file of which only the parts that are looked at are read."""

    def __len__(self) -> int: ...
    def __getitem__(self, byte_range: slice, /) -> bytes: ...


def read_bytes(file: File) -> bytes:
    """A file's contents. Raises DataError when it can't be read, FormatError when it is too large."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        return bytes(file)
    if not isinstance(file, (str, os.PathLike)):
        return _read_open(file)
    try:
        with _open(os.fsdecode(file)) as opened_file:
            data = opened_file.read(LARGEST_FILE + 1)  # a device has no size, and no end
    except OSError as error:
        raise DataError(f"{os.fspath(file)}: can't be read ({error.strerror})") from None
    if len(data) > LARGEST_FILE:
        raise FormatError("file", 0, f"has more than {LARGEST_FILE} bytes")
    return data


def _read_open(file: object) -> bytes:
    """What is left of an open file, a pipe or a socket, which may give less at a time than it is asked for.
    Raises DataError if it is none."""
    pieces, size = [b""], 0
    while size <= LARGEST_FILE:
        try:
            piece = file.read(LARGEST_FILE + 1 - size) if hasattr(file, "read") else None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the open file can't be read ({error})") from None
        if not isinstance(piece, bytes):
            raise DataError(f"a .rud file is a path, an open binary file or bytes, not {type(file).__name__}")
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


class _OpenFile:
    """An open file as a :class:`Source`."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, byte_range: slice) -> bytes:
        start, stop, _ = byte_range.indices(self._size)
        try:
            self._file.seek(start)
            contents = self._file.read(max(stop - start, 0))
        except OSError as error:
            raise DataError(f"{self._path}: can't be read ({error.strerror})") from None
        if len(contents) < stop - start:
            raise DataError(f"{self._path}: became shorter while it was read")
        return contents


def _open(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise DataError(f"{name}: can't be read ({error.strerror})") from None
    except ValueError:
        raise DataError(f"{shown(name)}: no file can have that name") from None


@contextmanager
def opened(path: File) -> Iterator[Source]:
    """A file, what is left of one that is open already, or contents, as a :class:`Source`. Raises DataError
    when it can't be read, or is nothing of these.
    """
    if not isinstance(path, (str, os.PathLike)):
        yield read_bytes(path)
        return
    name = os.fsdecode(path)
    with _open(name) as file:
        # what can't be sought in (a pipe) is read as a whole
        yield (
            _OpenFile(file, name)
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            else file.read(LARGEST_FILE + 1)
        )
