"""New ``.rud`` files out of others: cut short, merged, or with some of the images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from rudcodec.errors import SettingError
from rudcodec.files import write_bytes
from rudcodec.text import shown

if TYPE_CHECKING:
    from rudcodec.bitstream import File, Truncation

Target = str | os.PathLike[str] | BinaryIO
"""Where a new file goes: a path, or an open binary file."""


def truncate(
    file: File,
    out: Target,
    *,
    ipc: float | None = None,
    bpc: float | None = None,
) -> Truncation:
    """Write the first segments of a ``.rud`` file as a file of their own, to a path or an open file; no image
    is decoded or encoded.

    Of ``file``, a path, an open binary file or a file's contents, as many segments as have at most ``ipc``
    images per class, on average, or ``bpc`` bits per class (or both): the result says how many that were, and
    which classes have no image left. Raises BudgetError when one segment alone is too much, SettingError
    without a limit, DataError or FormatError when a file can't be read or written.
    """
    from rudcodec import bitstream

    result = bitstream.truncate(bitstream.read_bytes(file), ipc=ipc, bpc=bpc)
    write_bytes(result.data, out)
    return result


def merge(files: Iterable[File], out: Target) -> int:
    """Write the images of several ``.rud`` files (paths, open files, contents) as one file, to a path or an
    open file; classes of the same name are one class, and are numbered as they first occur.

    Nothing is decoded or encoded: the file takes about the sum of the others. It has the first one's recipe.
    Returns its size in bytes.

    Raises:
        SettingError: the files don't go together: images of different shapes, other kinds of labels, soft
            labels or a label network of other classes.
        DataError: a file can't be read or written. FormatError: it is malformed.
    """

    if isinstance(files, str | os.PathLike | bytes | bytearray | memoryview):
        raise SettingError("merge takes a list of files")
    data, _ = merged(files)
    write_bytes(data, out)
    return len(data)


def merged(files: Iterable[File]) -> tuple[bytes, int]:
    """The contents of the file that :func:`merge` writes, and how many bytes those have that it is made of.
    Raises as :func:`merge`."""
    from rudcodec import bitstream

    contents, names = [], []
    for number, file in enumerate(files, start=1):
        names.append(shown(os.fspath(file)) if isinstance(file, str | os.PathLike) else f"file {number}")
        contents.append(bitstream.read_bytes(file))
    return bitstream.merge(contents, names), sum(map(len, contents))


def extract(
    file: File,
    out: Target,
    *,
    classes: Iterable[str] | None = None,
    ipc: int | None = None,
    hard: bool = False,
) -> int:
    """Write some of a ``.rud`` file's images as a file of their own; they decode to the same pixels.

    Args:
        file: a path, an open binary file, or a file's contents.
        out: where the new one goes: a path, or an open binary file.
        classes: names of the classes that are kept; None: all.
        ipc: the first so many images of each class; None: all.
        hard: leave out soft labels or a label network.

    Returns:
        The size of the new file in bytes.

    Raises:
        SettingError: nothing to leave out, no such class, nothing left, soft labels that name classes which
            go, or images that may not be a file of their own.
        DataError, FormatError: a file can't be read or written, or is malformed.
    """
    from rudcodec import bitstream

    if classes is None and ipc is None and not hard:
        raise SettingError("extract needs classes, ipc or hard")
    data = bitstream.extract(bitstream.read_bytes(file), classes=classes, ipc=ipc, hard=hard)
    write_bytes(data, out)
    return len(data)
