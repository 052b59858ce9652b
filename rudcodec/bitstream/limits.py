"""The limits of a version 1 file, checked before memory is taken, in writing and in reading alike."""

from __future__ import annotations

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
COUNTS = 1 << 20  # segments * classes
IMAGES = 1 << 24  # of a class in a segment
WEIGHT = 2047
EXPONENT = 15
PARAMETERS = 1 << 22
WIDEST = 1 << 25  # pixels of an image, times the widest layer's channels
# the following hold for each MiB (begun) of the file
TOTAL = 1 << 20  # images
ELEMENTS = 1 << 25  # latents of all images; samples of all images
WORK = 1 << 36  # see work()
PROBABILITIES = 1 << 24  # soft labels of all images

ACCUMULATOR = 1 << 43  # what the limits above keep every partial sum of a layer below
LABEL_LAYERS = 16
LABEL_WIDTH = 512
LABEL_PARAMETERS = 1 << 20
LABEL_ROW = 4096  # sum of the magnitudes of the weights of a label convolution's output channel
LABEL_BIAS = 4  # largest exponent of a label layer's bias, over its weight's
LABEL_WORK = 1 << 30  # multiply-accumulates of a view
SOFT_KEPT = 16  # classes besides its own that a soft label names
SOFT_CHOICES = 1 << 60  # of such classes


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


def product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def parameters(architecture: Architecture) -> int:
    """Weights and biases of one group."""
    return sum(product(shape.weight) + product(shape.bias) for shape in layer_shapes(architecture))


def latents_per_image(architecture: Architecture) -> int:
    """Of all levels."""
    levels = zip(architecture.grids, level_sizes(architecture), strict=True)
    return sum(components * height * width for components, (height, width) in levels)


def group_count(share: str, classes: int) -> int:
    """Groups of networks in a set of so many classes."""
    return classes if share == "class" else 1


Counts = tuple[tuple[int, ...], ...]
"""For each segment, its images of each class."""


def work(architecture: Architecture, counts: Counts, share: str) -> int:
    """Estimated cost of decoding, in units of a multiply-accumulate; the format bounds it by WORK.

    With one group a class, every class costs the latents of the largest.
    """
    sizes = level_sizes(architecture)
    context, synthesis = network_shapes(architecture)
    totals = [sum(column) for column in zip(*counts, strict=True)]
    groups = group_count(share, len(totals))
    columns = max(totals) * groups if share == "class" else sum(totals)
    levels = list(zip(architecture.grids, sizes, strict=True))
    steps = sum(c * (w + 3 * (h - 1)) for c, (h, w) in levels)
    latents = latents_per_image(architecture)
    latent = 2048 + sum(product(shape.weight) for shape in context)
    pixel = 512 + 64 * sum(architecture.grids)
    for shape, layer in zip(synthesis, architecture.synthesis, strict=True):
        shifted = min(shape.weight[:2]) * layer.kernel**2
        pixel += product(shape.weight) + 12 * shifted + 48 * layer.out_channels
    pixels = architecture.height * architecture.width
    return (
        steps * ((1 << 21) + (len(counts) << 18) + (groups << 16))
        + (groups << 24)
        + columns * latents * latent
        + sum(totals) * pixels * pixel
    )


def excess(
    architecture: Architecture, counts: Counts, share: str, size: int = 1, soft: bool = False
) -> str | None:
    """What a file of ``size`` bytes asks for beyond a limit on memory or time; None if nothing.

    ``soft``: it has soft labels.
    """
    groups = group_count(share, len(counts[0]))
    images = sum(map(sum, counts))
    area = architecture.height * architecture.width
    latents = latents_per_image(architecture)
    widest = max(sum(architecture.grids), *(layer.out_channels for layer in architecture.synthesis))
    scale = -(-size // (1 << 20))
    for name, value, limit in (
        ("network parameters", parameters(architecture) * groups, PARAMETERS),
        ("pixels times channels of the widest layer", area * widest, WIDEST),
        ("images", images, TOTAL * scale),
        ("samples", images * area * architecture.channels, ELEMENTS * scale),
        ("latents", images * latents, ELEMENTS * scale),
        ("probabilities", images * len(counts[0]) * soft, PROBABILITIES * scale),
        ("units of work", work(architecture, counts, share), WORK * scale),
    ):
        if value > limit:
            return f"asks for {value} {name}, at most {limit} are allowed in a file of {size} bytes"
    return None
