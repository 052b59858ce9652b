"""Labels that aren't images' classes: a label network, or soft ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rudcodec.payload.models import QLayer
from rudcodec.payload.recipes import ViewRecipe

Kernel = Literal["full", "depthwise", "pointwise"]
"""Of a label network's convolution: 3x3, 3x3 on each channel by itself, or 1x1."""

Norm = Literal["instance", "scale"]
"""Of a label network's layer: over the positions of an image, or a stored scale for each channel."""

Pool = Literal["mean", "max", "global"]
"""Behind a label network's layer: mean or maximum of 2x2 positions, or the mean of all of them."""


@dataclass(frozen=True)
class LabelLayer:
    """A convolution, ``norm``, bias and, unless it is ``linear``, a ReLU; then ``residual`` adds the layer's
    input, and ``pool`` takes fewer positions. A depthwise layer has as many outputs as inputs."""

    out_channels: int
    pool: Pool | None = None
    residual: bool = False
    kernel: Kernel = "full"
    norm: Norm = "instance"
    linear: bool = False


@dataclass(frozen=True, eq=False)
class LabelNetwork:
    """A quantized classifier that labels any view of the images.

    Attributes:
        layers: the convolutions; behind the last one comes a linear layer that sees all its positions.
        parameters: weight, scale and bias of each of ``layers``, then of the linear one (classes, channels *
            height * width). The norm takes convolutions' scale away: their weights have exponent 0.
        temperature: of the softmax that makes probabilities of logits, in 1/16; 1..255.
        views: how those are drawn that students train on; None: the file doesn't say.
        mirror: a view's logits are the mean of its own and its mirror image's.
    """

    layers: tuple[LabelLayer, ...]
    parameters: tuple[QLayer, ...]
    temperature: int
    views: ViewRecipe | None
    mirror: bool = False

    @property
    def softmax_temperature(self) -> float:
        """The temperature as a number."""
        return self.temperature / 16


@dataclass(frozen=True)
class SoftScale:
    """How soft labels of images are quantized.

    Attributes:
        kept: other classes with odds of their own, the most probable ones; at least 1, less than all.
        step: of the odds' logarithm, in 1/64; 1..255.
        temperature: of the softmax that the probabilities come from, in 1/16; 1..255.
    """

    kept: int
    step: int
    temperature: int

    @property
    def softmax_temperature(self) -> float:
        """The temperature as a number."""
        return self.temperature / 16


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Of a segment's images: probabilities in proportion to exp(-step / 64 * odds), odds 0 for the own class.

    Attributes:
        others: int32 (images, kept): the most probable classes besides the own one, in that order.
        odds: int32 (images, kept), and behind them one column, where classes are left, for each of those;
            ascending, |odds| <= 2047.
    """

    others: np.ndarray
    odds: np.ndarray
