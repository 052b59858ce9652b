"""Class folders: finds splits and classes in a list of file names, wherever the files lie."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.decode import EXTENSIONS, Refused, decode
from rudcodec.data.images import check_classes, shown
from rudcodec.data.splits import ALIASES, Part, Rows
from rudcodec.errors import DataError

MAX_DEPTH = 16
MAX_FILE = 1 << 28
"""Bytes; a larger file is no picture of a sensible size."""

_JUNK = frozenset(("__MACOSX", "lost+found"))


class Files(Protocol):
    """A tree of files, on disk or in an archive."""

    where: str

    def names(self) -> Sequence[str]:
        """All files, and folders with a slash at the end; parts are separated by slashes."""

    def locate(self, name: str) -> str:
        """How messages call the file."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """The index in ``names`` and the contents of each, in the order that is cheapest to read."""


@dataclass(eq=False)
class _Folder:
    path: str = ""
    images: list[str] = field(default_factory=list)
    folders: dict[str, _Folder] = field(default_factory=dict)

    def all_images(self) -> list[str]:
        """Every picture in this folder or below, sorted."""
        return sorted(self.images + [n for f in self.folders.values() for n in f.all_images()])

    def filled(self) -> dict[str, _Folder]:
        """The folders in this one that have pictures in them or below."""
        return {name: f for name, f in self.folders.items() if f.images or f.filled()}

    def parts(self, where: str) -> dict[Part, _Folder]:
        """The folders in this one that are splits: named so, and with folders, not pictures, in them."""
        found: dict[Part, _Folder] = {}
        for name, f in self.folders.items():
            if name.lower() in ALIASES and not f.images and f.filled():
                part = ALIASES[name.lower()]
                if part in found:
                    raise DataError(f"{where}: {found[part].path}/ and {f.path}/ are both the {part} split")
                found[part] = f
        return found


class FolderSource:
    """The source made of class folders: ``<class>/...`` or ``<split>/<class>/...``, inside any number of
    folders that hold nothing else. Pictures may lie deeper inside a class folder. Hidden files, files of
    other kinds, and pictures beside the class folders are passed over.

    Raises:
        DataError: no such order can be seen in the files.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self.name, self.where = name, files.where
        root = _unwrapped(_tree(files.names()), files.where)
        if not root.images and not root.filled():
            raise DataError(f"{files.where}: no images")
        folders: dict[Part, _Folder] = root.parts(files.where) or {"train": root}
        if root not in folders.values():
            for other in root.filled().values():
                if other not in folders.values():
                    split = next(iter(folders.values())).path
                    raise DataError(
                        f"{files.where}: {split}/ is a split, but {other.path}/, which has images, is none"
                    )
        found = {part: self._class_folders(folder) for part, folder in folders.items()}
        self.classes = tuple(sorted(found.get("train") or set().union(*found.values())))
        check_classes(self.classes, files.where)
        self._parts: dict[Part, tuple[list[str], NDArray[np.int64]]] = {}
        for part, by_class in found.items():
            if strange := sorted(set(by_class) - set(self.classes)):
                raise DataError(f"{files.where}: {by_class[strange[0]].path}/ is a class that train lacks")
            names = [by_class[c].all_images() if c in by_class else [] for c in self.classes]
            labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(n) for n in names])
            self._parts[part] = [n for group in names for n in group], labels
        self.parts = tuple(self._parts)

    def labels(self, part: Part) -> NDArray[np.int64]:
        return self._parts[part][1]

    def locate(self, part: Part, row: int) -> str:
        return self._files.locate(self._parts[part][0][row])

    def stream(self, part: Part, rows: Rows, size: int | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        names = [self._parts[part][0][row] for row in rows]
        for i, data in self._files.read(names):
            try:
                yield i, decode(data, size)
            except Refused as error:
                raise DataError(f"{self._files.locate(names[i])} {error}") from None

    def _class_folders(self, folder: _Folder) -> dict[str, _Folder]:
        """The class folders in ``folder``, after a look at what may be wrong with them."""
        where, found = self._files.where, folder.filled()
        if not found or all(name.lower() in ALIASES for name in found):
            first = self._files.locate(folder.all_images()[0])
            raise DataError(f"{first} lies in no class folder; each class needs its own")
        if empty := sorted(set(folder.folders) - set(found)):
            path = folder.folders[empty[0]].path
            raise DataError(f"{where}: {path}/ lies among the class folders but has no images")
        for inner in found.values():
            if sets := inner.parts(where):
                path = next(iter(sets.values())).path
                raise DataError(f"{where}: {path}/ belongs to a set further down; name the folder it is in")
        return found


def _unwrapped(root: _Folder, where: str) -> _Folder:
    """Without the outer folders that hold nothing but another one."""
    while len(inner := root.filled()) == 1 and not root.images and not root.parts(where):
        (only,) = inner.values()
        if only.images:
            break
        root = only
    return root


def _tree(names: Sequence[str]) -> _Folder:
    root = _Folder()
    for name in names:
        *above, last = name.split("/")
        if any(part.startswith(".") or part in _JUNK for part in (*above, last)):
            continue
        folder = root
        for part in above:
            if part not in folder.folders:
                folder.folders[part] = _Folder(f"{folder.path}/{part}" if folder.path else part)
            folder = folder.folders[part]
        if os.path.splitext(last)[1].lower() in EXTENSIONS:
            folder.images.append(name)
    return root


class DiskFiles:
    """The files below a folder; links are followed."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def names(self) -> Sequence[str]:
        found: list[str] = []

        def give_up(error: OSError) -> None:
            raise DataError(f"{error.filename}: {error.strerror}")

        for at, folders, files in os.walk(self._folder, onerror=give_up, followlinks=True):
            inside = Path(at).relative_to(self._folder).parts
            if len(inside) > MAX_DEPTH:
                raise DataError(f"{at}: folders more than {MAX_DEPTH} deep (a link to a folder above?)")
            folders[:] = [f for f in folders if not f.startswith(".") and f not in _JUNK]
            above = "/".join((*inside, ""))
            found += [f"{above}{f}/" for f in folders] + [above + f for f in files]
        return found

    def locate(self, name: str) -> str:
        return shown(str(self._folder / name))

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        for i, name in enumerate(names):
            path, where = self._folder / name, self.locate(name)
            try:
                about = os.stat(path)
                if not stat.S_ISREG(about.st_mode):
                    raise DataError(f"{where} is no ordinary file")
                if about.st_size > MAX_FILE:
                    raise DataError(f"{where} is larger than {MAX_FILE >> 20} MiB")
                with open(path, "rb") as file:
                    data = file.read()
            except OSError as error:
                raise DataError(f"{where}: {error.strerror}") from None
            yield i, data
