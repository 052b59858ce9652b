"""Post-quantization: networks to integers with power-of-two steps, chosen by rate and effect together.

Each tensor takes the step that minimises the loss itself, ``bpp + lmbda * mse``, plus the tensor's own bits
spread over all pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rudcodec.bitstream.weights import tensor_bits
from rudcodec.distill.training import Training
from rudcodec.model.latents import GroupNetworks
from rudcodec.payload import Group, QLayer, QTensor

LARGEST = 2047
EXPONENTS = range(12, -1, -1)
ACTIVATION_BITS = 7
STACK_BITS = 6


def _rounded(tensor: Tensor, exponent: int) -> Tensor:
    return (tensor * 2.0**exponent).round().clamp(-LARGEST, LARGEST)


def _quantize_tensor(
    parameter: Tensor, loss: Callable[[], float], pixels: int, largest_exponent: int
) -> QTensor:
    """Replace a parameter by the best integers times a power of two; returns the integers."""
    exact = parameter.detach().clone()
    best: tuple[float, int] | None = None
    with torch.no_grad():
        for exponent in EXPONENTS:
            if exponent > largest_exponent:
                continue
            integers = _rounded(exact, exponent)
            parameter.copy_(integers * 2.0**-exponent)
            bits = tensor_bits(integers.cpu().numpy().astype(np.int32))
            cost = loss() + bits / pixels
            if best is None or cost < best[0]:
                best = (cost, exponent)
        assert best is not None
        integers = _rounded(exact, best[1])
        parameter.copy_(integers * 2.0 ** -best[1])
    return QTensor(integers.cpu().numpy().astype(np.int32), best[1])


def _quantize_network(
    weights: nn.ParameterList,
    biases: nn.ParameterList,
    input_bits: int,
    loss: Callable[[], float],
    pixels: int,
) -> tuple[QLayer, ...]:
    layers = []
    for weight, bias in zip(weights, biases, strict=True):
        w = _quantize_tensor(weight, loss, pixels, 15)
        b = _quantize_tensor(bias, loss, pixels, min(15, input_bits + w.exponent))
        layers.append(QLayer(w, b))
        input_bits = ACTIVATION_BITS
    return tuple(layers)


def quantize_networks(training: Training) -> tuple[Group, ...]:
    """Turn every network into integers, in place (the model then computes with their values)."""
    chunk = training.chunks[0]
    target = training.images[chunk.index]

    def loss(networks: GroupNetworks, levels: list[Tensor], real: Tensor) -> float:
        with torch.no_grad():
            mse = (networks.synthesis(levels) - real).square().mean()
            bpp = networks.context(levels).mean() / (real.shape[2] * real.shape[3])
            return float(bpp + training.control.lmbda * mse)

    groups = []
    pixels = training.pixels // len(training.model.networks)
    for group, part in chunk.slices:
        networks = training.model.networks[group]
        assert isinstance(networks, GroupNetworks)
        levels = [level.detach()[part].round() for level in chunk.levels]
        real = target[part]

        def current(n: GroupNetworks = networks, y: list[Tensor] = levels, r: Tensor = real) -> float:
            return loss(n, y, r)

        synthesis, context = networks.synthesis, networks.context
        s = _quantize_network(synthesis.weights, synthesis.biases, STACK_BITS, current, pixels)
        c = _quantize_network(context.weights, context.biases, 0, current, pixels)
        groups.append(Group(context=c, synthesis=s))
    return tuple(groups)
