"""One stage of encoding: minimise ``rate + lmbda * (distortion + utility)``.

Warm-up, the joint phase and the tuning of latents are this loop with different parts switched on: warm-up has
no utility, tuning leaves the networks alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from rudcodec.distill.training import LATENT_LR, NETWORK_LR, Training, cosine, set_learning_rate
from rudcodec.model.latents import Chunk
from rudcodec.model.quantization import SoftRounding
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.nets.transfer import LateNumber
from rudcodec.runs import State, restore_optimizer
from rudcodec.utility import Utility

OBSERVE_EVERY = 3
# Of a stage, and of it at most so many passes, are rounded straight through. In longer ones latents drift to
# where they flip: 160 passes of a joint phase took the rate from 107,000 to 124,000 bpc, lmbda couldn't help.
STRAIGHT, STRAIGHT_PASSES = 0.2, 90
SURVEY_AT = 0.6  # of warm-up


@dataclass(frozen=True)
class Stage:
    """What a stage does.

    ``passes`` over all images; ``learning_rate``, a factor; ``start``, where the schedule of soft rounding
    begins (0: much noise, 1: little; ``None``: rounding straight through from the first step);
    ``train_latents`` and ``train_networks``: which of the two move; ``steer``: whether lmbda does.
    """

    name: str
    passes: int
    learning_rate: float
    start: float | None
    train_latents: bool = True
    train_networks: bool = True
    steer: bool = True

    def mode(self, progress: float) -> SoftRounding | None:
        """Quantizer at ``progress`` (0..1) through the stage: soft first, straight through at its end."""
        soft = 1 - min(STRAIGHT, STRAIGHT_PASSES / self.passes)
        if self.start is None or progress >= soft:
            return None
        return SoftRounding.at(self.start + (1 - self.start) * progress / soft)


def warm_up(passes: int) -> tuple[Stage, Stage]:
    """Rate and distortion; between the two, a survey finds out what the file will take."""
    first = round(SURVEY_AT * passes)
    return Stage("warm-up", first, 1.0, start=0.0), Stage("warm-up 2", passes - first, 0.5, start=0.3)


def joint_phase(passes: int) -> Stage:
    return Stage("joint", passes, 0.5, start=0.5)


def tuning(passes: int) -> Stage:
    """Of the latents, after the networks have become integers."""
    return Stage("tune", passes, 0.5, start=0.8, train_networks=False)


class UtilityTerm:
    """A utility, its normalisation and its weight against the distortion.

    ``balance`` is the ratio of the two gradients' norms when the term is first used: losses of different
    papers come in units of their own.
    """

    def __init__(
        self, utility: Utility, mean: Tensor, std: Tensor, labels: Tensor, balance: float, images: int
    ) -> None:
        self.utility = utility
        self.scale = GREY_LEVELS / 255 / std
        self.shift = (128 / 255 - mean) / std
        self.labels = labels
        self.balance = balance
        self.images = images
        self.weight: float | None = None

    def state(self) -> State:
        return [self.weight, self.utility.state()]

    def restore(self, state: State) -> None:
        self.weight, its = state
        self.utility.restore(its)

    def gradients(
        self, training: Training, chunks: list[Chunk], mode: SoftRounding | None
    ) -> tuple[Tensor, list[Tensor]]:
        """The utility of some chunks' images, and its weighted gradient for each chunk.

        Images are decoded without a graph here, so that memory holds the utility's graph only.
        """
        parts = [training.images_of(chunk, mode) for chunk in chunks]
        images = torch.cat(parts).requires_grad_()
        index = torch.cat([chunk.index for chunk in chunks])
        value, gradient = self._shared(images, self.labels[index], training)
        if self.weight is None:
            distortion = 2 * (images.detach() - training.images[index]) / images.numel()
            self.weight = self.balance * float(distortion.norm() / gradient.norm().clamp(min=1e-12))
        gradient = gradient * self.weight
        return value * self.weight, list(gradient.split([len(p) for p in parts]))

    def _shared(self, images: Tensor, labels: Tensor, training: Training) -> tuple[Tensor, Tensor]:
        """The utility and its gradient, some classes by each process where that can be."""
        ranks, generator = training.ranks, training.generator
        seen = images * self.scale + self.shift
        if ranks.count == 1 or not self.utility.by_class:
            found = self.utility(seen, labels, generator)
            return found.detach(), torch.autograd.grad(found, images)[0]
        mine = labels % ranks.count == ranks.number
        idle = not mine.any()  # it draws its random numbers all the same
        part = torch.ones_like(mine) if idle else mine
        found = self.utility(seen[part], labels[part], generator)
        value, (gradient,) = found.detach(), torch.autograd.grad(found, images)
        value, gradient = value * (not idle), gradient * (not idle)
        ranks.add([value, gradient])
        return value, gradient


class _Loop:
    """What a checkpoint holds of a stage under way: optimizers of the latents of each chunk and of the
    networks; the rate that was observed last."""

    def __init__(self, latents: list[Optimizer], networks: Optimizer) -> None:
        self.optimizers = [*latents, networks]
        self.rate = LateNumber()

    def state(self) -> State:
        return [[optimizer.state_dict() for optimizer in self.optimizers], self.rate.state()]

    def restore(self, state: State) -> None:
        optimizers, rate = state
        for optimizer, its in zip(self.optimizers, optimizers, strict=True):
            restore_optimizer(optimizer, its)
        self.rate.restore(rate)


def run_stage(training: Training, stage: Stage, term: UtilityTerm | None = None) -> None:
    """Run a stage; each step works on a window of chunks (one, where there is no utility)."""
    latent_optimizers, network_optimizer = training.optimizers()
    loop = _Loop(latent_optimizers, network_optimizer)
    training.journal.attach("stage", loop)
    parameters = list(training.model.networks.parameters())
    count = len(training.chunks)
    window = 1 if term is None else max(1, min(count, term.images // len(training.chunks[0].index)))
    steps = -(-stage.passes * count // window)
    for step, tell in training.watch(stage.name, steps):
        progress = step / steps
        mode = stage.mode(progress)
        numbers = [(step * window + i) % count for i in range(window)]
        chunks = [training.chunks[i] for i in numbers]

        utility: Tensor | None = None
        gradients: list[Tensor | None] = [None] * window
        if term is not None:
            utility, found = term.gradients(training, chunks, mode)
            gradients = list(found)
        mean_mse = torch.zeros((), device=training.device)
        network_optimizer.zero_grad()
        for number, chunk, gradient in zip(numbers, chunks, gradients, strict=True):
            optimizer = latent_optimizers[number]
            optimizer.zero_grad()
            share = training.shares[number]
            if len(share.index):
                decoded = training.decode(number, mode)
                rate = decoded.bits.sum() / training.pixels_of(chunk)
                error = (decoded.images - training.images[share.index]).square().mean()
                mse = error * (len(share.index) / len(chunk.index))
                loss = (rate + training.control.lmbda * mse) / window
                if gradient is not None:
                    loss = loss + training.control.lmbda * (decoded.images * gradient[share.rows]).sum()
                loss.backward()
                mean_mse += error.detach() / window
            if stage.train_latents:
                training.ranks.add_gradients(list(chunk.levels))
                set_learning_rate(optimizer, LATENT_LR * stage.learning_rate * cosine(progress))
                optimizer.step()
        if stage.train_networks:
            training.ranks.add_gradients(parameters)
            set_learning_rate(network_optimizer, NETWORK_LR * stage.learning_rate * cosine(progress))
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            network_optimizer.step()

        if step % OBSERVE_EVERY == 0:
            # Noise has a price of its own; the file's rate is that of rounded latents.
            chunk = chunks[0]
            seen = loop.rate.follow(training.bits_of(chunk) / training.pixels_of(chunk))
            if seen is not None:
                training.control.observe(seen, OBSERVE_EVERY * window / count, stage.steer)
        tell(utility, mean_mse)
