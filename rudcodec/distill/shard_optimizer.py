"""The optimizer of latents: each process moves a shard of them, and has the moments of no others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rudcodec.distill.learning_rates import BETAS, set_learning_rate
from rudcodec.model.latents import Chunk, Shard
from rudcodec.runs import Ranks, State, restore_optimizer

LATENT_LR = 2e-2


class ShardOptimizer:
    """Adam on a chunk's latents, shared out as in ZeRO (Rajbhandari et al., SC 2020), stage 1.

    The gradient of an image's latents is whole where that image is decoded, so that gradients need not be
    sent: each process moves its shard, and all receive what has been moved.

    Args:
        chunk: its latents, which all processes hold.
        shard: this process's images of it.
        ranks: the processes.
    """

    def __init__(self, chunk: Chunk, shard: Shard, ranks: Ranks) -> None:
        self._levels, self._rows, self._ranks = list(chunk.levels), shard.rows, ranks
        self._own = [nn.Parameter(level.data[shard.rows]) for level in self._levels]  # the same memory
        groups = [
            {"params": [own], "lr_factor": _lr_factor(level)}
            for own, level in zip(self._own, self._levels, strict=True)
        ]
        self._adam = torch.optim.Adam(groups, lr=LATENT_LR, betas=BETAS)

    def zero_grad(self) -> None:
        """Forget the chunk's gradients."""
        for level in self._levels:
            level.grad = None

    def step(self, factor: float) -> None:
        """Move the latents by the chunk's gradients, which are used up; ``factor``: of the learning rate."""
        set_learning_rate(self._adam, LATENT_LR * factor)
        for own, level in zip(self._own, self._levels, strict=True):
            own.grad = torch.zeros_like(own) if level.grad is None else level.grad[self._rows]
        self._adam.step()
        self._adam.zero_grad()
        self.zero_grad()
        self._ranks.share_rows([level.data for level in self._levels], self._rows)

    def state(self) -> State:
        """Of this process's shard."""
        return self._adam.state_dict()

    def restore(self, state: State) -> None:
        restore_optimizer(self._adam, state)


def _lr_factor(level: Tensor) -> float:
    """How far latents of a level have to go, in step sizes: large ones take larger strides."""
    return float(level.detach().abs().mean().clamp(1.0, 4.0))
