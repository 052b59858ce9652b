"""The cache of decoded images: a folder with an entry for each large set that was read.

An entry is a folder with the images, ``images.npy``, and what else is known of them, ``entry.json``. It has
its name when it is complete; until then it is called ``.part``. Its name is a checksum of all that its images
depend on, so that an entry is never changed, and what was read otherwise is another one.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.cache_place import cache_folder, storing
from rudcodec.data.damage import json_object
from rudcodec.data.mapped import new_array, read_only, release_pages, reserve
from rudcodec.data.sizes import SizeRange
from rudcodec.errors import DataError
from rudcodec.optional import load_optional
from rudcodec.progress import activity
from rudcodec.text import shown

_IMAGES, _FACTS, _PART, _LOCK = "images.npy", "entry.json", ".part", ".lock"
_NAME = re.compile(r"[0-9a-f]{32}(\.part)?")
_BLOCK = 1 << 26  # bytes of images that are written before their pages are released


class StoredImages(NamedTuple):
    """Images of a source that could be read.

    Attributes:
        images: uint8 (N, H, W, C).
        arrived: bool, which of the rows that were asked for these are.
        bad: a line for each of the others.
        sizes: of the images as the source has them.
    """

    images: NDArray[np.uint8]
    arrived: NDArray[np.bool_]
    bad: list[str]
    sizes: SizeRange


class Space:
    """Room for images.

    Attributes:
        images: uint8 (N, H, W, C), to be filled by :meth:`put`.
        found: the same images, if they are there already; then nothing is to be done.
    """

    found: StoredImages | None = None

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images
        self._in_memory = 0

    def put(self, place: int, pixels: NDArray[np.uint8]) -> None:
        """Keep the image of a place, uint8 (H, W, C)."""
        self.images[place] = pixels
        self._in_memory += pixels.nbytes
        if self._in_memory >= _BLOCK:
            release_pages(self.images)
            self._in_memory = 0

    def finish(self, arrived: NDArray[np.bool_], bad: list[str], sizes: SizeRange) -> StoredImages:
        """The images that ``arrived``, in order, moved together within the array."""
        if not arrived.all():
            for target, index in enumerate(np.flatnonzero(arrived)):
                self.put(target, self.images[index])
        return StoredImages(read_only(self.images[: int(arrived.sum())]), arrived, bad, sizes)


class _Found(Space):
    def __init__(self, found: StoredImages) -> None:
        super().__init__(found.images)
        self.found = found


class _NewEntry(Space):
    """An entry of the cache under way."""

    def __init__(self, path: Path, shape: tuple[int, ...], facts: dict[str, Any]) -> None:
        self._path, self._part, self._facts = path, path.with_suffix(_PART), facts
        with storing(path.parent):
            self._part.mkdir()
            with (self._part / _IMAGES).open("w+b") as file:
                head = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, head)
                offset = file.tell()
                reserve(file, math.prod(shape))
                super().__init__(np.memmap(file, np.uint8, "r+", offset, shape))

    def finish(self, arrived: NDArray[np.bool_], bad: list[str], sizes: SizeRange) -> StoredImages:
        super().finish(arrived, bad, sizes)
        assert isinstance(self.images, np.memmap)
        missing = np.flatnonzero(~arrived).tolist()
        facts = {**self._facts, "missing": missing, "bad": bad, "sizes": sizes}
        with storing(self._path.parent):
            self.images.flush()
            self.images = np.empty((0, 0, 0, 0), np.uint8)  # some systems rename no folder of open files
            (self._part / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            self._part.rename(self._path)
        found = _stored(self._path)
        assert found is not None
        return found


def memory_space(shape: tuple[int, ...]) -> Space:
    """Room for images of this process alone. Raises DataError if there is none."""
    return Space(new_array(shape))


@contextmanager
def cache_space(key: str, shape: tuple[int, ...], facts: dict[str, Any]) -> Iterator[Space]:
    """Room for images in the cache, which other processes that want the same ones wait for.

    Args:
        key: the name of the entry.
        shape: of the images: (N, H, W, C).
        facts: what :func:`entries` is to say of them: ``source`` and ``split``.

    Raises:
        DataError: they can't be written. MissingPackageError.
    """
    folder = cache_folder()
    path = folder / key
    if found := _stored(path):
        yield _Found(found)
        return
    filelock = load_optional("filelock")
    lock = filelock.FileLock(path.with_suffix(_LOCK))
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            with activity("waiting for another process, which decodes these images"):
                lock.acquire()
    try:
        if found := _stored(path):
            yield _Found(found)
            return
        _remove(path)
        try:
            yield _NewEntry(path, shape, facts)
        finally:
            shutil.rmtree(path.with_suffix(_PART), ignore_errors=True)
    finally:
        lock.release()


@dataclass(frozen=True)
class Entry:
    """An entry of the cache.

    Attributes:
        path: its folder.
        source: what the set was read from; empty for an entry that isn't complete.
        split: which part of it.
        images: how many; 0 for an entry that isn't complete.
        dimensions: width and height, such as "64x64".
        size: bytes on the disk.
    """

    path: Path
    source: str
    split: str
    images: int
    dimensions: str
    size: int


def entries(folder: Path) -> list[Entry]:
    """What is in a cache, by the sources' names, and what killed processes have left. Raises DataError."""
    found: list[Entry] = []
    try:
        if not folder.is_dir():
            return []
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # another process has just finished or removed it
                if _is_ours(path):
                    found.append(_entry(path))
    except OSError as error:
        raise DataError(f"{shown(str(folder))}: can't be read ({error.strerror or error})") from None
    return sorted(found, key=lambda entry: (entry.source, entry.split))


def clear(folder: Path) -> tuple[list[Entry], list[Entry]]:
    """Remove what is in a cache, but not what another process is making.

    Returns:
        what was removed, and what was left.

    Raises:
        DataError: it can't be removed. MissingPackageError.
    """
    removed: list[Entry] = []
    left: list[Entry] = []
    for entry in entries(folder):
        (removed if _cleared(entry.path) else left).append(entry)
    for lock_path in folder.glob(f"*{_LOCK}"):  # of what could not be decoded, and was never kept
        with suppress(FileNotFoundError):  # as above
            if _NAME.fullmatch(lock_path.stem) and not lock_path.stat().st_size:
                _cleared(lock_path.with_suffix(""))
    return removed, left


def _cleared(path: Path) -> bool:
    """Remove an entry and its lock, unless another process has that. Raises like :func:`clear`."""
    filelock = load_optional("filelock")
    lock_path = path.with_suffix(_LOCK)
    try:
        with filelock.FileLock(lock_path, blocking=False):
            _remove(path.with_suffix(""))
            with suppress(PermissionError):  # Windows removes it with the lock, and not before
                lock_path.unlink(missing_ok=True)
    except filelock.Timeout:
        return False
    except OSError as error:
        raise DataError(f"{shown(str(path))}: can't be removed ({error.strerror or error})") from None
    return True


def _stored(path: Path) -> StoredImages | None:
    """The images of an entry; None if there is none, or it isn't whole."""
    facts = _facts(path)
    try:
        images = np.load(path / _IMAGES, mmap_mode="r", allow_pickle=False)
        arrived = np.ones(len(images), dtype=bool)
        arrived[facts["missing"]] = False
        sizes = SizeRange.of_json(facts["sizes"])
        return StoredImages(images[: int(arrived.sum())], arrived, facts["bad"], sizes)
    except (OSError, ValueError, EOFError, KeyError, TypeError, IndexError):
        return None


def _facts(path: Path) -> dict[str, Any]:
    with suppress(OSError):
        return json_object((path / _FACTS).read_bytes()) or {}
    return {}


def _entry(path: Path) -> Entry:
    files = [file for file in path.iterdir() if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    found = None if path.suffix == _PART else _stored(path)
    if found is None:
        return Entry(path, "", "", 0, "", size)
    facts = _facts(path)
    count, height, width, _ = found.images.shape
    return Entry(path, str(facts.get("source")), str(facts.get("split")), count, f"{width}x{height}", size)


def _is_ours(path: Path) -> bool:
    """Whether this is a folder that is called like an entry and holds what entries do, or is one that isn't
    complete: nothing else is ever removed."""
    if _NAME.fullmatch(path.name) is None or not path.is_dir() or path.is_symlink():
        return False
    names = {one.name for one in path.iterdir()}
    return names <= {_IMAGES, _FACTS} and (bool(names) or path.suffix == _PART)


def _remove(path: Path) -> None:
    """Remove an entry, and one of that name that isn't complete. Raises OSError."""
    part = path.with_suffix(_PART)
    if _is_ours(part):
        shutil.rmtree(part)
    if _is_ours(path):
        path.rename(part)  # at once: it is never seen in parts
        shutil.rmtree(part)
