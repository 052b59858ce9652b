"""The limits of a file, checked before memory is taken, in writing and in reading alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from rudcodec.bitstream.constants import ACTIVATION_BITS, INPUTS, LATENT_BITS
from rudcodec.payload import Architecture

SIDE = 1024  # pixels
LEVELS = 12
COMPONENTS = 8
LATENT = 32767
CONTEXT_LAYERS = 8
CONTEXT_WIDTH = 128
SYNTHESIS_LAYERS = 8
SYNTHESIS_WIDTH = 256
CLASSES = 65535
NAME = 255  # bytes
SEGMENTS = 65535
COUNTS = 1 << 24  # of images of a class in a segment, of all classes and segments
IMAGES = 1 << 24  # of a class in a segment
WEIGHT = 2047
EXPONENT = 15
GROUPS = 1 << 10  # of all models
PARAMETERS = 1 << 22  # of all groups of all models
WIDEST = 1 << 25  # pixels of an image, times the widest layer's channels; of a label layer, too
BATCHES = 1 << 14  # of a segment
WORK = 1 << 36  # of all segments, as far as it goes beyond WORK_PER_BYTE
WORK_PER_BYTE = 1 << 22  # of a segment's body
STRICT_WORK_PER_BYTE = 1 << 15  # the same, from strangers

ACCUMULATOR = 1 << 43  # what the limits above keep every partial sum of a layer below
LABEL_LAYERS = 32
LABEL_WIDTH = 512
LABEL_PARAMETERS = 1 << 20
LABEL_ROW = 4096  # sum of the magnitudes of the weights of a label convolution's output channel
LABEL_BIAS = 4  # largest exponent of a label layer's bias, over its weight's
LABEL_WORK = 1 << 30  # multiply-accumulates of a view
SOFT_KEPT = 16  # classes besides its own that a soft label names
SOFT_CHOICES = 1 << 60  # of such classes
ANCILLARY = 1 << 10  # sections
METADATA = 1 << 16  # bytes
PAIRS = 256  # of metadata
KEY = 64  # bytes
VALUE = 4096  # bytes


def level_sizes(architecture: Architecture) -> list[tuple[int, int]]:
    """(height, width) of each level, coarse to fine."""
    sizes = [(architecture.height, architecture.width)]
    for _ in architecture.grids[1:]:
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes[::-1]


class LayerShape(NamedTuple):
    """Shapes of a layer's tensors, and the fractional bits of its input."""

    weight: tuple[int, ...]
    bias: tuple[int, ...]
    fraction: int


def layer_shapes(architecture: Architecture) -> list[LayerShape]:
    """Context layers, then synthesis layers."""
    shapes: list[LayerShape] = []
    widths = [INPUTS, *architecture.context_hidden, 2]
    for i, (in_channels, out_channels) in enumerate(pairwise(widths)):
        bias = (sum(architecture.grids), out_channels) if i == 0 else (out_channels,)
        shapes.append(LayerShape((out_channels, in_channels), bias, ACTIVATION_BITS if i else 0))
    in_channels = sum(architecture.grids)
    for i, layer in enumerate(architecture.synthesis):
        weight = (layer.out_channels, in_channels, layer.kernel, layer.kernel)
        shapes.append(LayerShape(weight, (layer.out_channels,), ACTIVATION_BITS if i else LATENT_BITS))
        in_channels = layer.out_channels
    return shapes


def network_shapes(architecture: Architecture) -> tuple[list[LayerShape], list[LayerShape]]:
    """Layers of the context network, and of the synthesis network."""
    shapes, depth = layer_shapes(architecture), len(architecture.context_hidden) + 1
    return shapes[:depth], shapes[depth:]


def parameters(architecture: Architecture) -> int:
    """Weights and biases of one group."""
    return sum(math.prod(shape.weight) + math.prod(shape.bias) for shape in layer_shapes(architecture))


def latents_per_image(architecture: Architecture) -> int:
    """Of all levels."""
    levels = zip(architecture.grids, level_sizes(architecture), strict=True)
    return sum(components * height * width for components, (height, width) in levels)


@lru_cache(maxsize=64)
def batches(architecture: Architecture) -> int:
    """Of latents in a segment: each is coded in one go."""
    levels = zip(architecture.grids, level_sizes(architecture), strict=True)
    return sum(components * (width + 3 * (height - 1)) for components, (height, width) in levels)


@lru_cache(maxsize=64)
def image_work(architecture: Architecture) -> int:
    """What an image adds to the work of its segment, soft labels apart."""
    context, synthesis = network_shapes(architecture)
    latent = (1 << 11) + sum(math.prod(shape.weight) for shape in context)
    pixel = (1 << 10) + 64 * sum(architecture.grids)
    for shape in synthesis:
        out_channels, in_channels, kernel, _ = shape.weight
        pixel += math.prod(shape.weight) + 32 * kernel * (in_channels + out_channels)
    area = architecture.height * architecture.width
    return (1 << 15) + latents_per_image(architecture) * latent + area * pixel


def segment_work(
    architecture: Architecture, images: int, groups: int, classes: int, soft_symbols: int = 0
) -> int:
    """The work of decoding a segment, about that of so many multiply-accumulates of a vectorised decoder.

    ``groups``: those that its images use; ``soft_symbols``: of an image's soft label, 0 with hard ones.
    """
    soft = (classes + soft_symbols) << 11 if soft_symbols else 0
    fixed = (1 << 21) + (classes << 14) + (batches(architecture) * groups << 18)
    return fixed + images * (image_work(architecture) + soft)


def model_work(architecture: Architecture, groups: int) -> int:
    """The work of a model, whatever its segments: that of going through the batches of latents, and of
    reading its groups' layers."""
    return batches(architecture) + groups * len(layer_shapes(architecture)) << 21


@dataclass
class WorkLimit:
    """The work of models and segments so far, as far as their own bytes don't pay for it.

    ``strict``: a byte pays for ``STRICT_WORK_PER_BYTE``.
    """

    strict: bool = False
    excess: int = 0

    def add(self, work: int, size: int = 0) -> str | None:
        """Add a model, or a segment with a body of ``size`` bytes; or say what would be wrong with the sum,
        and don't."""
        per_byte = STRICT_WORK_PER_BYTE if self.strict else WORK_PER_BYTE
        excess = self.excess + max(0, work - size * per_byte)
        if excess > WORK:
            reason = f"asks for {excess} units of work more than its bytes pay for, at most {WORK} are free"
            return reason + (", strictly; without strict it may be read" if self.strict else "")
        self.excess = excess
        return None


def model_excess(architecture: Architecture) -> str | None:
    """What networks ask for beyond the limits on a single model; None if nothing."""
    area = architecture.height * architecture.width
    widest = max(sum(architecture.grids), *(layer.out_channels for layer in architecture.synthesis))
    return beyond(
        ("pixels times channels of the widest layer", area * widest, WIDEST),
        ("batches of latents", batches(architecture), BATCHES),
    )


@dataclass
class NetworksLimit:
    """The networks of the models so far."""

    groups: int = 0
    parameters: int = 0

    def add(self, architecture: Architecture, groups: int) -> str | None:
        """Add a model's groups; what all ask for together beyond the limits, None if nothing."""
        self.groups += groups
        self.parameters += groups * parameters(architecture)
        return beyond(
            ("groups of networks", self.groups, GROUPS),
            ("network parameters", self.parameters, PARAMETERS),
        )


def counts_excess(classes: int, segments: int) -> str | None:
    """What a head asks for beyond the limit on counts of images; None if nothing."""
    return beyond(("counts of a class's images in a segment", classes * segments, COUNTS))


def beyond(*amounts: tuple[str, int, int]) -> str | None:
    """The first of (name, amount, limit) that is beyond its limit, in words."""
    for name, value, limit in amounts:
        if value > limit:
            return f"asks for {value} {name}, at most {limit} are allowed"
    return None
