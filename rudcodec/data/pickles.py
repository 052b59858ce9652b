"""Pickled dicts of byte arrays, as CIFAR's authors publish them, read without running anything in them.

Only the operations that such files need are let through, and the few functions of numpy that they name are
replaced by ones that make a uint8 array and nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.errors import DataError

_OPERATIONS = frozenset(
    {
        "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP",
        "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
        "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
        "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
        "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
    }
)  # fmt: skip
_INDEXED = ("PUT", "BINPUT", "LONG_BINPUT")
_DAMAGE = (
    pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
    OverflowError, MemoryError, RecursionError, ImportError, AssertionError,
)  # fmt: skip


def read_pickle(data: bytes, where: str) -> dict[str, Any]:
    """The dict of strings, numbers, lists and uint8 arrays in a pickle; bytes that are keys or texts are str.

    Raises:
        DataError: it holds anything else, or is damaged.
    """
    try:
        _check_operations(data, where)
        value = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except _DAMAGE:
        raise DataError(f"{where}: is no pickled batch of CIFAR, or a damaged one") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: is no pickled batch of CIFAR: it holds no dict")
    return {_text(key): entry for key, entry in value.items() if isinstance(key, str | bytes)}


def byte_array(value: Any, where: str) -> NDArray[np.uint8]:
    """The uint8 array that an entry is. Raises DataError for anything else."""
    array = value.array if isinstance(value, _ByteArray) else None
    if array is None:
        raise DataError(f"{where}: is no array of bytes")
    return array


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin1")


def _check_operations(data: bytes, where: str) -> None:
    """Raise DataError at an operation that no batch of CIFAR needs, and at a memo of large claims."""
    puts = 0
    for operation, argument, _ in pickletools.genops(data):
        if operation.name not in _OPERATIONS:
            raise DataError(
                f"{where}: is a pickle of other things than CIFAR's batches; nothing in it was run. Take the "
                "binary version of the set, or write its arrays into an .npz"
            )
        puts += operation.name in (*_INDEXED, "MEMOIZE")
        # the unpickler takes memory up to the largest number
        if operation.name in _INDEXED and int(argument or 0) > 2 * puts + 1024:
            raise DataError(f"{where}: is damaged, or no pickle of CIFAR: its memo has gaps")


class _ByteArray:
    """A stand-in for numpy.ndarray that holds bytes only."""

    array: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, contents = state
        raw = contents.encode("latin1") if isinstance(contents, str) else contents
        if not isinstance(dtype, _Type) or dtype.name not in ("u1", "|u1") or math.prod(shape) != len(raw):
            raise ValueError("other numbers than bytes")
        self.array = np.frombuffer(bytes(raw), np.uint8).reshape(shape, order="F" if is_fortran else "C")


class _Type:
    """A stand-in for numpy.dtype: its name."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = _text(name) if isinstance(name, str | bytes) else ""

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which single bytes don't have."""


def _make_array(*_: Any) -> _ByteArray:
    return _ByteArray()


def _from_buffer(contents: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> _ByteArray:
    """As numpy pickles arrays by protocol 5."""
    result = _ByteArray()
    result.__setstate__((1, shape, dtype, order == "F", contents))
    return result


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes, as Python 3 writes them for Python 2."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("other bytes")
    return text.encode("latin1")


_GLOBALS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _make_array,
    ("numpy._core.multiarray", "_reconstruct"): _make_array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): _ByteArray,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError("another function or class") from None
