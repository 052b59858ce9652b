"""Files inside a .zip or a .tar (plain, gz, bz2, xz), read in place: nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rudcodec.data.folders import MAX_FILE, Files
from rudcodec.data.images import shown
from rudcodec.errors import DataError

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


def open_archive(path: Path) -> Files | None:
    """The files in the archive at ``path``, or None if it is no archive of a known kind."""
    try:
        if zipfile.is_zipfile(path):
            return _Zip(path)
        if tarfile.is_tarfile(path):
            return _Tar(path)
    except _DAMAGE as error:
        raise _damaged(str(path), error) from None
    return None


class _Archive:
    """What zip and tar have in common."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def locate(self, name: str) -> str:
        return f"{self.where}: {shown(name)}"

    def _clean(self, raw: str, is_folder: bool) -> str:
        """The name of an entry as :meth:`Files.names` wants it."""
        parts = [p for p in raw.replace("\\", "/").split("/") if p not in ("", ".")]
        if ".." in parts:
            raise DataError(f"{self.where}: the entry {raw!r} points out of the archive")
        return "/".join(parts) + "/" * is_folder

    def _check_size(self, name: str, size: int) -> None:
        if size > MAX_FILE:
            raise DataError(f"{self.locate(name)} is larger than {MAX_FILE >> 20} MiB")


class _Zip(_Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                # is_dir() doesn't know the backslashes that some tools write
                name = self._clean(entry.filename, entry.filename.endswith(("/", "\\")))
                if name in self._entries and not name.endswith("/"):
                    raise DataError(f"{self.locate(name)} is there twice")
                self._entries[name] = entry

    def names(self) -> Sequence[str]:
        return list(self._entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        with zipfile.ZipFile(self._path) as archive:
            for i, name in enumerate(names):
                entry = self._entries[name]
                if entry.flag_bits & 1:
                    raise DataError(f"{self.locate(name)} is encrypted")
                self._check_size(name, entry.file_size)
                try:
                    data = archive.read(entry)
                except NotImplementedError as error:
                    raise DataError(f"{self.locate(name)} can't be unpacked ({error})") from None
                except _DAMAGE as error:
                    raise _damaged(self.locate(name), error) from None
                yield i, data


class _Tar(_Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._entries: dict[str, tarfile.TarInfo] = {}
        with tarfile.open(path) as archive:
            for entry in archive:
                if not (entry.isfile() or entry.isdir() or entry.islnk()):
                    continue  # devices and symbolic links are no pictures
                name = self._clean(entry.name, entry.isdir())
                if name in self._entries and not name.endswith("/"):
                    raise DataError(f"{self.locate(name)} is there twice")
                self._entries[name] = entry

    def names(self) -> Sequence[str]:
        return list(self._entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        with tarfile.open(self._path) as archive:
            # as the entries lie: going back in a compressed archive means to unpack it again from its start
            for i in sorted(range(len(names)), key=lambda i: self._entries[names[i]].offset):
                entry = self._entries[names[i]]
                self._check_size(names[i], entry.size)
                try:
                    file = archive.extractfile(entry)
                    data = file.read() if file else b""
                except KeyError:
                    raise DataError(f"{self.locate(names[i])} is a link to nothing") from None
                except _DAMAGE as error:
                    raise _damaged(self.locate(names[i]), error) from None
                yield i, data


def _damaged(where: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{where}: the archive is damaged ({reason})")
