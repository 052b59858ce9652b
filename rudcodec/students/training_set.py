"""The sets that students are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rudcodec.data import LabelledImages
from rudcodec.errors import DataError
from rudcodec.payload import LabelNetwork, Recipe

if TYPE_CHECKING:
    from rudcodec.synthetic import SyntheticSet


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images with labels of one of three kinds: their classes, probabilities, or a network that labels views.

    Attributes:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), in 0..num_classes - 1.
        num_classes: outputs that a student has.
        probs: float32 (N, num_classes), soft labels, which are used instead of ``labels``.
        temperature: of the softmax that ``probs`` come from; students' logits are divided by it.
        network: labels views of the images, which are then what students see, at its own temperature.

    Raises:
        DataError: images and labels don't fit together.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    num_classes: int
    probs: NDArray[np.float32] | None = None
    temperature: float = 1.0
    network: LabelNetwork | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim == 4 and not len(images):
            raise DataError("there are no images to train on")
        if images.dtype != np.uint8 or images.ndim != 4:
            raise DataError(f"training images must be uint8 (N, H, W, C), not {images.dtype} {images.shape}")
        if labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() >= self.num_classes:
            raise DataError(f"{len(images)} training images need as many labels in 0..{self.num_classes - 1}")

    @classmethod
    def with_classes(cls, data: LabelledImages | SyntheticSet) -> TrainingSet:
        """A set's images with their classes as labels."""
        return cls(data.images, data.labels, len(data.classes))

    @classmethod
    def with_own_labels(cls, data: SyntheticSet) -> TrainingSet:
        """A decoded set with the labels it brings, of whichever kind."""
        images, labels, count = data.images, data.labels, len(data.classes)
        return cls(images, labels, count, data.probs, data.temperature, data.network)

    @classmethod
    def with_network(cls, data: LabelledImages, network: LabelNetwork) -> TrainingSet:
        """A set's images, views of which a network labels."""
        return cls(data.images, data.labels, len(data.classes), network=network)

    def batch_size(self, recipe: Recipe) -> int:
        """Views or images of a step; of images no more than there are."""
        return recipe.batch if self.network is not None else min(recipe.batch, len(self.images))

    @property
    def image_cost(self) -> float:
        """What an image that a student sees costs, over one that is there already: views must be made and
        labelled, too."""
        return 1.0 if self.network is None else 8.0

    @property
    def softmax_temperature(self) -> float | None:
        """The temperature of the labels' softmax; None where images have their classes as labels."""
        if self.network is not None:
            return self.network.softmax_temperature
        return None if self.probs is None else self.temperature
