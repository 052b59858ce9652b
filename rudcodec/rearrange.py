"""New ``.rud`` files out of others: cut short, merged, or with some of the images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rudcodec.errors import SettingError
from rudcodec.files import write_bytes
from rudcodec.text import shown

if TYPE_CHECKING:
    from rudcodec.bitstream import Truncation

AnyPath = str | os.PathLike[str]


def truncate(
    path: AnyPath,
    out: AnyPath,
    *,
    ipc: float | None = None,
    bpc: float | None = None,
) -> Truncation:
    """Write the first segments of a ``.rud`` file as a file of their own, without decoding or encoding.

    As many segments as have at most ``ipc`` images a class, or ``bpc`` bits a class (or both): the result
    says how many that were. Raises BudgetError when one segment alone is too much, SettingError without a
    limit, DataError or FormatError when a file can't be read or written.
    """
    from rudcodec import bitstream

    result = bitstream.truncate(bitstream.read_bytes(path), ipc=ipc, bpc=bpc)
    write_bytes(result.data, out)
    return result


def merge(paths: Iterable[AnyPath], out: AnyPath) -> int:
    """Write the images of several ``.rud`` files as one file; classes of the same name are one class.

    Nothing is decoded or encoded: the file takes about the sum of the others. It has the first one's recipe.
    Returns its size in bytes.

    Raises:
        SettingError: the files don't go together: images of different shapes, other kinds of labels, soft
            labels or a label network of other classes.
        DataError: a file can't be read or written. FormatError: it is malformed.
    """
    from rudcodec import bitstream

    if isinstance(paths, str | os.PathLike):
        raise SettingError("merge takes a list of paths")
    paths = list(paths)
    names = [shown(os.fspath(path)) for path in paths]
    data = bitstream.merge([bitstream.read_bytes(path) for path in paths], names)
    write_bytes(data, out)
    return len(data)


def extract(
    path: AnyPath,
    out: AnyPath,
    *,
    classes: Iterable[str] | None = None,
    ipc: int | None = None,
    hard: bool = False,
) -> int:
    """Write some of a ``.rud`` file's images as a file of their own; they decode to the same pixels.

    Args:
        path: the file.
        out: where the new one goes.
        classes: names of the classes that are kept; None: all.
        ipc: the first so many images of each class; None: all.
        hard: leave out soft labels or a label network.

    Returns:
        The size of the new file in bytes.

    Raises:
        SettingError: no such class, nothing left, soft labels that name classes which go, or images that
            may not be a file of their own.
        DataError, FormatError: a file can't be read or written, or is malformed.
    """
    from rudcodec import bitstream

    if isinstance(classes, str):
        raise SettingError("classes must be a list of names")
    kept = None if classes is None else tuple(classes)
    data = bitstream.extract(bitstream.read_bytes(path), classes=kept, ipc=ipc, hard=hard)
    write_bytes(data, out)
    return len(data)
