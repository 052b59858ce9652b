"""Post-quantization: networks to integers with power-of-two steps, chosen by rate and effect together.

Each tensor takes the step that minimises the loss itself, ``bpp + lmbda * mse``, plus the tensor's own bits
spread over all pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rudcodec.bitstream import limits
from rudcodec.bitstream.limits import LayerShape
from rudcodec.bitstream.weights import tensor_bits
from rudcodec.distill.training import Training
from rudcodec.model.latents import GroupNetworks
from rudcodec.payload import Group, QLayer, QTensor

EXPONENTS = range(12, -1, -1)


def _rounded(tensor: Tensor, exponent: int) -> Tensor:
    return (tensor * 2.0**exponent).round().clamp(-limits.WEIGHT, limits.WEIGHT)


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
    shapes: list[LayerShape],
    loss: Callable[[], float],
    pixels: int,
) -> tuple[QLayer, ...]:
    layers = []
    for weight, bias, shape in zip(weights, biases, shapes, strict=True):
        w = _quantize_tensor(weight, loss, pixels, limits.EXPONENT)
        b = _quantize_tensor(bias, loss, pixels, min(limits.EXPONENT, shape.fraction + w.exponent))
        layers.append(QLayer(w, b))
    return tuple(layers)


def quantize_networks(training: Training) -> tuple[Group, ...]:
    """Turn every network into integers, in place (the model then computes with their values).

    A group is judged by its images in the first chunk that has any.
    """
    model = training.model
    depth = len(model.architecture.context_hidden) + 1
    shapes = limits.layer_shapes(model.architecture)
    pixels = training.pixels // len(model.networks)
    groups = []
    for group in range(len(model.networks)):
        chunk, part = next((c, part) for c in training.chunks for owner, part in c.slices if owner == group)
        networks = model.of(group)
        levels = [level.detach()[part].round() for level in chunk.levels]
        real = training.images[chunk.index][part]

        def loss(n: GroupNetworks = networks, y: list[Tensor] = levels, r: Tensor = real) -> float:
            with torch.no_grad():
                mse = (n.synthesis(y) - r).square().mean()
                bpp = n.context(y).mean() / (r.shape[2] * r.shape[3])
                return float(bpp + training.control.lmbda * mse)

        synthesis, context = networks.synthesis, networks.context
        s = _quantize_network(synthesis.weights, synthesis.biases, shapes[depth:], loss, pixels)
        c = _quantize_network(context.weights, context.biases, shapes[:depth], loss, pixels)
        groups.append(Group(context=c, synthesis=s))
    return tuple(groups)
