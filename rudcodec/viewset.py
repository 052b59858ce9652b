"""Labelled views of a set: drawn, rendered and labelled in batches, so that large images take no more
memory than small ones.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rudcodec import views
from rudcodec.bitstream import probabilities
from rudcodec.export import Contents, choose_format, save
from rudcodec.payload import ImageShape, LabelNetwork, Recipe

_PIXELS = 1 << 18  # of the views that are rendered at once


@dataclass(frozen=True, eq=False)
class Views:
    """Labelled views of a set: a map-style dataset of uint8 images (H, W, C) and probabilities, float32
    (classes,).

    Attributes:
        images: uint8 (n, H, W, C).
        probs: float32 (n, classes), the label network's probabilities at its temperature.
        classes: class names.
        recipe: how to train on them, None where the file doesn't say.
        temperature: of the softmax that ``probs`` come from, which a student's should have too.
    """

    images: np.ndarray
    probs: np.ndarray
    classes: tuple[str, ...]
    recipe: Recipe | None
    temperature: float = 1.0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        number = operator.index(index)
        return self.images[number], self.probs[number]

    def __repr__(self) -> str:
        shape = ImageShape(*self.images.shape[1:])
        return f"Views({len(self):,} images {shape.text}, {len(self.classes):,} classes)"

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of each view, int64 (n,)."""
        return np.asarray(self.probs.argmax(1), dtype=np.int64)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> None:  # noqa: A002
        """Save them, as :meth:`rudcodec.SyntheticSet.save` saves a set."""
        chosen = choose_format(path, format)
        save(Contents.of_views([self], len(self.images)), path, chosen)


@dataclass(frozen=True, eq=False)
class ViewMaker:
    """Makes views of ``images``, uint8 (N, H, W, C), and labels them by a network."""

    images: np.ndarray
    network: LabelNetwork
    classes: tuple[str, ...]
    recipe: Recipe | None

    def batches(self, count: int, seed: int, start: int) -> Iterator[Views]:
        """Views ``start .. start + count - 1`` of a seed, some at a time. Raises SettingError."""
        seed, start, count = views.checked_numbers(seed, start, count)
        return self._batches(count, seed, start)

    def _batches(self, count: int, seed: int, start: int) -> Iterator[Views]:
        height, width = self.images.shape[1:3]
        recipe = views.recipe_of(self.network)
        shown = views.sharpened(self.images, recipe, np)
        most = max(1, _PIXELS // (height * width))
        for first in range(start, start + count, most):
            n = min(most, start + count - first)
            parameters = views.draw(recipe, shown.shape, seed, first, n)
            images = views.render(shown, parameters, np)
            yield self._labelled(images, probabilities(self.network, images).astype(np.float32))

    def all(self, count: int, seed: int, start: int) -> Views:
        """The same, in one piece."""
        batches = self.batches(count, seed, start)
        images = np.empty((count, *self.images.shape[1:]), np.uint8)
        probs = np.empty((count, len(self.classes)), np.float32)
        end = 0
        for batch in batches:
            first, end = end, end + len(batch.images)
            images[first:end], probs[first:end] = batch.images, batch.probs
        return self._labelled(images, probs)

    def _labelled(self, images: np.ndarray, probs: np.ndarray) -> Views:
        return Views(images, probs, self.classes, self.recipe, self.network.softmax_temperature)
