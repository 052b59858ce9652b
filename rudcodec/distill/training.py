"""The state that every stage of encoding works on: model, targets, optimizers, rate control."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from rudcodec.distill.rate_control import RateControl
from rudcodec.distill.settings import Pace, Progress
from rudcodec.model.latents import Chunk, Decoded, Share, SyntheticModel
from rudcodec.model.quantization import SoftRounding, quantize
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.nets.speed import autocast
from rudcodec.runs import Journal, State

LATENT_LR = 2e-2
NETWORK_LR = 5e-3
BETAS = (0.9, 0.99)
REPORT_SECONDS = 1.0
UNCODED_BITS = 8.0  # of a sample

Report = Callable[[Progress], None]


def cosine(progress: float) -> float:
    """Factor of the learning rate, 1 -> .02 as ``progress`` goes 0 -> 1."""
    return 0.02 + 0.49 * (1 + math.cos(math.pi * progress))


def _reach(level: Tensor) -> float:
    """How far latents of a level have to go, in steps of quantization: large ones take larger strides."""
    return float(level.detach().abs().mean().clamp(1.0, 4.0))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("reach", 1.0)


class Training:
    """A model on its way from real images to a file.

    ``images`` (N, C, H, W) are the real images it started from, in synthesis units; ``overhead`` is what the
    file holds besides latents, in bits, as far as one knows; ``control`` steers the latents' bits (of the
    whole set) to the rest of the budget; ``journal``: of the run, which all of this is attached to.
    """

    def __init__(
        self,
        model: SyntheticModel,
        images: Tensor,
        classes: int,
        control: RateControl,
        overhead: float,
        seed: int,
        report: Report,
        journal: Journal | None = None,
    ) -> None:
        self.model = model
        self.images = images
        self.classes = classes
        self.control = control
        self.overhead = overhead
        self.device = images.device
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)  # of a utility
        self.report = report
        self.chunks = list(model.each_chunk())
        self.pixels = images.shape[0] * images.shape[2] * images.shape[3]
        self.ceiling = UNCODED_BITS * images.shape[1]  # bits a pixel: more has no use
        self.journal = journal or Journal()
        self.journal.attach("training", self)
        self.ranks = self.journal.ranks
        self.shares = [Share.of(chunk, self.ranks.mine(len(chunk.index))) for chunk in self.chunks]

    def state(self) -> State:
        """All that stages change."""
        control = self.control
        return {
            "model": self.model.state_dict(),
            "noise": self.noise.get_state(),
            "generator": self.generator.get_state(),
            "control": [control.target, control.lmbda, control.rate],
            "overhead": self.overhead,
        }

    def restore(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.noise.set_state(state["noise"])
        self.generator.set_state(state["generator"])
        self.control.target, self.control.lmbda, self.control.rate = state["control"]
        self.overhead = state["overhead"]

    def target(self, budget: float) -> float:
        """Bits of latents for a pixel, given the file's bits."""
        return min(max(budget - self.overhead, 1.0) / self.pixels, self.ceiling)

    def optimizers(self) -> tuple[list[torch.optim.Optimizer], torch.optim.Optimizer]:
        """One for the latents of each chunk, one for the networks."""
        latents: list[torch.optim.Optimizer] = [
            torch.optim.Adam(
                [{"params": [y], "reach": _reach(y)} for y in chunk.levels], lr=LATENT_LR, betas=BETAS
            )
            for chunk in self.chunks
        ]
        return latents, torch.optim.Adam(self._network_groups(), lr=NETWORK_LR, betas=BETAS)

    def _network_groups(self) -> list[dict[str, Any]]:
        """What sees latents moves the less the larger they are: at rich budgets it would else run away."""
        size = sum(float(y.detach().abs().sum()) for chunk in self.chunks for y in chunk.levels)
        count = sum(y.numel() for chunk in self.chunks for y in chunk.levels)
        groups = [self.model.of(group) for group in range(len(self.model.networks))]
        first = [w for group in groups for w in (group.context.weights[0], group.synthesis.weights[0])]
        known = {id(weight) for weight in first}
        rest = [p for p in self.model.networks.parameters() if id(p) not in known]
        return [{"params": first, "reach": 1 / max(1.0, size / count)}, {"params": rest}]

    def decode(self, number: int, mode: SoftRounding | None) -> Decoded:
        """This process's share of a chunk."""
        with autocast(self.device):
            decoded = self.model.decode(self.chunks[number], mode, self.noise, self.shares[number])
        return Decoded(decoded.images.float(), decoded.bits)

    def images_of(self, chunk: Chunk, mode: SoftRounding | None) -> Tensor:
        """Images alone, without a graph."""
        with torch.no_grad(), autocast(self.device):
            levels = [quantize(y, mode, self.noise) for y in chunk.levels]
            return self.model.images(chunk, levels).float()

    def bits_of(self, chunk: Chunk) -> Tensor:
        """Bits of a chunk's rounded latents, a scalar: what it would cost in a file."""
        with torch.no_grad(), autocast(self.device):
            return self.model.bits(chunk, [y.round() for y in chunk.levels]).sum()

    def pixels_of(self, chunk: Chunk) -> int:
        return len(chunk.index) * self.images.shape[2] * self.images.shape[3]

    def watch(self, stage: str, steps: int) -> Iterator[tuple[int, Callable[[Tensor | None, Tensor], None]]]:
        """Steps of a stage that are left, each with a function that reports (utility, mean squared error) if
        a report is due; else a GPU need not be waited for."""
        pace, last = Pace(), time.monotonic()
        for step in self.journal.steps(steps):

            def tell(utility: Tensor | None, mse: Tensor, step: int = step) -> None:
                nonlocal last
                now = time.monotonic()
                if now - last < REPORT_SECONDS and step + 1 < steps:
                    return
                last = now
                bits = (self.control.rate or 0.0) * self.pixels + self.overhead
                times = pace.at(step + 1, steps)
                known = None if utility is None else float(utility)
                psnr = 10 * math.log10((255 / GREY_LEVELS) ** 2 / max(float(mse), 1e-9))
                self.report(Progress(stage, step + 1, steps, bits / self.classes, known, psnr, *times))

            yield step, tell
