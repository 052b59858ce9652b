"""The state that every training stage works on: model, targets, rate control."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from rudcodec.distill.learning_rates import BETAS
from rudcodec.distill.payload_builder import LatentLevels
from rudcodec.distill.rate_control import RateControl
from rudcodec.distill.shard_optimizer import ShardOptimizer
from rudcodec.model.latents import Chunk, Decoded, Shard, SyntheticModel
from rudcodec.model.quantization import SoftRounding, quantize
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.nets.speed import autocast
from rudcodec.runs import RunContext, StageReport, State

NETWORK_LR = 5e-3
UNCODED_BITS = 8.0  # of a sample
LARGE_LATENTS = 256.0  # on average over a level


class EncoderState:
    """A model on its way from initial images to a file.

    Args:
        model: latents and networks.
        initial_images: float (N, C, H, W), in synthesis units.
        control: steers the latents' bits (of a pixel) to what is left of the budget for them.
        run: device, generators, journal.
        step_size: the finest level's quantization step size.
        overhead_bits: what the file holds besides latents, as far as is known.
        num_classes: for reports.
        shared_label_bits: beside the allocated budget, for reports.

    Attributes:
        targets: what distortion is measured against: the initial images, or those that the joint phase has
            made.
    """

    def __init__(
        self,
        model: SyntheticModel,
        initial_images: Tensor,
        control: RateControl,
        run: RunContext,
        *,
        step_size: float,
        overhead_bits: float,
        num_classes: int,
        shared_label_bits: float,
    ) -> None:
        self.model = model
        self.initial_images = self.targets = initial_images
        self.control = control
        self.run = run
        self.step_size = step_size
        self.overhead_bits = overhead_bits
        self.num_classes = num_classes
        self.shared_label_bits = shared_label_bits
        self.chunks = list(model.each_chunk())
        self.shards = [Shard.of(chunk, run.ranks.shard(len(chunk.index))) for chunk in self.chunks]
        count, channels, height, width = initial_images.shape
        self.num_pixels = count * height * width
        self.max_rate = UNCODED_BITS * channels  # bits a pixel: more has no use

    def state(self) -> State:
        """All that stages change."""
        return {
            "model": self.model.state_dict(),
            "control": [self.control.target, self.control.lmbda, self.control.rate],
            "overhead": self.overhead_bits,
            "step size": self.step_size,
            "targets": self.targets if self.has_joint_images else None,
        }

    def restore(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.control.target, self.control.lmbda, self.control.rate = state["control"]
        self.overhead_bits, self.step_size = state["overhead"], state["step size"]
        targets = state["targets"]
        self.targets = self.initial_images if targets is None else targets.to(self.run.device)

    @property
    def has_joint_images(self) -> bool:
        """Whether the targets are images that the joint phase has made."""
        return self.targets is not self.initial_images

    def target_rate(self, budget_bits: float) -> float:
        """Bits of latents for a pixel, given the file's bits."""
        return min(max(budget_bits - self.overhead_bits, 1.0) / self.num_pixels, self.max_rate)

    def latent_optimizers(self) -> list[ShardOptimizer]:
        """One for this process's shard of each chunk."""
        chunks = zip(self.chunks, self.shards, strict=True)
        return [ShardOptimizer(chunk, shard, self.run.ranks) for chunk, shard in chunks]

    def network_optimizer(self) -> torch.optim.Optimizer:
        """Of all networks."""
        return torch.optim.Adam(self._network_parameters(), lr=NETWORK_LR, betas=BETAS)

    def _network_parameters(self) -> list[dict[str, Any]]:
        """Parameters with factors of the learning rate.

        What sees latents moves the less the larger they are: at rich budgets, or where all that there is lies
        in one level, it would else run away.
        """
        means = [float(level.abs().mean()) for level in self.model.unrounded()]
        size = sum(float(y.detach().abs().sum()) for chunk in self.chunks for y in chunk.levels)
        count = sum(y.numel() for chunk in self.chunks for y in chunk.levels)
        slowness = max(1.0, size / count, (max(means) / LARGE_LATENTS) ** 3)
        groups = self.model.each_group()
        first = [w for group in groups for w in (group.context.weights[0], group.synthesis.weights[0])]
        first_ids = {id(weight) for weight in first}
        others = [p for p in self.model.networks.parameters() if id(p) not in first_ids]
        return [{"params": first, "lr_factor": 1 / slowness}, {"params": others}]

    def decode_shard(self, chunk_index: int, rounding: SoftRounding | None) -> Decoded | None:
        """This process's shard of a chunk; None where that has no image, after the same random numbers."""
        shard = self.shards[chunk_index]
        with autocast(self.run.device):
            levels = self._levels_of_shard(chunk_index, rounding)
            if not len(shard.index):
                return None
            decoded = self.model.decode(shard, levels)
        return Decoded(decoded.images.float(), decoded.bits)

    def decode_images(self, chunk_indices: list[int], rounding: SoftRounding | None) -> list[Tensor]:
        """Images alone of some chunks, each (n, C, H, W), without a graph: each process decodes its shards,
        and all receive what has been decoded."""
        images = [self._images_of_shard(index, rounding) for index in chunk_indices]
        self.run.ranks.all_reduce(images)
        return images

    def _images_of_shard(self, chunk_index: int, rounding: SoftRounding | None) -> Tensor:
        """A chunk's images, (n, C, H, W), of which those of others' shards are zeros."""
        chunk, shard = self.chunks[chunk_index], self.shards[chunk_index]
        images = self.targets.new_zeros((len(chunk.index), *self.targets.shape[1:]))
        with torch.no_grad(), autocast(self.run.device):
            levels = self._levels_of_shard(chunk_index, rounding)
            if len(shard.index):
                images[shard.rows] = self.model.images(shard, levels).float()
        return images

    def _levels_of_shard(self, chunk_index: int, rounding: SoftRounding | None) -> list[Tensor]:
        """Quantized latents of this process's shard; random numbers are drawn for the whole chunk, so that
        all processes draw the same."""
        chunk, rows = self.chunks[chunk_index], self.shards[chunk_index].rows
        return [quantize(y, rounding, self.run.rounding_generator)[rows] for y in chunk.levels]

    def coded_bits(self, chunk: Chunk) -> Tensor:
        """Bits of a chunk's rounded latents, a scalar: what it would cost in a file."""
        with torch.no_grad(), autocast(self.run.device):
            return self.model.bits(chunk, [y.round() for y in chunk.levels]).sum()

    def decode_all(self) -> Tensor:
        """All images of the rounded latents, (N, C, H, W), without a graph."""
        decoded = torch.empty_like(self.initial_images)
        with torch.no_grad(), autocast(self.run.device):
            for chunk in self.chunks:
                levels = [y.round() for y in chunk.levels]
                decoded[chunk.index] = self.model.images(chunk, levels).float()
        return decoded

    def all_coded_bits(self) -> float:
        """Bits of all rounded latents."""
        return sum(float(self.coded_bits(chunk)) for chunk in self.chunks)

    def coded_rate(self) -> float:
        """Bits of all rounded latents for a pixel."""
        return self.all_coded_bits() / self.num_pixels

    def pixels_in(self, chunk: Chunk) -> int:
        """Pixels of a chunk's images."""
        return len(chunk.index) * self.targets.shape[2] * self.targets.shape[3]

    def latents(self) -> LatentLevels:
        """The latents as they are coded."""
        return [level.cpu().numpy() for level in self.model.latents()]

    def report(self, report: StageReport, step: int, steps: int, utility: Tensor | None, mse: Tensor) -> None:
        """Report a step if that is due; else a GPU need not be waited for."""
        if not report.is_due(step, steps):
            return
        bits = (self.control.rate or 0.0) * self.num_pixels + self.overhead_bits
        # an overhead below zero lasts until it is measured again
        bits = max(0.0, bits) + self.shared_label_bits
        psnr = 10 * math.log10((255 / GREY_LEVELS) ** 2 / max(float(mse), 1e-9))
        report(
            step,
            steps,
            bpc=bits / self.num_classes,
            utility=None if utility is None else float(utility),
            psnr=psnr,
        )
