"""One stage of encoding: minimise ``rate + lmbda * (distortion + utility)``.

Warm-up, the joint phase and the tuning of latents are this loop with different parts switched on: warm-up has
no utility, tuning leaves the networks alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rudcodec.distill.training import LATENT_LR, NETWORK_LR, Training, cosine, set_learning_rate
from rudcodec.model.latents import Chunk
from rudcodec.model.quantization import SoftRounding
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.utility import Utility


@dataclass(frozen=True)
class Stage:
    """What a stage does.

    ``passes`` over all images; ``soft`` is the part of them with soft rounding and noise (the rest rounds
    straight through); ``learning_rate`` a factor; ``train_networks``: or latents only; ``settle``: the part
    before the rate control trusts the context model's rate.
    """

    name: str
    passes: int
    soft: float
    learning_rate: float
    train_networks: bool
    settle: float = 0.0


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

    def gradients(
        self, training: Training, chunks: list[Chunk], mode: SoftRounding | None
    ) -> tuple[float, list[Tensor]]:
        """The utility of some chunks' images, and its weighted gradient for each chunk.

        Images are decoded without a graph here, so that memory holds the utility's graph only.
        """
        with torch.no_grad():
            parts = [training.decode(chunk, mode, rate=False).images for chunk in chunks]
        images = torch.cat(parts).requires_grad_()
        index = torch.cat([chunk.index for chunk in chunks])
        value = self.utility(images * self.scale + self.shift, self.labels[index], training.generator)
        (gradient,) = torch.autograd.grad(value, images)
        if self.weight is None:
            distortion = 2 * (images.detach() - training.images[index]) / images.numel()
            self.weight = self.balance * float(distortion.norm() / gradient.norm().clamp(min=1e-12))
        gradient = gradient * self.weight
        return float(value.detach()) * self.weight, list(gradient.split([len(p) for p in parts]))


def run_stage(training: Training, stage: Stage, term: UtilityTerm | None = None) -> None:
    """Run a stage; each step works on a window of chunks (one, where there is no utility)."""
    latent_optimizers, network_optimizer = training.optimizers()
    parameters = list(training.model.networks.parameters())
    count = len(training.chunks)
    window = 1 if term is None else max(1, min(count, term.images // len(training.chunks[0].index)))
    steps = -(-stage.passes * count // window)
    for step, tell in training.watch(stage.name, steps):
        progress = step / steps
        mode = SoftRounding.at(progress / stage.soft) if progress < stage.soft else None
        numbers = [(step * window + i) % count for i in range(window)]
        chunks = [training.chunks[i] for i in numbers]

        utility: float | None = None
        gradients: list[Tensor | None] = [None] * window
        if term is not None:
            utility, found = term.gradients(training, chunks, mode)
            gradients = list(found)
        total_rate = total_mse = 0.0
        network_optimizer.zero_grad()
        for number, chunk, gradient in zip(numbers, chunks, gradients, strict=True):
            optimizer = latent_optimizers[number]
            optimizer.zero_grad()
            decoded = training.decode(chunk, mode)
            rate = training.bpp(decoded)
            mse = (decoded.images - training.images[chunk.index]).square().mean()
            loss = rate / window + training.control.lmbda * mse / window
            if gradient is not None:
                loss = loss + training.control.lmbda * (decoded.images * gradient).sum()
            loss.backward()
            set_learning_rate(optimizer, LATENT_LR * stage.learning_rate * cosine(progress))
            optimizer.step()
            total_rate += float(rate.detach()) / window
            total_mse += float(mse.detach()) / window
        if stage.train_networks:
            set_learning_rate(network_optimizer, NETWORK_LR * stage.learning_rate * cosine(progress))
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            network_optimizer.step()

        training.control.observe(total_rate, steer=progress >= stage.settle)
        tell(utility, 10 * math.log10((255 / GREY_LEVELS) ** 2 / max(total_mse, 1e-9)))
