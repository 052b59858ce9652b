"""Post-quantization: networks to integers with power-of-two steps, chosen by rate and effect together.

Each tensor takes the step that minimises the loss itself, ``bpp + lmbda * mse``, plus the tensor's own bits
spread over all pixels. Then the weights are trained on, straight through their rounding, for the same sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rudcodec.bitstream import limits
from rudcodec.bitstream.constants import log2_scale
from rudcodec.bitstream.limits import LayerShape
from rudcodec.bitstream.weights import best_scale, tensor_bits
from rudcodec.distill.training import BETAS, Training, cosine, set_learning_rate
from rudcodec.model.context import ContextModel, laplace_bits
from rudcodec.model.latents import GroupNetworks, SyntheticModel
from rudcodec.model.quantization import to_integers
from rudcodec.model.synthesis import Synthesis
from rudcodec.payload import Group, QLayer

FINEST = 12  # exponent
SWEEPS = 2
NEAR = 2  # exponents up and down that sweeps after the first try
BATCH = 20  # images
JUDGES = 8  # batches that the steps are chosen by
PASSES = 20
LEAST_STEPS = 100
LEARNING_RATE = 0.15  # in units of the last place


Exponents = list[list[int]]
"""Of the tensors of each group: weight and bias of each layer, context model and synthesis."""


def quantize_networks(training: Training) -> Exponents:
    """Turn every network into integers times powers of two, in place; returns the powers."""
    model = training.model
    depth = len(model.architecture.context_hidden) + 1
    shapes = limits.layer_shapes(model.architecture)
    pixels = training.pixels // len(model.networks)
    exponents = []
    for group in range(len(model.networks)):
        networks = model.of(group)
        loss = Loss(networks, training.control.lmbda)
        batches = _batches(training, group)
        context = _parameters(networks.context, shapes[:depth])
        synthesis = _parameters(networks.synthesis, shapes[depth:])
        every = [*context, *synthesis]
        slopes = _slopes(every, loss, batches)
        judges = batches[:: -(-len(batches) // JUDGES)]
        _choose_steps(context, partial(_mean, loss.rate, judges), pixels)
        _choose_steps(synthesis, partial(_mean, loss.distortion, judges), pixels)
        _train(every, slopes, loss, batches, judges, pixels)
        exponents.append([p.settled for p in every])
    return exponents


def integer_groups(model: SyntheticModel, exponents: Exponents) -> tuple[Group, ...]:
    """The networks that :func:`quantize_networks` has left, as they go into a file."""
    groups = []
    for group, mine in enumerate(exponents):
        context, synthesis = model.of(group).context, model.of(group).synthesis
        tensors = [
            tensor
            for network in (context, synthesis)
            for pair in zip(network.weights, network.biases, strict=True)
            for tensor in pair
        ]
        integers = [to_integers(t, e) for t, e in zip(tensors, mine, strict=True)]
        layers = tuple(QLayer(w, b) for w, b in zip(integers[::2], integers[1::2], strict=True))
        depth = len(context.weights)
        groups.append(Group(layers[:depth], layers[depth:]))
    return tuple(groups)


@dataclass(frozen=True)
class Batch:
    """Some images of a group: rounded latents, coarse to fine, and the real images, (n, C, H, W)."""

    levels: list[Tensor]
    real: Tensor


@dataclass(frozen=True)
class Loss:
    """What the networks of a group are judged by, the bits of their weights apart."""

    networks: GroupNetworks
    lmbda: float

    def rate(self, batch: Batch) -> Tensor:
        return self.networks.context(batch.levels).mean() / (batch.real.shape[2] * batch.real.shape[3])

    def distortion(self, batch: Batch) -> Tensor:
        return self.lmbda * (self.networks.synthesis(batch.levels) - batch.real).square().mean()

    def whole(self, batch: Batch) -> Tensor:
        return self.rate(batch) + self.distortion(batch)


def _mean(loss: Callable[[Batch], Tensor], batches: Sequence[Batch]) -> float:
    with torch.no_grad():
        return sum(float(loss(batch)) for batch in batches) / len(batches)


def _batches(training: Training, group: int) -> list[Batch]:
    """All images of a group, each batch with about as many of each class as another."""
    batches = []
    for chunk in training.chunks:
        for part in (part for owner, part in chunk.slices if owner == group):
            levels = [level.detach()[part].round() for level in chunk.levels]
            real = training.images[chunk.index][part]
            count = -(-len(real) // BATCH)
            batches += [Batch([y[i::count] for y in levels], real[i::count]) for i in range(count)]
    return batches


@dataclass(eq=False)
class Parameter:
    """A tensor of a network on its way to integers times a power of two.

    ``tensor`` is the network's own; ``exact``, what is rounded. ``fraction``: fractional bits of the layer's
    input. ``weight``: of a bias, its layer's; ``bias``: the other way round.
    """

    tensor: Tensor
    fraction: int
    weight: Parameter | None = None
    bias: Parameter | None = None
    exponent: int | None = None
    exact: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.exact = self.tensor.detach().clone()

    def candidates(self) -> list[int]:
        """Exponents to try, fine to coarse. A bias may not be finer than its layer's accumulator."""
        finest, coarsest = FINEST, 0
        if self.weight is not None and self.weight.exponent is not None:
            finest = min(finest, self.fraction + self.weight.exponent)
        if self.bias is not None and self.bias.exponent is not None:
            coarsest = max(coarsest, self.bias.exponent - self.fraction)
        now = self.exponent
        return [e for e in range(finest, coarsest - 1, -1) if now is None or abs(e - now) <= NEAR]

    def settle(self, exponent: int) -> None:
        """Let the network compute with integers of this exponent."""
        self.exponent = exponent
        self.move(self.exact)

    def move(self, exact: Tensor) -> None:
        """Let the network compute with other integers."""
        self.exact = exact
        with torch.no_grad():
            self.tensor.copy_(self.rounded() * self.step)

    @property
    def settled(self) -> int:
        assert self.exponent is not None
        return self.exponent

    @property
    def step(self) -> float:
        return 2.0**-self.settled

    def rounded(self) -> Tensor:
        """Integers, as floating-point numbers."""
        return (self.exact / self.step).round().clamp(-limits.WEIGHT, limits.WEIGHT)

    def integers(self) -> np.ndarray:
        return self.rounded().cpu().numpy().astype(np.int32)


def _parameters(network: ContextModel | Synthesis, shapes: list[LayerShape]) -> list[Parameter]:
    """Weight and bias of each layer, in turn."""
    found: list[Parameter] = []
    for weight, bias, shape in zip(network.weights, network.biases, shapes, strict=True):
        w = Parameter(weight, shape.fraction)
        w.bias = Parameter(bias, shape.fraction, weight=w)
        found += [w, w.bias]
    return found


def _choose_steps(parameters: list[Parameter], loss: Callable[[], float], pixels: int) -> None:
    """Find the steps of a network's tensors, one after another; then again, now that the others are set."""
    for _ in range(SWEEPS):
        for parameter in parameters:
            costs = {}
            for exponent in parameter.candidates():
                parameter.settle(exponent)
                costs[exponent] = loss() + tensor_bits(parameter.integers()) / pixels
            parameter.settle(min(costs, key=costs.__getitem__))


def _gradient(parameter: Parameter) -> Tensor:
    assert parameter.tensor.grad is not None
    return parameter.tensor.grad


def _slopes(parameters: list[Parameter], loss: Loss, batches: list[Batch]) -> list[Tensor]:
    """The loss's gradient where training has left the networks."""
    total = [torch.zeros_like(p.tensor) for p in parameters]
    for batch in batches:
        _differentiate(parameters, loss, batch)
        for t, p in zip(total, parameters, strict=True):
            t += _gradient(p) / len(batches)
    return total


def _differentiate(parameters: list[Parameter], loss: Loss, batch: Batch) -> None:
    for parameter in parameters:
        parameter.tensor.grad = None
    loss.whole(batch).backward()  # in float32: what a rounding changes is less than bfloat16 shows


def _train(
    parameters: list[Parameter],
    slopes: list[Tensor],
    loss: Loss,
    batches: list[Batch],
    judges: list[Batch],
    pixels: int,
) -> None:
    """Move weights across their roundings to where loss and bits are less, if that can be found.

    A loss that slopes where training left the networks was balanced there by something else, a utility, which
    isn't known here: ``slopes`` are taken from the gradients to stand for it.
    """

    def cost() -> float:
        return _mean(loss.whole, judges) + sum(tensor_bits(p.integers()) for p in parameters) / pixels

    before, kept = cost(), [p.exact for p in parameters]
    places = [(p.exact / p.step).requires_grad_() for p in parameters]
    optimizer = torch.optim.Adam(places, betas=BETAS)
    steps = max(PASSES * len(batches), LEAST_STEPS)
    for step in range(steps):
        set_learning_rate(optimizer, LEARNING_RATE * cosine(step / steps))
        if step % len(batches) == 0:
            widths = [log2_scale(best_scale(p.integers())) for p in parameters]
        _differentiate(parameters, loss, batches[step % len(batches)])
        for place, p, slope, width in zip(places, parameters, slopes, widths, strict=True):
            place.grad = (_gradient(p) - slope) * p.step + _bits_gradient(p.rounded(), width) / pixels
        optimizer.step()
        for place, p in zip(places, parameters, strict=True):
            p.move(place.detach() * p.step)
    if cost() > before:
        for p, exact in zip(parameters, kept, strict=True):
            p.move(exact)


def _bits_gradient(integers: Tensor, log2_scale: float) -> Tensor:
    """Derivative of the integers' code length."""
    integers = integers.requires_grad_()
    zero = torch.zeros_like(integers)
    bits = laplace_bits(integers, zero, zero + log2_scale).sum()
    (gradient,) = torch.autograd.grad(bits, integers)
    return gradient
