"""Files inside a .zip or a .tar (plain, gz, bz2, xz), read in place: nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from rudcodec.data.bounds import MAX_FILE, Paths
from rudcodec.data.decode import PictureError
from rudcodec.data.disk import file_stamp
from rudcodec.data.files import Files
from rudcodec.data.kinds import NO_ENDING, ending_of, is_zip
from rudcodec.data.unpacking import HeadReader, open_unpacked
from rudcodec.errors import DataError
from rudcodec.text import shown

_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
    OverflowError, RecursionError,
)  # fmt: skip
_TOO_LARGE = f"is larger than {MAX_FILE >> 20} MiB"
_OTHER_METHOD = "needs a newer or another program to unpack; store it with plain deflate"


def open_archive(path: Path) -> Files | None:
    """The files in the archive at ``path``, or None if it is no archive of a known kind.

    Raises:
        DataError: it is one, but damaged, or names what no image set has.
    """
    where = shown(str(path))
    try:
        if is_zip(path):
            return _Zip(path)
        if _begins_as_tar(path):
            return _Tar(path)
    except NotImplementedError:
        raise DataError(f"{where}: the archive {_OTHER_METHOD}") from None
    except _DAMAGE as error:
        raise _damage_error(where, error) from None
    return None


class _Archive:
    """The base class of zip and tar archives."""

    def __init__(self, path: Path) -> None:
        self.where = shown(str(path))
        self._path = path
        self._paths = Paths(self.where)

    def locate(self, name: str) -> str:
        return f"{self.where}: {shown(name)}"

    def stamps(self, names: Sequence[str]) -> Iterator[bytes]:
        yield file_stamp(self._path)
        for name in names:
            yield name.encode("utf-8", "surrogateescape")

    def _clean(self, raw: str, is_folder: bool) -> str:
        """The name of an entry as :meth:`Files.names` wants it; nothing for the archive's own root."""
        self._paths.check(raw.replace("\\", "/").lstrip("./"))
        components = [p for p in raw.replace("\\", "/").split("/") if p not in ("", ".")]
        if ".." in components:
            raise DataError(f"{self.where}: the entry {shown(raw)!r} points out of the archive")
        return "/".join(components) + "/" * (is_folder and bool(components))

    def _duplicate_error(self, name: str) -> DataError:
        return DataError(f"{self.locate(name)} is there twice")


class _Zip(_Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        with _open_zip(path) as archive:
            for entry in archive.infolist():
                # is_dir() doesn't know the backslashes that some tools write
                name = self._clean(entry.filename, entry.filename.endswith(("/", "\\")))
                if not name:
                    continue
                if name in self._entries and not name.endswith("/"):
                    raise self._duplicate_error(name)
                self._entries[name] = entry

    def names(self) -> Sequence[str]:
        return list(self._entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | PictureError]]:
        with _open_zip(self._path) as archive:
            for i, name in enumerate(names):
                yield i, self._contents(archive, self._entries[name])

    def head(self, name: str, most: int) -> bytes | PictureError:
        with _open_zip(self._path) as archive:
            return self._contents(archive, self._entries[name], most)

    def _contents(
        self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int | None = None
    ) -> bytes | PictureError:
        if entry.flag_bits & 1:
            return PictureError("is encrypted")
        if most is None and entry.file_size > MAX_FILE:
            return PictureError(_TOO_LARGE)
        try:
            with archive.open(entry) as file:
                return file.read(-1 if most is None else most)
        except NotImplementedError:
            return PictureError(_OTHER_METHOD)
        except _DAMAGE as error:
            return PictureError(f"can't be unpacked: {_reason(error)}")


class _Entry(NamedTuple):
    """Where the contents of an entry lie in the unpacked archive.

    Attributes:
        offset, size: in bytes.
        link: the name of the entry that has the contents instead.
        problem: why they can't be read.
    """

    offset: int
    size: int
    link: str = ""
    problem: str = ""


class _Tar(_Archive):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._entries: dict[str, _Entry] = {}
        with open_unpacked(path) as stream:
            heads = HeadReader(stream, self.where, path.stat().st_size)
            with tarfile.open(fileobj=cast(BinaryIO, heads), mode="r:") as archive:
                while (entry := archive.next()) is not None:
                    heads.used = 0
                    archive.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps them all
                    self._add(entry)
                if heads.last != tarfile.NUL * tarfile.BLOCKSIZE:
                    warnings.warn(
                        f"{self.where}: ends without the mark of a tar's end; it may have been cut short",
                        RuntimeWarning,
                        stacklevel=2,
                    )

    def names(self) -> Sequence[str]:
        return list(self._entries)

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | PictureError]]:
        entries = [self._resolve(name) for name in names]
        with open_unpacked(self._path) as stream:
            # as the entries lie: going back in a compressed archive means to unpack it again from its start
            for i in sorted(range(len(names)), key=lambda i: entries[i].offset):
                yield i, self._contents(stream, names[i], entries[i])

    def head(self, name: str, most: int) -> bytes | PictureError:
        with open_unpacked(self._path) as stream:
            return self._contents(stream, name, self._resolve(name), most)

    def _contents(
        self, stream: BinaryIO, name: str, entry: _Entry, most: int | None = None
    ) -> bytes | PictureError:
        if entry.problem:
            return PictureError(entry.problem)
        if most is None and entry.size > MAX_FILE:
            return PictureError(_TOO_LARGE)
        size = entry.size if most is None else min(most, entry.size)
        try:
            stream.seek(entry.offset)
            data = stream.read(size)
            if len(data) < size:
                raise EOFError
        except _DAMAGE as error:
            raise _damage_error(self.locate(name), error) from None
        return data

    def _add(self, entry: tarfile.TarInfo) -> None:
        name = self._clean(entry.name, entry.isdir())
        if not name:
            return
        if name in self._entries and not name.endswith("/"):
            raise self._duplicate_error(name)
        if entry.islnk():
            self._entries[name] = _Entry(0, 0, link=self._clean(entry.linkname, False))
        elif entry.issparse():
            self._entries[name] = _Entry(0, 0, problem="is stored as a file with holes, which no picture has")
        elif entry.issym():
            problem = "is a symbolic link, which isn't followed in archives"
            self._entries[name + "/" * (ending_of(name) == NO_ENDING)] = _Entry(0, 0, problem=problem)
        elif entry.isfile() or entry.isdir():
            self._entries[name] = _Entry(entry.offset_data, entry.size)

    def _resolve(self, name: str) -> _Entry:
        """The entry that has the contents of this one. A link leads to a file that came before it."""
        entry = self._entries[name]
        if not entry.link:
            return entry
        target = self._entries.get(entry.link)
        if target is None or target.link:
            return _Entry(0, 0, problem="is a link to nothing")
        return target


def _open_zip(path: Path) -> zipfile.ZipFile:
    """A zip whose names are UTF-8, also those that don't say so, as macOS writes them; unless they aren't."""
    try:
        return zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def _begins_as_tar(path: Path) -> bool:
    try:
        with open_unpacked(path) as stream:
            start = stream.read(tarfile.BLOCKSIZE)
    except (zlib.error, lzma.LZMAError, EOFError, OSError):
        return False
    if len(start) < tarfile.BLOCKSIZE:
        return False
    try:
        tarfile.TarInfo.frombuf(start, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return start == bytes(tarfile.BLOCKSIZE) and path.suffix == ".tar"  # an empty one
    return True


def _damage_error(where: str, error: Exception) -> DataError:
    return DataError(f"{where}: the archive is damaged ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError | tarfile.ReadError):
        return "it ends too early"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
        return "its checksum doesn't match its contents"
    return "its structure is broken"
