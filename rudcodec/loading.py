"""Reading ``.rud`` files: all of one, some of it, one segment after another, or what is intact."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np

from rudcodec.errors import FormatError
from rudcodec.export import Contents, choose_format
from rudcodec.export import save as save_contents
from rudcodec.payload import Payload
from rudcodec.rearrange import merged
from rudcodec.synthetic import SyntheticSet

if TYPE_CHECKING:
    from rudcodec.bitstream import File


def load(
    path: File | Iterable[File],
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
    strict: bool = False,
) -> SyntheticSet:
    """Decode a ``.rud`` file, or only some of its classes and segments.

    Segments that aren't asked for are not read, those that have no image of the classes asked for not
    decoded; images of other classes in the rest are not synthesized. Labels stay indices into all classes,
    ``size`` is the file's. The digest of a segment's pixels is checked where all of them are wanted.

    ``strict`` is for files of strangers: of those that pass, none below a megabyte takes more than a few
    seconds, or a gigabyte. Otherwise that grows with the file's bytes, up to minutes for a megabyte made to
    be slow. What asks for more raises FormatError before anything is decoded, as large sets do: about 3,000
    images of 32 x 32 pixels pass, where classes are few and share their networks.

    ``path`` may also be an open binary file, or a whole file's contents; or several of these, whose images
    become one set as :func:`rudcodec.merge` has it: classes are numbered as they first occur, so that those
    of the first file keep their numbers. Raises DataError (no such file), FormatError (bad contents) or
    SettingError (no such class or segment, or files that don't go together).
    """
    from rudcodec import bitstream

    if _are_several(path):
        contents, size = merged(path)
        payload, images = bitstream.decode_images(contents, segments, classes, strict)
        return _wrap(payload, images, size)
    with bitstream.opened(cast("File", path)) as data:
        payload, images = bitstream.decode_images(data, segments, classes, strict)
        return _wrap(payload, images, len(data))


def _are_several(path: File | Iterable[File]) -> TypeGuard[Iterable[File]]:
    """Whether these are files, rather than one, which can be iterated over, too."""
    is_one = isinstance(path, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(path, "read")
    return isinstance(path, Iterable) and not (is_one or isinstance(path, Mapping))


def stream(
    path: File,
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
    strict: bool = False,
) -> Iterator[SyntheticSet]:
    """As :func:`load`, one segment after another: memory for one segment, or for some small ones that are
    decoded together, whatever the size of the file.

    Each set has its segment's images, class after class. Errors of sections and their fields come first,
    those of coded streams with the segment they are in.
    """
    from rudcodec import bitstream

    with bitstream.opened(path) as data:
        for payload, images in bitstream.stream(data, segments, classes, strict):
            yield _wrap(payload, images, len(data))


def salvage(path: File, *, strict: bool = False) -> tuple[SyntheticSet, tuple[FormatError, ...]]:
    """What is intact in a damaged ``.rud`` file, and why each lost segment, and whatever else, can't be read;
    none if nothing is wrong.

    With ``strict``, segments that ask for more than :func:`load` then allows are lost, too. Raises
    DataError (no such file), FormatError when head or weights are damaged or no segment is intact.
    """
    from rudcodec import bitstream

    data = bitstream.read_bytes(path)
    payload, images, lost = bitstream.salvage(data, strict)
    return _wrap(payload, images, len(data)), lost


def decompress(
    path: File,
    out: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    force: bool = False,
    strict: bool = False,
) -> SyntheticSet:
    """Decode a ``.rud`` file and save it, by default as class folders of PNG; returns the set. ``out`` and
    ``format`` are those of :meth:`SyntheticSet.save`, ``strict`` that of :func:`load`.

    Raises BudgetError, before anything is decoded or written, if the file asks for an absurd number of files
    or bytes (``rudcodec.output``), unless with ``force``.
    """
    from rudcodec import bitstream
    from rudcodec.export.targets import check_folder
    from rudcodec.files import check_not_read, check_writable
    from rudcodec.output import of_saving

    chosen = choose_format(out, format)
    if chosen is None:
        check_folder(out)
    else:
        check_writable(out)
        check_not_read(out, [path])
    with bitstream.opened(path) as data:
        if not force:
            of_saving(bitstream.parse(data, strict=strict), chosen).check()
        payload, images = bitstream.decode_images(data, strict=strict)
        result = _wrap(payload, images, len(data))
    save_contents(Contents.of_set(result), out, chosen)
    return result


def _wrap(payload: Payload, images: np.ndarray, size: int) -> SyntheticSet:
    from rudcodec import bitstream

    labels, probs = bitstream.hard_labels(payload), bitstream.soft_labels(payload)
    result = SyntheticSet(
        images, labels, payload.classes, size, payload.recipe, payload.network, metadata=payload.metadata
    )
    if probs is None or payload.soft is None:
        return result
    return replace(result, probs=probs.astype(np.float32), temperature=payload.soft.softmax_temperature)
