"""What lies in a folder or archive: the names, and where to read the files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rudcodec.data.bounds import MAX_FILE, MAX_LIST
from rudcodec.data.damage import as_text
from rudcodec.data.decode import EXTENSIONS, PictureError
from rudcodec.data.files import Files
from rudcodec.data.kinds import ending_of
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.errors import DataError
from rudcodec.names import is_hidden, is_junk, on_disk


@dataclass(frozen=True)
class Contents:
    """The contents of a folder or archive, as each kind of source looks at them.

    Attributes:
        files: reads them.
        name: what a set made of them is called.
        folder: where they lie on disk; None for those in an archive.
        reading: how the user wants pictures and columns to be read.
    """

    files: Files
    name: str
    folder: Path | None
    reading: Reading

    @property
    def where(self) -> str:
        """What messages begin with."""
        return self.files.where

    @property
    def bare_folder(self) -> Path | None:
        """The folder, if it is one on disk without pictures."""
        return None if self.pictures else self.folder

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, folders with a slash at the end, sorted: the same messages wherever the files lie."""
        return tuple(sorted(self.files.names()))

    @cached_property
    def visible(self) -> tuple[str, ...]:
        """The files, without hidden ones and what systems leave behind."""
        passed_over: dict[str, bool] = {}
        result: list[str] = []
        for name in self.names:
            outer, _, last = name.rpartition("/")
            if outer not in passed_over:
                passed_over[outer] = any(is_hidden(part) or is_junk(part) for part in outer.split("/"))
            if last and not passed_over[outer] and not is_hidden(last) and not is_junk(last):
                result.append(name)
        return tuple(result)

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The visible files whose endings are pictures'."""
        return self.ending(*EXTENSIONS)

    def ending(self, *endings: str) -> tuple[str, ...]:
        """The visible files with one of these endings, in whatever case."""
        found = [name for ending in endings for name in self._by_ending.get(ending, ())]
        return tuple(sorted(found)) if len(endings) > 1 else tuple(found)

    @cached_property
    def _by_ending(self) -> dict[str, list[str]]:
        result: dict[str, list[str]] = {}
        for name in self.visible:
            result.setdefault(_ending(name.rpartition("/")[2]), []).append(name)
        return result

    def called(self, *file_names: str) -> dict[str, list[str]]:
        """The visible files with one of these names, by the folder they lie in ('' or with a slash)."""
        result: dict[str, list[str]] = {}
        for name in self.ending(*{_ending(file_name) for file_name in file_names}):
            outer, _, last = name.rpartition("/")
            if last in file_names:
                result.setdefault(outer + "/" * bool(outer), []).append(last)
        return result

    def path(self, name: str) -> Path:
        """Where a file lies; only for a folder on disk."""
        assert self.folder is not None
        return self.folder / on_disk(name)

    def without(self, used: Collection[str]) -> Passed:
        """The visible files but these, by ending, as what a source passes over."""
        result = Passed()
        for name in self.visible:
            if name not in used:
                result.add(ending_of(name), name)
        return result

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        """A file's contents. Raises DataError if it can't be read or has more than ``limit`` bytes."""
        ((_, data),) = self.files.read([name])
        where = self.files.locate(name)
        if isinstance(data, PictureError):
            raise DataError(f"{where} {data}")
        if len(data) > limit:
            raise DataError(f"{where} is larger than {limit >> 20} MiB")
        return data

    def head(self, name: str) -> bytes:
        """The first ``MAX_LIST`` bytes of a file of any size. Raises DataError if it can't be read."""
        data = self.files.head(name, MAX_LIST)
        if isinstance(data, PictureError):
            raise DataError(f"{self.files.locate(name)} {data}")
        return data

    def lines(self, name: str) -> list[str]:
        """The lines of a small text that aren't empty. Raises DataError, like :meth:`read`, or if it is no
        UTF-8."""
        data = self.read(name, MAX_LIST)
        try:
            text = as_text(data)
        except ValueError as error:
            raise DataError(f"{self.files.locate(name)} {error}") from None
        return [line.strip() for line in text.splitlines() if line.strip()]


def _ending(file_name: str) -> str:
    _, dot, ending = file_name.rpartition(".")
    return dot + ending.lower() if dot else ""
