"""A tensor of a network on its way to integers times a power of two."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rudcodec.bitstream import limits
from rudcodec.bitstream.limits import LayerShape
from rudcodec.model.context import ContextNetwork
from rudcodec.model.latents import GroupNetworks
from rudcodec.model.synthesis import SynthesisNetwork
from rudcodec.payload import Architecture

MAX_EXPONENT = 12
SEARCH_RADIUS = 2  # exponents up and down that searches after the first one try


@dataclass(eq=False)
class QuantizedParameter:
    """A weight or a bias.

    Attributes:
        tensor: the network's own.
        input_fraction_bits: of the layer's input.
        weight: of a bias, its layer's; ``bias``: the other way round.
        exponent: integers are multiplied by ``2**-exponent``; None before one is set.
        max_exponent: the finest that is tried.
        unrounded: what is rounded.
    """

    tensor: Tensor
    input_fraction_bits: int
    weight: QuantizedParameter | None = None
    bias: QuantizedParameter | None = None
    exponent: int | None = None
    max_exponent: int = MAX_EXPONENT
    unrounded: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.unrounded = self.tensor.detach().clone()

    def candidates(self) -> list[int]:
        """Exponents to try, fine to coarse. A bias may not be finer than its layer's accumulator."""
        finest, coarsest = self.max_exponent, 0
        if self.weight is not None and self.weight.exponent is not None:
            finest = min(finest, self.input_fraction_bits + self.weight.exponent)
        if self.bias is not None and self.bias.exponent is not None:
            coarsest = max(coarsest, self.bias.exponent - self.input_fraction_bits)
        now = self.exponent
        exponents = range(finest, coarsest - 1, -1)
        return [e for e in exponents if now is None or abs(e - now) <= SEARCH_RADIUS]

    def set_exponent(self, exponent: int) -> None:
        """Let the network compute with integers of this exponent."""
        self.exponent = exponent
        self.set_values(self.unrounded)

    def set_values(self, unrounded: Tensor) -> None:
        """Let the network compute with other integers."""
        self.unrounded = unrounded
        with torch.no_grad():
            self.tensor.copy_(self.rounded() * self.step_size)

    @property
    def known_exponent(self) -> int:
        """The exponent, once there is one."""
        assert self.exponent is not None
        return self.exponent

    @property
    def step_size(self) -> float:
        return 2.0**-self.known_exponent

    def rounded(self) -> Tensor:
        """Integers, as floating-point numbers."""
        return (self.unrounded / self.step_size).round().clamp(-limits.WEIGHT, limits.WEIGHT)

    def integers(self) -> np.ndarray:
        """int32."""
        return self.rounded().cpu().numpy().astype(np.int32)


def parameters_of(
    networks: GroupNetworks, architecture: Architecture
) -> tuple[list[QuantizedParameter], list[QuantizedParameter]]:
    """Weight and bias of each layer in turn, of the context network and of the synthesis network."""
    context, synthesis = limits.network_shapes(architecture)
    return _parameters(networks.context, context), _parameters(networks.synthesis, synthesis)


def _parameters(
    network: ContextNetwork | SynthesisNetwork, shapes: list[LayerShape]
) -> list[QuantizedParameter]:
    parameters: list[QuantizedParameter] = []
    for weight, bias, shape in zip(network.weights, network.biases, shapes, strict=True):
        quantized = QuantizedParameter(weight, shape.fraction)
        quantized.bias = QuantizedParameter(bias, shape.fraction, weight=quantized)
        parameters += [quantized, quantized.bias]
    return parameters
