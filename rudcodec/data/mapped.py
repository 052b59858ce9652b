"""Large arrays: they lie in files that are mapped into memory, whose pages the system can take back."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rudcodec.data.bounds import check_memory
from rudcodec.data.cache_place import cache_folder, storing
from rudcodec.errors import SettingError
from rudcodec.options import parse_bytes
from rudcodec.text import shown

MEMORY_VARIABLE = "RUDCODEC_IN_MEMORY"
"""The environment variable that says up to how many bytes an array stays in memory."""
IN_MEMORY = 512 << 20
"""The same without it."""
_BLOCK = 1 << 24


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


def is_large(size: int) -> bool:
    """Whether so many bytes don't belong into memory. Raises SettingError if the user's limit is none."""
    text = os.environ.get(MEMORY_VARIABLE)
    if not text:
        return size > IN_MEMORY
    try:
        return size > parse_bytes(text)
    except ValueError:
        raise SettingError(
            f"${MEMORY_VARIABLE} must be a number of bytes such as 512MiB, not {shown(text)}"
        ) from None


def new_array(shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """An array of undefined values: in memory or, if it is large, in a file of the cache's folder that has no
    name and is gone with the array. Raises DataError if there is no room for it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not is_large(size):
        check_memory(size, "the decoded images", f"a lower ${MEMORY_VARIABLE} keeps them on the disk")
        return np.empty(shape, dtype)
    folder = cache_folder()
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, size)
            return np.memmap(file, dtype, "r+", shape=shape)


def take(array: NDArray[Any], rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """A copy of some rows of an array, whose own pages don't stay in memory."""
    copy = array[rows]
    release_pages(array)
    return copy


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array where it is in memory; of a mapped one a view that nobody can write into."""
    if not isinstance(array, np.memmap):
        return array
    view = array[:]
    view.flags.writeable = False
    return view


def release_pages(array: NDArray[Any]) -> None:
    """Take the pages of a mapped file out of this process, as they count as its memory; the system keeps them
    while it has room. Nothing happens to other arrays, or where the system can't do that."""
    if not isinstance(array, np.memmap) or array.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    file_map: mmap.mmap | None = getattr(array, "_mmap", None)  # numpy has no public name for it
    if file_map is not None:
        file_map.madvise(mmap.MADV_DONTNEED)


def read_into(array: NDArray[Any], stream: Readable) -> int:
    """Read the next bytes of a stream into an array that lies in one piece; returns how many there were."""
    room, done = array.reshape(-1).view(np.uint8).data, 0
    while done < len(room) and (data := stream.read(min(_BLOCK, len(room) - done))):
        room[done : done + len(data)] = data
        done += len(data)
        release_pages(array)
    return done


def reserve(file: BinaryIO, size: int) -> None:
    """Give a file so many bytes on the disk behind those that are written: without them, writing into its map
    would kill the process. Raises OSError if there is no room for them."""
    file.flush()
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), file.tell(), size)
        return
    file.writelines(bytes(min(_BLOCK, size - start)) for start in range(0, size, _BLOCK))
    file.flush()
