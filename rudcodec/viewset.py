"""Labelled views of a set: drawn, rendered and labelled in batches, so that large pictures take no more
memory than small ones.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rudcodec import views
from rudcodec.bitstream import probabilities
from rudcodec.files import write_bytes
from rudcodec.payload import LabelNetwork

_PIXELS = 1 << 18  # of the views that are rendered at once


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
        save_batches([self], len(self.images), path)


@dataclass(frozen=True, eq=False)
class ViewMaker:
    """Makes views of ``images``, uint8 (N, H, W, C), and labels them by a network."""

    images: np.ndarray
    network: LabelNetwork
    classes: tuple[str, ...]

    def batches(self, count: int, seed: int, start: int) -> Iterator[Views]:
        """Views ``start .. start + count - 1`` of a seed, some at a time. Raises SettingError."""
        views.check_numbers(seed, start, count)
        return self._batches(count, seed, start)

    def _batches(self, count: int, seed: int, start: int) -> Iterator[Views]:
        height, width = self.images.shape[1:3]
        recipe = views.recipe_of(self.network)
        most = max(1, _PIXELS // (height * width))
        for first in range(start, start + count, most):
            n = min(most, start + count - first)
            drawn = views.draw(recipe, self.images.shape, seed, first, n)
            pictures = views.render(self.images, drawn, np)
            yield Views(pictures, probabilities(self.network, pictures).astype(np.float32), self.classes)

    def all(self, count: int, seed: int, start: int) -> Views:
        """The same, in one piece."""
        batches = self.batches(count, seed, start)
        pictures = np.empty((count, *self.images.shape[1:]), np.uint8)
        probs = np.empty((count, len(self.classes)), np.float32)
        end = 0
        for part in batches:
            first, end = end, end + len(part.images)
            pictures[first:end], probs[first:end] = part.images, part.probs
        return Views(pictures, probs, self.classes)


def save_batches(batches: Iterable[Views], count: int, path: str | os.PathLike[str]) -> None:
    """Write ``count`` views as one .npz file, complete or not at all. Raises DataError."""
    data = io.BytesIO()
    probs: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with zipfile.ZipFile(data, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:
            for batch in batches:
                if not probs:
                    shape = (count, *batch.images.shape[1:])
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(batch.images).data)
                probs.append(batch.probs)
                labels.append(batch.labels)
        arrays = {"probs": np.concatenate(probs), "labels": np.concatenate(labels)}
        for name, array in (arrays | {"classes": np.array(batch.classes)}).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    write_bytes(data.getvalue(), path)
