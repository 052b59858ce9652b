"""The smallest file of a set that still says something: each image is its mean colour.

It needs no training. It is what is written where nothing better fits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from rudcodec.distill.initial_model import inverse_synthesis, pyramid
from rudcodec.distill.quantized_parameter import MAX_EXPONENT
from rudcodec.model.context import LOG2_SCALE_RANGE
from rudcodec.model.latents import GroupNetworks
from rudcodec.model.quantization import to_integers
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.runs import State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

EIGHTHS = 3  # exponent of the context network's parameters: its scales are powers of two to the eighths
# Quantization step sizes of the mean colours, in grey levels.
STEP_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def take_mean_colours(encoding: Encoding) -> State:
    """Let the encoder hold the images' mean colours, as finely as the budget allows, and no more: a stage.

    [Exponents of the integer networks; labels of the images; whether the file fits, however coarse].
    """
    fits = False
    for step_size in STEP_SIZES:
        set_mean_colours(encoding, step_size / GREY_LEVELS)
        encoding.labels = encoding.label_images()
        size = encoding.file_bytes(encoding.encoder.latents(), encoding.labels)
        fits = 8 * size <= encoding.allocation.budget_bits
        if fits:
            break
    return [encoding.exponents, encoding.labels, fits]


def set_mean_colours(encoding: Encoding, step_size: float) -> None:
    """The same with a given quantization step size, in synthesis units."""
    encoder = encoding.encoder
    architecture = encoder.model.architecture
    levels = pyramid(encoder.initial_images.cpu(), architecture.grids)
    latents = [torch.zeros_like(level) for level in levels]
    latents[0] = (levels[0] / step_size).round()
    encoder.model.set_latents(latents)
    # the coarsest level's step size is a fraction of the finest one's
    finest = step_size * 2.0 ** (len(levels) - 1)
    magnitude = max(float(latents[0].abs().mean()), 2.0**-3)
    exponents = []
    for group in range(len(encoder.model.networks)):
        networks = encoder.model.of(group)
        with torch.no_grad():
            for parameter in networks.parameters():
                parameter.zero_()
        inverse_synthesis(networks, architecture.grids, finest, architecture.channels)
        _predict_zeros(networks, architecture.grids[0], math.log2(magnitude) + 0.5)
        exponents.append(_rounded_in_place(networks))
    encoding.exponents = exponents


def _predict_zeros(networks: GroupNetworks, coarsest: int, log2_scale: float) -> None:
    """Let the context network expect zeros, but in the coarsest level's grids values of a scale."""
    lowest, highest = LOG2_SCALE_RANGE
    scale = min(max(log2_scale, lowest), highest)
    weights, biases = networks.context.weights, networks.context.biases
    with torch.no_grad():
        if len(weights) == 1:
            biases[0][:, 1] = lowest
            biases[0][:coarsest, 1] = scale
            return
        # a hidden unit carries the scale, from its lowest value on: activations are not negative
        biases[0][:coarsest, 0] = scale - lowest
        for weight in list(weights)[1:-1]:
            weight[0, 0] = 1.0
        weights[-1][1, 0] = 1.0
        biases[-1][1] = lowest


def _rounded_in_place(networks: GroupNetworks) -> list[int]:
    """Exponents of the networks' tensors, which become what integers of these are."""
    exponents = [EIGHTHS] * (2 * len(networks.context.weights))
    for weight in networks.synthesis.weights:
        largest = float(weight.detach().abs().max())
        # a sixteenth of the largest, at least
        exponents += [max(0, min(MAX_EXPONENT, 4 - math.floor(math.log2(largest)))), 0]
    with torch.no_grad():
        for tensor, exponent in zip(networks.tensors(), exponents, strict=True):
            tensor.copy_(torch.from_numpy(to_integers(tensor, exponent).values) * 2.0**-exponent)
    return exponents
