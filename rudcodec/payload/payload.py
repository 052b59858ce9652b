"""A whole set: its images in segments, and all that goes with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rudcodec.payload.labels import LabelNetwork, SoftLabels, SoftScale
from rudcodec.payload.models import ImageShape, Model
from rudcodec.payload.recipes import Recipe


@dataclass(frozen=True, eq=False)
class Segment:
    """A balanced subset of the images, ordered by class, in a coder stream of its own.

    Attributes:
        counts: images of each class (length: number of classes).
        latents: one int32 array (images, h, w) per grid in coding order: coarse level first, components
            ascending.
        soft: the images' labels, where the set has soft ones.
        model: number of the model it is decoded with.
        order: the classes that have images, in the order in which these lie; None: ascending.
    """

    counts: tuple[int, ...]
    latents: tuple[np.ndarray, ...]
    soft: SoftLabels | None = None
    model: int = 0
    order: tuple[int, ...] | None = None

    @property
    def labels(self) -> np.ndarray:
        """The class of each image, int64 (images,)."""
        return image_classes(self.counts, self.order)

    def with_images(self, keep: np.ndarray) -> Segment:
        """The segment with some of its images only; ``keep``: bool (images,)."""
        counts = np.bincount(self.labels[keep], minlength=len(self.counts)).tolist()
        order = None if self.order is None else tuple(k for k in self.order if counts[k])
        soft = self.soft and SoftLabels(self.soft.others[keep], self.soft.odds[keep])
        return Segment(tuple(counts), tuple(grid[keep] for grid in self.latents), soft, self.model, order)


def image_classes(counts: tuple[int, ...], order: tuple[int, ...] | None = None) -> np.ndarray:
    """Class of each image, int64 (n,): those of a class together, classes ascending or in a given order."""
    classes = np.arange(len(counts)) if order is None else np.array(order, dtype=np.int64)
    return np.repeat(classes, np.array(counts, dtype=np.int64)[classes])


@dataclass(frozen=True, eq=False)
class Payload:
    """A whole set.

    Attributes:
        classes: their names.
        models: networks; a segment names the one it is decoded with.
        segments: the images.
        recipe: for students; None: the file has none, or none that is understood.
        network: the label network; ``soft``: how images' soft labels are quantized; neither: images have
            their class for a label.
        metadata: what the file says of itself, in words.
    """

    classes: tuple[str, ...]
    models: tuple[Model, ...]
    segments: tuple[Segment, ...]
    recipe: Recipe | None = None
    network: LabelNetwork | None = None
    soft: SoftScale | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """In all segments."""
        return sum(sum(segment.counts) for segment in self.segments)

    @cached_property
    def image_shape(self) -> ImageShape:
        """Of every image."""
        return self.models[0].architecture.image_shape
