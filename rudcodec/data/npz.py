"""Sets in an .npz file."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from rudcodec.data.array_keys import key_of_classes, keys_by_lowercase, other_arrays, pairs_by_split
from rudcodec.data.arrays import ArraySource, read_pair
from rudcodec.data.bounds import MAX_DEFLATE, MAX_LABEL, check_memory
from rudcodec.data.kinds import kind_of_file
from rudcodec.data.mapped import is_large, new_array, read_into
from rudcodec.data.reading import Reading
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

SUFFIX = ".npz"

DAMAGE = (
    OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError, OverflowError,
    TypeError, RecursionError, zipfile.BadZipFile, zlib.error,
    SyntaxError, tokenize.TokenError,  # of the head of an array, which is Python
)  # fmt: skip
HOLDS_OBJECTS = "it holds Python objects, not numbers"


def open_npz(path: Path, reading: Reading) -> ArraySource | None:
    """The set in an .npz, None of other files: ``images`` and ``labels``, or for each split ``x_train`` and
    ``y_train``, or ``train_images`` and ``train_labels``; the names of the classes in ``classes``, if there.
    The case of keys doesn't matter. Images are uint8, or floats in 0..1, or floats normalised by ``mean``
    and ``std``; labels are numbers, texts, or one-hot.

    Raises:
        DataError: not an .npz, or none of these is in it.
    """
    if path.suffix.lower() != SUFFIX:
        return None
    where = shown(str(path))
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist()]
    except OSError as error:
        raise DataError(f"{where}: can't be read ({error.strerror})") from None
    except DAMAGE:
        raise DataError(f"{where}: not an .npz, but {kind_of_file(path)}") from None

    keys = keys_by_lowercase(names, where)
    norm: dict[str, str] = {key: keys[key] for key in ("mean", "std") if key in keys}
    pairs = pairs_by_split(keys, where)
    readers = {
        split: partial(read_pair, partial(_read, path), images, labels, norm, reading, where)
        for split, (images, labels) in pairs.items()
    }
    if not readers:
        raise DataError(
            f"{where}: has no images and labels (nor x_train and y_train), only {listed(keys.values())}"
        )
    key = key_of_classes(keys)
    classes = class_names(_read(path, key), f"{where}: {shown(key)}") if key else None
    source = ArraySource(path.stem, where, readers, classes)
    used = {name for pair in pairs.values() for name in pair} | {*norm.values(), key}
    source.beside = other_arrays(names, used)
    return source


def _read(path: Path, key: str) -> NDArray[Any]:
    where = f"{shown(str(path))}: {shown(key)}"
    try:
        with np.load(path, allow_pickle=False) as file:
            entry = file.zip.getinfo(f"{key}.npy" if f"{key}.npy" in file.zip.namelist() else key)
            if is_large(entry.file_size):
                if entry.file_size > MAX_DEFLATE * entry.compress_size:
                    raise ValueError("it can't be so long")
                with file.zip.open(entry) as stream:
                    array = _read_large(stream, entry.file_size)
            else:
                check_memory(entry.file_size, where + " would")
                array = np.asarray(file[key])
    except OSError as error:
        raise DataError(f"{where} can't be read ({error.strerror or 'the file is damaged'})") from None
    except DAMAGE as error:
        why = HOLDS_OBJECTS if is_of_objects(error) else "the entry is damaged or cut short"
        raise DataError(f"{where} can't be read: {why}") from None
    return decoded_texts(array, where)


def is_of_objects(error: Exception) -> bool:
    """Whether numpy refused an array of Python objects, which it says in two ways."""
    return isinstance(error, ValueError) and any(
        words in str(error) for words in ("allow_pickle", "Python objects")
    )


def _read_large(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array in a stream of ``size`` bytes. Raises ValueError if it is none."""
    read_head = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
    shape, fortran_order, dtype = read_head[read_magic(stream)](stream)
    if dtype.hasobject:
        raise ValueError("Python objects")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError("it is cut short")
    array = new_array(shape[::-1] if fortran_order else shape, dtype)
    if read_into(array, stream) < array.nbytes:
        raise EOFError
    return array.T if fortran_order else array


def decoded_texts(array: NDArray[Any], where: str) -> NDArray[Any]:
    """The same array, with str for bytes. Raises DataError if these are no UTF-8 or too long for labels."""
    if array.dtype.kind != "S":
        return array
    if array.dtype.itemsize > MAX_LABEL:
        raise DataError(f"{where} has texts of more than {MAX_LABEL} characters")
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{where} has texts that are no UTF-8") from None


def class_names(names: NDArray[Any], where: str) -> list[str]:
    """The texts of an array. Raises DataError if it holds something else."""
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"{where} must be a list of texts, not {shown(str(names.dtype))} {names.shape}")
    return [str(name) for name in names]
