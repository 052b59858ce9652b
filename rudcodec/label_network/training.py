"""Training a label network under ``rate + lmbda * utility``: its code length against its loss on views.

Rounded weights whose entropy is in the loss, after Oktay et al., "Scalable Model Compression by Entropy
Penalized Reparameterization" (ICLR 2020); views and their labels after Beyer et al., "Knowledge distillation:
A good teacher is patient and consistent" (CVPR 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rudcodec import views
from rudcodec.bitstream.constants import TEMPERATURE_BITS
from rudcodec.data import LabelledImages
from rudcodec.data.mapped import is_large
from rudcodec.label_network.model import TrainableLabelNetwork, to_network_input
from rudcodec.label_network.rendering import make_renderer, on_device
from rudcodec.label_network.spec import LabelNetworkSpec
from rudcodec.nets.muon import Muon
from rudcodec.nets.speed import autocast, compiled, has_compiler
from rudcodec.nets.transfer import DeviceImages, LateNumber, to_device
from rudcodec.payload import LabelNetwork, ViewRecipe
from rudcodec.runs import RunContext, State, restore_optimizer

BATCH_SIZE = 128
WEIGHT_LR = 0.1  # of Muon, in quantization steps
LINEAR_LR = 0.1
BIAS_LR = 5e-3
SCALE_LR = 2e-2
LR_WARMUP, LR_DECAY = 0.05, 0.7  # fractions of the training
RATE_DECAY_SPAN = (0.1, 0.7)  # of the training: the rate goes from what it is to the target
INITIAL_RATE_WEIGHT = 0.015  # of all the target's bits, in nats of loss
RATE_WEIGHT_RANGE = (1e-4, 100.0)
RATE_RESPONSE = 0.2
MAX_LOG_CHANGE = 0.03
TEMPERATURE = 2.0
_MOST_ROWS = 1 << 30  # what views draw their images from
FILE_TEMPERATURE = round(TEMPERATURE * 2**TEMPERATURE_BITS)
COMPILE_FROM = 100_000  # views; with fewer, compiling costs more than it gains


def zero_weights(spec: LabelNetworkSpec) -> dict[str, Tensor]:
    """The state of a network that says nothing, as :func:`label_network_weights` gives it."""
    state = _network(spec, seed=0).state_dict()
    return {name: torch.zeros_like(value) for name, value in state.items()}


def label_network_weights(
    real: LabelledImages, spec: LabelNetworkSpec, views_recipe: ViewRecipe, run: RunContext
) -> dict[str, Tensor]:
    """The state of the trained network, as tensors by name."""
    fast = spec.num_views >= COMPILE_FROM and has_compiler(run.device)
    layout = torch.channels_last if fast else torch.contiguous_format
    net = _network(spec, run.seed).to(run.device).to(memory_format=layout)
    loss_of = compiled(_loss) if fast else _loss
    bits_of = compiled(TrainableLabelNetwork.bits) if fast else TrainableLabelNetwork.bits
    state = _TrainingState(net, RateSchedule(spec.bits))
    shard = run.ranks.shard(BATCH_SIZE)
    size = shard.stop - shard.start
    batches = _ViewBatches(real, views_recipe, run.seed, run.device, make_renderer(fast))
    steps = max(2, spec.num_views // BATCH_SIZE)
    report = run.stage_report("label network" if spec.in_file else "teacher")
    for step in run.journal.steps(steps, state):
        fraction_done = step / steps
        state.set_learning_rate(fraction_done)
        x, first, second, weight = batches.draw(step * BATCH_SIZE + shard.start, size)
        with autocast(run.device):
            loss = loss_of(net, x.contiguous(memory_format=layout), first, second, weight)
        bits = bits_of(net)
        net.zero_grad(set_to_none=True)
        rate_weight = state.rate.weight / run.ranks.world_size
        (loss * (size / BATCH_SIZE) + rate_weight * bits).backward()
        run.ranks.all_reduce_gradients(list(net.parameters()))
        state.update(bits.detach(), fraction_done)
        if report.is_due(step + 1, steps):
            bpc = float(bits.detach()) / spec.num_classes if spec.in_file else None
            report(step + 1, steps, bpc=bpc, utility=float(loss.detach()))
    return net.state_dict()


def label_network_from(
    weights: dict[str, Tensor], spec: LabelNetworkSpec, student_views: ViewRecipe
) -> LabelNetwork:
    """The quantized network with the weights of :func:`label_network_weights`."""
    net = _network(spec, seed=0)
    net.load_state_dict(weights)
    return net.quantized(FILE_TEMPERATURE, student_views)


def _network(spec: LabelNetworkSpec, seed: int) -> TrainableLabelNetwork:
    generator = torch.Generator().manual_seed(seed)
    return TrainableLabelNetwork(spec.layers, spec.image_shape, spec.num_classes, generator)


class _TrainingState:
    """The state of a label network's training, as a checkpoint holds it."""

    def __init__(self, net: TrainableLabelNetwork, rate: RateSchedule) -> None:
        self.net, self.rate = net, rate
        self.optimizers = _optimizers(net)
        self._bits = LateNumber()

    def set_learning_rate(self, fraction_done: float) -> None:
        """Set the learning rates, which rise in the beginning and fall towards the end."""
        factor = min(1, fraction_done / LR_WARMUP + 0.05) * min(1, (1 - fraction_done) / LR_DECAY)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor

    def update(self, bits: Tensor, fraction_done: float) -> None:
        """Take a step, and let the rate's weight follow the bits that are known."""
        for optimizer in self.optimizers:
            optimizer.step()
        known_bits = self._bits.follow(bits)
        if known_bits is not None:
            self.rate.update(known_bits, fraction_done)

    def state(self) -> State:
        return [
            self.net.state_dict(),
            [optimizer.state_dict() for optimizer in self.optimizers],
            self.rate.weight,
            self.rate.initial_bits,
            self._bits.state(),
        ]

    def restore(self, state: State) -> None:
        weights, optimizer_states, self.rate.weight, self.rate.initial_bits, bits = state
        self._bits.restore(bits)
        self.net.load_state_dict(weights)
        for optimizer, optimizer_state in zip(self.optimizers, optimizer_states, strict=True):
            restore_optimizer(optimizer, optimizer_state)


class RateSchedule:
    """The rate's weight in the loss: steered so that the rate falls to the target on an exponential."""

    def __init__(self, target_bits: float) -> None:
        self.target_bits = target_bits
        self.weight = INITIAL_RATE_WEIGHT / target_bits
        self.initial_bits: float | None = None

    def update(self, bits: float, fraction_done: float) -> None:
        """Take the bits of a step, at some fraction of the training."""
        self.initial_bits = self.initial_bits or max(bits, self.target_bits)
        start, end = RATE_DECAY_SPAN
        position = min(1.0, max(0.0, (fraction_done - start) / (end - start)))
        scheduled_bits = self.initial_bits * (self.target_bits / self.initial_bits) ** position
        change = RATE_RESPONSE * math.log(bits / scheduled_bits)
        change = max(-MAX_LOG_CHANGE, min(MAX_LOG_CHANGE, change))
        weight = self.weight * self.target_bits * math.exp(change)
        lowest, highest = RATE_WEIGHT_RANGE
        self.weight = min(max(weight, lowest), highest) / self.target_bits


class _ViewBatches:
    """Views of real images, drawn by number."""

    def __init__(
        self,
        real: LabelledImages,
        recipe: ViewRecipe,
        seed: int,
        device: torch.device,
        render: Callable[[Tensor, views.ViewParameters], Tensor],
    ) -> None:
        self._images = DeviceImages(real.images, device)
        self._shown = None  # sharpened copies of all images; None: they might take too much memory
        if self._images.are_on_device and not is_large(real.images.nbytes):
            self._shown = views.sharpened(self._images.images, recipe, torch)
        self._labels = torch.from_numpy(real.labels).to(device)
        self._order = np.argsort(real.labels, kind="stable")
        self._counts = np.array(real.ipc_counts())
        self._starts = np.cumsum(self._counts) - self._counts
        self._recipe, self._seed, self._render = recipe, seed, render

    def draw(self, first_view: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Views, the classes of both images in each, and the first one's weight."""
        _, height, width, _ = self._images.images.shape
        device = self._images.device
        parameters = self._parameters(first_view, count)
        tensors = on_device(parameters, device)
        first = self._labels[tensors.first.source]
        second, weight = first.clone(), torch.ones(count, device=device)
        second[tensors.mixed] = self._labels[tensors.second.source]
        first_weight = torch.from_numpy(views.first_weights(parameters, height, width))
        weight[tensors.mixed] = to_device(first_weight, device)
        return to_network_input(self._rendered(parameters, tensors)), first, second, weight

    def _parameters(self, first_view: int, count: int) -> views.ViewParameters:
        """Views of images of all classes alike, however many each has: a file has as many of each."""
        _, *size = self._images.images.shape
        most = min(int(self._counts.max()), _MOST_ROWS // len(self._counts))
        shape = (most * len(self._counts), *size)
        parameters = views.draw(self._recipe, shape, self._seed, first_view, count)
        first, second = (
            replace(part, source=self._rows(part.source, most))
            for part in (parameters.first, parameters.second)
        )
        return replace(parameters, first=first, second=second)

    def _rows(self, drawn: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """The images that are meant, where each class counts for ``most``."""
        label, number = drawn // most, drawn % most
        return np.asarray(self._order[self._starts[label] + number % self._counts[label]], dtype=np.int64)

    def _rendered(self, parameters: views.ViewParameters, tensors: views.ViewParameters) -> Tensor:
        if self._shown is not None:
            return self._render(self._shown, tensors)
        rows = np.concatenate([parameters.first.source, parameters.second.source])
        numbers = torch.arange(len(rows), device=self._images.device)
        first = replace(tensors.first, source=numbers[: len(parameters.first.source)])
        second = replace(tensors.second, source=numbers[len(parameters.first.source) :])
        images = views.sharpened(self._images.take(torch.from_numpy(rows)), self._recipe, torch)
        return self._render(images, replace(tensors, first=first, second=second))


def _loss(net: TrainableLabelNetwork, x: Tensor, first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    logits = net(x)
    losses = (
        F.cross_entropy(logits, first, reduction="none"),
        F.cross_entropy(logits, second, reduction="none"),
    )
    return (weight * losses[0] + (1 - weight) * losses[1]).mean()


def _optimizers(net: TrainableLabelNetwork) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, Adam for the rest."""
    groups = (
        ([net.linear], LINEAR_LR),
        ([*net.biases, net.linear_bias], BIAS_LR),
        ([net.log2_scales], SCALE_LR),
    )
    adam = torch.optim.Adam([{"params": p, "lr": lr} for p, lr in groups], betas=(0.9, 0.99))
    optimizers = [Muon(net.weights, WEIGHT_LR), adam]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak"] = group["lr"]
    return optimizers
