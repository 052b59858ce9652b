"""Images' shape, and the networks that decode them: their sizes, and integer parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Share = Literal["dataset", "class"]
"""Which images share networks."""


class ImageShape(NamedTuple):
    """Shape of an image: ``height`` and ``width`` in pixels; ``channels``, 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int

    @property
    def colour(self) -> str:
        """``grey`` or ``colour``."""
        return "grey" if self.channels == 1 else "colour"

    @property
    def text(self) -> str:
        """Such as ``32x32 colour``."""
        return f"{self.width}x{self.height} {self.colour}"


@dataclass(frozen=True, eq=False)
class QTensor:
    """Integers with a power-of-two step: real value = ``values * 2**-exponent``.

    ``values``: int32, any shape, |value| <= 2047. ``exponent``: 0..15.
    """

    values: np.ndarray
    exponent: int


@dataclass(frozen=True, eq=False)
class QLayer:
    """One layer: ``weight`` (out, in) or (out, in, kernel, kernel); ``bias`` (out,).

    The first context layer has one bias row for each grid: (number of grids, out). ``scale`` (out,): of a
    label network's layer whose norm is ``"scale"``, else None.
    """

    weight: QTensor
    bias: QTensor
    scale: QTensor | None = None


@dataclass(frozen=True)
class SynthesisLayer:
    """One convolution: ``kernel`` 1 or 3 (zero padding, same size); ``residual`` adds the layer's input."""

    out_channels: int
    kernel: int
    relu: bool
    residual: bool


@dataclass(frozen=True)
class Architecture:
    """Sizes of images, latent grids and networks.

    Attributes:
        height, width, channels: of a decoded image, in pixels; ``channels`` is 1 or 3.
        grids: number of components of each level, coarse to fine, non-increasing; the last level has full
            resolution, each coarser one half of it (rounded up).
        context_hidden: widths of the context network's hidden layers; may be empty.
        synthesis: layers of the synthesis network; the last has ``out_channels == channels`` and no ReLU.
    """

    height: int
    width: int
    channels: int
    grids: tuple[int, ...]
    context_hidden: tuple[int, ...]
    synthesis: tuple[SynthesisLayer, ...]

    @property
    def image_shape(self) -> ImageShape:
        """Of a decoded image."""
        return ImageShape(self.height, self.width, self.channels)


@dataclass(frozen=True, eq=False)
class Group:
    """Networks shared by a group of images: context layers (hidden, then output) and synthesis layers."""

    context: tuple[QLayer, ...]
    synthesis: tuple[QLayer, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """The networks that some segments are decoded with.

    Attributes:
        architecture: of all groups; height, width and channels are the same in all models of a set.
        groups: of networks.
        classes: the class of each group's images; None: there is one group, for the images of all classes.
    """

    architecture: Architecture
    groups: tuple[Group, ...]
    classes: tuple[int, ...] | None = None


def grouped_classes(share: str, num_classes: int) -> tuple[int, ...] | None:
    """``classes`` of a :class:`Model` whose groups are those of all classes, or one of the whole set."""
    return tuple(range(num_classes)) if share == "class" else None
