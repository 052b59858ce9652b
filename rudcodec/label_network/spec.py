"""Which label network there is to be: as wide as its bits pay for, and the format allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from rudcodec.bitstream.labels import label_parameters, layers_excess
from rudcodec.errors import SettingError
from rudcodec.payload import ImageShape, LabelLayer

BITS_PER_WEIGHT = (1.38, 3.6)  # fewer cost accuracy, more bring none
WIDTHS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 128)


@dataclass(frozen=True)
class LabelNetworkSpec:
    """The label network that is to be trained.

    Attributes:
        layers: its convolutions.
        image_shape: of what goes in.
        num_classes: of what comes out.
        bits: that its parameters should take; no more than they can use.
        num_views: that it is trained on.
        in_file: whether it goes into a file; False for a teacher.
    """

    layers: tuple[LabelLayer, ...]
    image_shape: ImageShape
    num_classes: int
    bits: float
    num_views: int
    in_file: bool = True

    @property
    def minimum_bits(self) -> float:
        """Bits that the convolutions should have at least."""
        channels = [layer.out_channels for layer in self.layers]
        return BITS_PER_WEIGHT[0] * sum(9 * before * after for before, after in pairwise(channels))

    @property
    def num_weights(self) -> int:
        """Weights of all layers, and their biases."""
        return label_parameters(self.layers, self.image_shape, self.num_classes)


def label_network_spec(
    bits: float, image_shape: ImageShape, num_classes: int, num_views: int, in_file: bool = True
) -> LabelNetworkSpec:
    """The widest network whose weights have ``BITS_PER_WEIGHT`` each, and which may be in a file.

    Layers that halve the image down to eight pixels, and two residual ones that halve it on, while two are
    left. Those at 16 pixels and fewer have the full width, each before that half of the next one's: layers of
    many pixels take the time.

    Raises SettingError if there is none: see :func:`has_label_network`.
    """
    widths = _widths(image_shape, num_classes) if in_file else list(WIDTHS)
    if not widths:
        raise SettingError(
            f"labels: a label network for {num_classes:,} classes of {image_shape.text} images would be "
            "larger than a file may hold; choose hard or soft ones"
        )
    fractions = (*_narrow_layers(image_shape), 1)
    # over the width squared, behind the first layer
    weights = 9 * (sum(x * y for x, y in pairwise(fractions)) + 2)
    minimum, maximum = BITS_PER_WEIGHT
    width = max((w for w in widths if weights * w**2 * minimum <= bits), default=widths[0])
    bits = min(bits, maximum * weights * width**2)
    return LabelNetworkSpec(_layers(width, image_shape), image_shape, num_classes, bits, num_views, in_file)


def has_label_network(image_shape: ImageShape, num_classes: int) -> bool:
    """Whether the format has a label network for so many classes of images of a shape."""
    return bool(_widths(image_shape, num_classes))


def _widths(image_shape: ImageShape, num_classes: int) -> list[int]:
    """Those of networks that may be in a file, ascending."""

    def fits(width: int) -> bool:
        return layers_excess(_layers(width, image_shape), True, image_shape, num_classes) is None

    return [width for width in WIDTHS if fits(width)]


def _layers(width: int, image_shape: ImageShape) -> tuple[LabelLayer, ...]:
    side = min(image_shape.height, image_shape.width)
    stem, *middles = (max(8, int(width * fraction)) for fraction in (*_narrow_layers(image_shape), 1))
    layers = []
    for out, smallest_side, residual in (
        (stem, 16, False),
        *((middle, 8, False) for middle in middles),
        *[(width, 4, True)] * 2,
    ):
        pool = side >= smallest_side
        layers.append(LabelLayer(out, "mean" if pool else None, residual))
        side //= 1 + pool
    return tuple(layers)


def _narrow_layers(image_shape: ImageShape) -> list[float]:
    """Fractions of the full width that the first layers have."""
    side = min(image_shape.height, image_shape.width)
    halvings = max(1, round(math.log2(max(side, 2) / 16)))
    return [2.0**-before for before in range(halvings, 0, -1)]
