"""What the optimizers of an encode share: Adam's betas, and the course of their learning rates."""

from __future__ import annotations

import math

import torch

BETAS = (0.9, 0.99)


def cosine_decay(fraction_done: float) -> float:
    """Factor of the learning rate, 1 -> .02 as ``fraction_done`` goes 0 -> 1."""
    return 0.02 + 0.49 * (1 + math.cos(math.pi * fraction_done))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameters, each times the factor of its group."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
