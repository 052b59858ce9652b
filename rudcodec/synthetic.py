"""What a user gets out of a ``.rud`` file: images, labels and the recipe to train with."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rudcodec.errors import FormatError, SettingError
from rudcodec.export import save_folders
from rudcodec.files import write_bytes
from rudcodec.payload import LabelNetwork, Payload, Recipe

if TYPE_CHECKING:
    from rudcodec.bitstream import Truncation


VIEWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Views:
    """Labelled views of a set.

    Attributes:
        images: uint8 (n, H, W, C).
        probs: float32 (n, classes), the label network's probabilities at its temperature.
        classes: class names.
    """

    images: np.ndarray
    probs: np.ndarray
    classes: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of each view, int64 (n,)."""
        return np.asarray(self.probs.argmax(1), dtype=np.int64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .npz file with ``images``, ``probs``, ``labels`` and ``classes``, complete or not at all.

        Raises DataError when it can't be written.
        """
        data = io.BytesIO()
        np.savez(
            data, images=self.images, probs=self.probs, labels=self.labels, classes=np.array(self.classes)
        )
        write_bytes(data.getvalue(), path)


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """A decoded set.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), indices into ``classes``.
        classes: class names.
        size: bytes of the file it came from.
        recipe: how to train on it.
        network: the label network the file carries, or None.
        probs: float32 (N, classes), soft labels of the images, if the file has some; ``temperature`` of the
            softmax they come from (1.0 else), which a student's should have too.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    size: int
    recipe: Recipe
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

    def views(self, count: int, *, seed: int = 0, start: int = 0) -> Views:
        """Views ``start .. start + count - 1`` of a seed, labelled by the file's network in exact arithmetic.

        The same on every machine. For views made on a training device, faster, see
        :class:`rudcodec.labels.ViewStream`. Raises SettingError where the file has no label network.
        """
        from rudcodec import bitstream, views

        if self.network is None:
            raise SettingError("the file has no label network to label views with: its labels are hard")
        if count < 0 or start < 0 or seed < 0:
            raise SettingError("views: count, start and seed must not be negative")
        height, width = self.images.shape[1:3]
        parts = []
        for first in range(start, start + count, VIEWS_AT_ONCE):
            n = min(VIEWS_AT_ONCE, start + count - first)
            drawn = views.draw(self.network.views, len(self), height, width, seed, first, n)
            parts.append(views.render(self.images, drawn, np))
        images = np.concatenate([self.images[:0], *parts])
        return Views(images, bitstream.probabilities(self.network, images).astype(np.float32), self.classes)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``folder/<class>/NNNN.png`` and ``folder/labels.json``; torchvision's ImageFolder reads the
        result.

        See :func:`rudcodec.export.save_folders`. Raises DataError if the folder exists and isn't an empty
        one, or can't be written.
        """
        save_folders(self, folder)


def load(
    path: str | os.PathLike[str],
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
) -> SyntheticSet:
    """Decode a ``.rud`` file, or only some of its classes and segments.

    Segments that aren't asked for, or have no image of the classes asked for, are not read; images of other
    classes in the rest are not synthesized. Labels stay indices into all classes, ``size`` is the file's.
    The digest of a segment's pixels is checked where all of them are wanted.

    Raises DataError (no such file), FormatError (bad contents) or SettingError (no such class or segment).
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
    path: str | os.PathLike[str],
    *,
    classes: Iterable[str] | None = None,
    segments: Iterable[int] | None = None,
) -> Iterator[SyntheticSet]:
    """As :func:`load`, one segment after another: memory for one segment, whatever the size of the file.

    Each set has its segment's images, in order of class. Errors come with the segment they are in.
    """
    from rudcodec import bitstream

    with bitstream.opened(path) as data:
        for payload, images in bitstream.stream(data, segments, classes):
            yield _wrap(payload, images, len(data))


def salvage(path: str | os.PathLike[str]) -> tuple[SyntheticSet, tuple[FormatError, ...]]:
    """What is intact in a damaged ``.rud`` file, and for each lost segment why; none if nothing is wrong.

    Raises DataError (no such file), FormatError when head or weights are damaged or no segment is intact.
    """
    from rudcodec import bitstream

    data = bitstream.read_bytes(path)
    payload, images, lost = bitstream.salvage(data)
    return _wrap(payload, images, len(data)), lost


def decompress(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> SyntheticSet:
    """Decode a ``.rud`` file and save it as class folders of PNG; returns the set. See
    :meth:`SyntheticSet.save`.
    """
    result = load(path)
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

    labels, probs = bitstream.hard_labels(payload), bitstream.soft_labels(payload)
    result = SyntheticSet(images, labels, payload.classes, size, payload.recipe, payload.labels)
    if probs is None or payload.soft is None:
        return result
    return replace(result, probs=probs.astype(np.float32), temperature=payload.soft.temperature / 16)
