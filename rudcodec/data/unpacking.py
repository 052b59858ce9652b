"""The contents of a plain or compressed file, as a stream that takes little memory whatever the file says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import BinaryIO, cast

from rudcodec.data.bounds import MAX_DEFLATE, MAX_DICTIONARY, MAX_FILE, MAX_HEAD
from rudcodec.errors import DataError

_CHUNK = 1 << 16


def open_unpacked(path: Path) -> BinaryIO:
    """The contents of a plain, .gz, .bz2 or .xz file. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.open(path))
    if start[:3] == b"BZh":
        return cast(BinaryIO, bz2.open(path))
    if start == b"\xfd7zXZ\0":
        return io.BufferedReader(_Xz(path), _CHUNK)
    return path.open("rb")


class _Xz(io.RawIOBase):
    """Like lzma.open, but with a limit on memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._unpacker = lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of a compressed stream is unknown")
        if target < self._position:
            self._begin()
        room = bytearray(_CHUNK)
        while self._position < target:
            if not self.readinto(memoryview(room)[: target - self._position]):
                break
        return self._position

    def readinto(self, room: bytearray | memoryview) -> int:  # type: ignore[override]
        while len(room):
            packed = b""
            if self._unpacker.eof:  # another stream may follow, after padding
                packed = self._unpacker.unused_data.lstrip(b"\0")
                while not packed:
                    if not (chunk := self._file.read(_CHUNK)):
                        return 0
                    packed = chunk.lstrip(b"\0")
                self._unpacker = lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)
            elif self._unpacker.needs_input and not (packed := self._file.read(_CHUNK)):
                raise EOFError
            if data := self._unpacker.decompress(packed, len(room)):
                room[: len(data)] = data
                self._position += len(data)
                return len(data)
        return 0

    def _begin(self) -> None:
        self._file.seek(0)
        self._unpacker = lzma.LZMADecompressor(memlimit=MAX_DICTIONARY)
        self._position = 0


class HeadReader:
    """A stream for reading the heads of an archive's entries, each of which may have so many bytes only.

    Args:
        stream: the unpacked archive.
        where: what messages begin with.
        packed: bytes of the archive. What would unpack to far more than these is refused.

    Attributes:
        used: bytes read since it was last set to zero.
        last: the bytes that were read last.
    """

    def __init__(self, stream: BinaryIO, where: str, packed: int) -> None:
        self._stream = stream
        self._where = where
        self._longest = MAX_FILE + MAX_DEFLATE * packed
        self.used = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        self.used += size
        if self.used > MAX_HEAD:
            raise DataError(f"{self._where}: the name of an entry takes more than {MAX_HEAD >> 20} MiB")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, offset: int) -> int:
        if offset > self._longest:
            raise DataError(
                f"{self._where}: would unpack to more than {self._longest:,} bytes, as no pictures do"
            )
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()
