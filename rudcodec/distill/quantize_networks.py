"""Quantization of the networks: to integers with power-of-two steps, chosen by rate and effect together.

Each tensor takes the step size that minimises the loss itself, ``bpp + lmbda * mse``, plus the tensor's own
bits spread over all pixels. Then the weights are trained on, straight through their rounding, for the same
sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rudcodec.bitstream import limits
from rudcodec.bitstream.constants import log2_scale
from rudcodec.bitstream.weights import best_scale, tensor_bits
from rudcodec.distill.encoder_state import EncoderState
from rudcodec.distill.learning_rates import BETAS, cosine_decay, set_learning_rate
from rudcodec.distill.quantized_parameter import QuantizedParameter, parameters_of
from rudcodec.model.context import laplace_bits
from rudcodec.model.latents import GroupNetworks, SyntheticModel
from rudcodec.model.quantization import to_integers
from rudcodec.payload import Architecture, Group, QLayer

SEARCH_ROUNDS = 2
BATCH_SIZE = 20
VALIDATION_BATCHES = 8  # which step sizes are chosen by
TRAINING_EPOCHS = 20
MIN_STEPS, MAX_STEPS = 100, 500
LEARNING_RATE = 0.15  # in units of the last place


Exponents = list[list[int]]
"""Of the tensors of each group: weight and bias of each layer, context network and synthesis network."""


def quantize_networks(encoder: EncoderState, fineness: float = 1.0) -> Exponents:
    """Turn every network into integers times powers of two, in place; returns the powers' exponents.

    ``fineness``: factor of distortion's weight against the weights' bits.
    """
    pixels = encoder.num_pixels // len(encoder.model.networks)
    exponents = []
    for group, networks in enumerate(encoder.model.each_group()):
        loss = QuantizationLoss(networks, fineness * encoder.control.lmbda)
        quantizer = _GroupQuantizer(loss, encoder.model.architecture, _batches(encoder, group), pixels)
        if fineness != 1.0:
            quantizer.try_all_exponents()
        exponents.append(quantizer.quantize())
    return exponents


def training_steps(num_batches: int) -> int:
    """How often the rounded weights of a group are moved."""
    return min(max(TRAINING_EPOCHS * num_batches, MIN_STEPS), MAX_STEPS)


def integer_groups(model: SyntheticModel, exponents: Exponents) -> tuple[Group, ...]:
    """The networks that :func:`quantize_networks` has left, as they go into a file."""
    groups = []
    for group, group_exponents in enumerate(exponents):
        networks = model.of(group)
        integers = [to_integers(t, e) for t, e in zip(networks.tensors(), group_exponents, strict=True)]
        layers = tuple(QLayer(w, b) for w, b in zip(integers[::2], integers[1::2], strict=True))
        depth = len(networks.context.weights)
        groups.append(Group(layers[:depth], layers[depth:]))
    return tuple(groups)


@dataclass(frozen=True)
class Batch:
    """Some images of a group: rounded latents, coarse to fine, and targets, (n, C, H, W)."""

    levels: list[Tensor]
    targets: Tensor


@dataclass(frozen=True)
class QuantizationLoss:
    """What the networks of a group are judged by, the bits of their weights apart."""

    networks: GroupNetworks
    lmbda: float

    def rate(self, batch: Batch) -> Tensor:
        """Bits of the latents, for each pixel."""
        return self.networks.context(batch.levels).mean() / (batch.targets.shape[2] * batch.targets.shape[3])

    def distortion(self, batch: Batch) -> Tensor:
        """lmbda times the mean squared error."""
        return self.lmbda * (self.networks.synthesis(batch.levels) - batch.targets).square().mean()

    def total(self, batch: Batch) -> Tensor:
        """Both."""
        return self.rate(batch) + self.distortion(batch)


def _batches(encoder: EncoderState, group: int) -> list[Batch]:
    """All images of a group, each batch with about as many of each class as another."""
    batches = []
    for chunk in encoder.chunks:
        for rows in (rows for owner, rows in chunk.slices if owner == group):
            levels = [level.detach()[rows].round() for level in chunk.levels]
            targets = encoder.targets[chunk.index][rows]
            count = -(-len(targets) // BATCH_SIZE)
            batches += [Batch([y[i::count] for y in levels], targets[i::count]) for i in range(count)]
    return batches


class _GroupQuantizer:
    """Quantizes the two networks of a group; ``pixels``: of its images, over which weights' bits spread."""

    def __init__(
        self, loss: QuantizationLoss, architecture: Architecture, batches: list[Batch], pixels: int
    ) -> None:
        self._loss, self._batches, self._pixels = loss, batches, pixels
        self._validation = batches[:: -(-len(batches) // VALIDATION_BATCHES)]
        self._context, self._synthesis = parameters_of(loss.networks, architecture)
        self._parameters = [*self._context, *self._synthesis]

    def try_all_exponents(self) -> None:
        """Try the finest integers that the format has, too."""
        for parameter in self._parameters:
            parameter.max_exponent = limits.EXPONENT

    def quantize(self) -> list[int]:
        """In place; returns the exponents."""
        utility_gradients = self._mean_gradients()
        self._choose_exponents(self._context, self._loss.rate)
        self._choose_exponents(self._synthesis, self._loss.distortion)
        self._train_rounded(utility_gradients)
        return [parameter.known_exponent for parameter in self._parameters]

    def _mean(self, loss: Callable[[Batch], Tensor]) -> float:
        with torch.no_grad():
            return sum(float(loss(batch)) for batch in self._validation) / len(self._validation)

    def _choose_exponents(
        self, parameters: Sequence[QuantizedParameter], loss: Callable[[Batch], Tensor]
    ) -> None:
        """One tensor after another; then again, now that the others are set."""
        for _ in range(SEARCH_ROUNDS):
            for parameter in parameters:
                costs = {}
                for exponent in parameter.candidates():
                    parameter.set_exponent(exponent)
                    costs[exponent] = self._mean(loss) + tensor_bits(parameter.integers()) / self._pixels
                parameter.set_exponent(min(costs, key=costs.__getitem__))

    def _mean_gradients(self) -> list[Tensor]:
        """The loss's gradient where training has left the networks."""
        total = [torch.zeros_like(p.tensor) for p in self._parameters]
        for batch in self._batches:
            self._backward(batch)
            for t, p in zip(total, self._parameters, strict=True):
                t.add_(_gradient(p) / len(self._batches))
        return total

    def _backward(self, batch: Batch) -> None:
        for parameter in self._parameters:
            parameter.tensor.grad = None
        self._loss.total(batch).backward()  # in float32: a rounding changes less than bfloat16 shows

    def _cost(self) -> float:
        bits = sum(tensor_bits(p.integers()) for p in self._parameters)
        return self._mean(self._loss.total) + bits / self._pixels

    def _train_rounded(self, utility_gradients: list[Tensor]) -> None:
        """Move weights across their roundings to where loss and bits are less, if that can be found.

        A loss that has a gradient where training left the networks was balanced there by something else, a
        utility, which isn't known here: the gradients are taken off to stand for it.
        """
        parameters = self._parameters
        initial_cost, initial_values = self._cost(), [p.unrounded for p in parameters]
        scaled = [(p.unrounded / p.step_size).requires_grad_() for p in parameters]
        optimizer = torch.optim.Adam(scaled, betas=BETAS)
        batches = self._batches[:: -(-len(self._batches) // MAX_STEPS)]
        steps = training_steps(len(self._batches))
        for step in range(steps):
            set_learning_rate(optimizer, LEARNING_RATE * cosine_decay(step / steps))
            if step % len(batches) == 0:
                scales = [best_scale(p.integers()) for p in parameters]
            self._backward(batches[step % len(batches)])
            for values, p, gradient, scale in zip(scaled, parameters, utility_gradients, scales, strict=True):
                bits_gradient = _bits_gradient(p.rounded(), scale) / self._pixels
                values.grad = (_gradient(p) - gradient) * p.step_size + bits_gradient
            optimizer.step()
            for values, p in zip(scaled, parameters, strict=True):
                p.set_values(values.detach() * p.step_size)
        if self._cost() > initial_cost:
            for p, values in zip(parameters, initial_values, strict=True):
                p.set_values(values)


def _gradient(parameter: QuantizedParameter) -> Tensor:
    assert parameter.tensor.grad is not None
    return parameter.tensor.grad


def _bits_gradient(integers: Tensor, scale: int) -> Tensor:
    """Derivative of the integers' code length by the table of a scale."""
    integers = integers.requires_grad_()
    zero = torch.zeros_like(integers)
    bits = laplace_bits(integers, zero, zero + log2_scale(scale)).sum()
    (gradient,) = torch.autograd.grad(bits, integers)
    return gradient
