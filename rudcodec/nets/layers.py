"""Layers that compute one function in two ways: eager by torch's own kernels, compiled by plain sums, of
which the compiler makes faster code. experiments/2026-11-cost.md has the times.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def instance_norm(x: Tensor, eps: float, weight: Tensor | None, bias: Tensor) -> Tensor:
    """``x`` (n, C, h, w) with mean 0 and variance 1 of each channel of each image, times ``weight`` (C,) if
    any, plus ``bias`` (C,)."""
    channels = x.shape[1]
    if not torch.compiler.is_compiling():
        # without a weight, its gradient in bf16 autocast fails (torch 2.14)
        return F.group_norm(x, channels, torch.ones_like(bias) if weight is None else weight, bias, eps)
    x = x.float()
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight.view(1, channels, 1, 1)
    # an offset for each image: its gradient sums over pixels alone, which is what compiles well
    return x * scale + (bias.view(1, channels, 1, 1) - mean * scale)


class InstanceNorm(nn.GroupNorm):
    """Affine :func:`instance_norm`."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.eps, self.weight, self.bias)


def halved(x: Tensor) -> Tensor:
    """Means of 2 x 2 pixels of ``x`` (n, C, h, w); an odd last row or column is left out."""
    if not torch.compiler.is_compiling():
        return F.avg_pool2d(x, 2)
    n, channels, height, width = x.shape
    rows, columns = height // 2, width // 2
    x = x[:, :, : 2 * rows, : 2 * columns].permute(0, 2, 3, 1)
    return x.reshape(n, rows, 2, columns, 2, channels).mean((2, 4)).permute(0, 3, 1, 2)
