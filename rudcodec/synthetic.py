"""What a user gets out of a ``.rud`` file: images, labels and the recipe to train with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from rudcodec.errors import BudgetError, FormatError, SettingError
from rudcodec.export import save_folders
from rudcodec.files import write_bytes
from rudcodec.payload import LabelNetwork, Payload, Recipe

if TYPE_CHECKING:
    from rudcodec.bitstream import Truncation
    from rudcodec.viewset import ViewMaker, Views

MOST_VIEWS = 4 << 30
"""Bytes of views that :meth:`SyntheticSet.views` makes in one piece unless it is asked for more."""

File = str | os.PathLike[str] | BinaryIO
"""Where a ``.rud`` file is read from: a path, or an open binary file such as ``sys.stdin.buffer``."""


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """A decoded set.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), indices into ``classes``.
        classes: class names.
        size: bytes of the file it came from.
        recipe: how to train on it; None: the file has no recipe, or none that this version understands.
        network: the label network the file carries, or None.
        probs: float32 (N, classes), soft labels of the images, if the file has some; ``temperature`` of the
            softmax they come from (1.0 else), which a student's should have too.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    size: int
    recipe: Recipe | None
    network: LabelNetwork | None = None
    probs: np.ndarray | None = None
    temperature: float = 1.0

    def __len__(self) -> int:
        return len(self.images)

    @property
    def bpc(self) -> float:
        """Bits per class: 8 * size / number of classes."""
        return 8 * self.size / len(self.classes)

    @property
    def counts(self) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=len(self.classes)))

    @property
    def ipc(self) -> float:
        """Images per class, on average."""
        return len(self) / len(self.classes)

    def training_recipe(self) -> Recipe:
        """The recipe. Raises SettingError if there is none."""
        if self.recipe is None:
            raise SettingError("the file has no training recipe that this version understands: give one")
        return self.recipe

    def views(self, count: int, *, seed: int = 0, start: int = 0, limit: int = MOST_VIEWS) -> Views:
        """Views ``start .. start + count - 1`` of a seed, labelled by the file's network in exact arithmetic.

        The same on every machine. For views made on a training device, faster, see
        :class:`rudcodec.labels.ViewStream`; for more than fit into memory, :meth:`view_batches`.

        Raises:
            SettingError: the file has no label network, or a number is out of range.
            BudgetError: the views take more than ``limit`` bytes.
        """
        maker = self._view_maker()
        size = count * (self.images[0].size + 4 * len(self.classes))
        if size > limit:
            raise BudgetError(
                f"{count:,} views take {size / 1e6:,.0f} MB, more than the limit of {limit / 1e6:,.0f}; "
                "view_batches makes them a few at a time"
            )
        return maker.all(count, seed, start)

    def view_batches(self, count: int, *, seed: int = 0, start: int = 0) -> Iterator[Views]:
        """As :meth:`views`, but a few at a time, in memory that doesn't grow with ``count``."""
        return self._view_maker().batches(count, seed, start)

    def _view_maker(self) -> ViewMaker:
        from rudcodec.viewset import ViewMaker

        if self.network is None:
            raise SettingError("the file has no label network to label views with: its labels are hard")
        if not len(self):
            raise SettingError("there are no images to make views of")
        return ViewMaker(self.images, self.network, self.classes)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``folder/<class>/NNNN.png`` and ``folder/labels.json``; torchvision's ImageFolder reads the
        result.

        See :func:`rudcodec.export.save_folders`. Raises DataError if the folder exists and isn't an empty
        one, or can't be written.
        """
        save_folders(self, folder)


def load(
    path: File,
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
) -> SyntheticSet:
    """Decode a ``.rud`` file, or only some of its classes and segments.

    Segments that aren't asked for, or have no image of the classes asked for, are not read; images of other
    classes in the rest are not synthesized. Labels stay indices into all classes, ``size`` is the file's.
    The digest of a segment's pixels is checked where all of them are wanted.

    ``path`` may also be an open binary file. Raises DataError (no such file), FormatError (bad contents) or
    SettingError (no such class or segment).
    """
    from rudcodec import bitstream

    with bitstream.opened(path) as data:
        payload, images = bitstream.decode_images(data, segments, classes)
        return _wrap(payload, images, len(data))


def load_bytes(data: bytes) -> SyntheticSet:
    """As :func:`load`, of a whole file's contents."""
    from rudcodec import bitstream

    payload, images = bitstream.decode_images(data)
    return _wrap(payload, images, len(data))


def stream(
    path: File,
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
) -> Iterator[SyntheticSet]:
    """As :func:`load`, one segment after another: memory for one segment, or for some small ones that are
    decoded together, whatever the size of the file.

    Each set has its segment's images, in order of class. Errors come with the segment they are in.
    """
    from rudcodec import bitstream

    with bitstream.opened(path) as data:
        for payload, images in bitstream.stream(data, segments, classes):
            yield _wrap(payload, images, len(data))


def salvage(path: File) -> tuple[SyntheticSet, tuple[FormatError, ...]]:
    """What is intact in a damaged ``.rud`` file, and for each lost segment why; none if nothing is wrong.

    Raises DataError (no such file), FormatError when head or weights are damaged or no segment is intact.
    """
    from rudcodec import bitstream

    with bitstream.opened(path) as source:
        data = source[:]
    payload, images, lost = bitstream.salvage(data)
    return _wrap(payload, images, len(data)), lost


def decompress(path: File, folder: str | os.PathLike[str], *, force: bool = False) -> SyntheticSet:
    """Decode a ``.rud`` file and save it as class folders of PNG; returns the set. See
    :meth:`SyntheticSet.save`.

    Raises BudgetError, before anything is decoded or written, if the file asks for an absurd number of files
    or bytes (``rudcodec.output``), unless with ``force``.
    """
    from rudcodec import bitstream
    from rudcodec.output import check_folder, of_folder

    check_folder(folder)
    with bitstream.opened(path) as data:
        if not force:
            of_folder(bitstream.parse(data)).check()
        payload, images = bitstream.decode_images(data)
        result = _wrap(payload, images, len(data))
    result.save(folder)
    return result


def truncate(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
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


def _wrap(payload: Payload, images: np.ndarray, size: int) -> SyntheticSet:
    from rudcodec import bitstream
    from rudcodec.bitstream.constants import TEMPERATURE_BITS

    labels, probs = bitstream.hard_labels(payload), bitstream.soft_labels(payload)
    result = SyntheticSet(images, labels, payload.classes, size, payload.recipe, payload.labels)
    if probs is None or payload.soft is None:
        return result
    return replace(
        result, probs=probs.astype(np.float32), temperature=payload.soft.temperature / 2**TEMPERATURE_BITS
    )
