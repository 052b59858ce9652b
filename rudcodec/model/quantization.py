"""Quantization that a gradient can pass: soft rounding with noise, then straight-through rounding.

Sources: Agustsson & Theis, "Universally Quantized Neural Compression" (NeurIPS 2020), section 4.1;
Kim et al., "C3" (2023), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rudcodec.bitstream import limits
from rudcodec.payload import QTensor


@dataclass(frozen=True)
class SoftRounding:
    """State of the quantizer at one iteration.

    ``temperature`` of the soft rounding (towards 0: hard rounding) and ``noise``, the standard deviation of
    the Gaussian added between its two applications, both in units of the quantization step.
    """

    temperature: float
    noise: float

    @classmethod
    def at(cls, fraction_done: float) -> SoftRounding:
        """The schedule: temperature .3 -> .1 and noise .25 -> .2 as ``fraction_done`` goes 0 -> 1.

        Noise has to stay: with less of it latents come to rest between the integers, where they tell the
        networks more than a file can (experiments/2026-11-image-coder.md).
        """
        return cls(temperature=0.3 - 0.2 * fraction_done, noise=0.25 - 0.05 * fraction_done)


def soft_round(y: Tensor, temperature: float) -> Tensor:
    """Differentiable rounding of ``y`` (any shape), the identity for a high temperature."""
    base = y.floor()
    offset = y - base - 0.5
    scale = 0.5 / torch.tanh(torch.tensor(0.5 / temperature)).item()
    return base + 0.5 + scale * torch.tanh(offset / temperature)


def straight_through(x: Tensor) -> Tensor:
    """``x`` rounded, with the gradient of ``x`` (straight-through rounding)."""
    return x + (x.round() - x).detach()


def quantize(y: Tensor, rounding: SoftRounding | None, generator: torch.Generator | None = None) -> Tensor:
    """Quantize latents ``y`` for training.

    With soft ``rounding``: soft-round, add noise from ``generator``, soft-round again. Without: round, and
    let the gradient pass as if nothing had happened (straight-through).
    """
    if rounding is None:
        return straight_through(y)
    noise = torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype) * rounding.noise
    return soft_round(soft_round(y, rounding.temperature) + noise, rounding.temperature)


def to_integers(values: Tensor, exponent: int) -> QTensor:
    """A network's parameters as a file has them: the nearest integers within its limits, times a power of
    two."""
    scaled = (values.detach() * 2.0**exponent).round().clamp(-limits.WEIGHT, limits.WEIGHT)
    return QTensor(scaled.cpu().numpy().astype(np.int32), exponent)
