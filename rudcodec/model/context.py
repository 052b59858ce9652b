"""The context network: location and scale of a discretized Laplace for each latent.

The float network; ``rudcodec.bitstream`` has the integer one. What a latent sees, and in which order, is
drawn in ``bitstream_spec.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.bitstream import constants

ACTIVATION_LIMIT = constants.ACTIVATION_LIMIT / 2**constants.ACTIVATION_BITS
LOCATION_LIMIT = float(constants.LOCATION_RANGE[1] >> constants.LOCATION_BITS)
LOG2_SCALE_RANGE = (constants.log2_scale(0), constants.log2_scale(constants.SCALES - 1))


def _shifted(y: Tensor, offsets: Sequence[tuple[int, int]]) -> list[Tensor]:
    height, width = y.shape[-2:]
    padded = F.pad(y, (2, 2, 2, 2))
    return [padded[..., 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width] for dy, dx in offsets]


def _parents(parent: Tensor, height: int, width: int) -> list[Tensor]:
    """The four coarser latents around each finer position: nearest, beside, above or below, diagonal."""

    def spread(rows: Tensor, first: slice, second: slice) -> Tensor:
        return torch.stack((rows[..., first], rows[..., second]), -1).flatten(-2)

    n = parent.shape[-1]
    padded = F.pad(parent, (1, 1, 1, 1))
    near = spread(padded, slice(1, n + 1), slice(1, n + 1))
    beside = spread(padded, slice(0, n), slice(2, n + 2))
    out = []
    m = parent.shape[-2]
    for columns in (near, beside):
        rows = columns.transpose(-1, -2)
        out.append(spread(rows, slice(1, m + 1), slice(1, m + 1)).transpose(-1, -2))
        out.append(spread(rows, slice(0, m), slice(2, m + 2)).transpose(-1, -2))
    nearest, above, side, diagonal = out
    return [t[..., :height, :width] for t in (nearest, side, above, diagonal)]


def contexts(y: Tensor, parent: Tensor | None) -> Tensor:
    """What the context network sees of each latent of a level: (n, c, h, w) -> (21, n, c * h * w).

    ``parent`` is the next coarser level (n, c' >= c, ceil(h/2), ceil(w/2)), None for the coarsest. Inputs are
    planes, whose copies and gradients move memory in one piece.
    """
    _, c, h, w = y.shape
    y = _as_input(y)
    inputs = _shifted(y, constants.CAUSAL)
    zero = torch.zeros_like(y)
    inputs += [zero] * constants.PARENTS if parent is None else _parents(_as_input(parent[:, :c]), h, w)
    siblings = F.pad(y[:, :-1], (0, 0, 0, 0, 1, 0))
    inputs += _shifted(siblings, constants.SIBLINGS) if c > 1 else [zero] * len(constants.SIBLINGS)
    return torch.stack(inputs).flatten(2)


def _as_input(y: Tensor) -> Tensor:
    """Clamped, and in the number format that the network's products take: once, not for each of 21 copies."""
    y = y.clamp(-constants.INPUT_LIMIT, constants.INPUT_LIMIT)
    device = y.device.type
    return y.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else y


def laplace_bits(y: Tensor, location: Tensor, log2_scale: Tensor) -> Tensor:
    """Code length in bits of integers ``y`` under a discretized Laplace; same shape, differentiable.

    Also defined between the integers, which is what noisy latents need.
    """
    rate = torch.exp2(-log2_scale)
    distance = (y - location).abs()
    # Beyond half a step the logarithm is linear: exact where the probability itself would underflow.
    inside = distance.clamp(max=0.5)
    centre = 1 - 0.5 * torch.exp((inside - 0.5) * rate) - 0.5 * torch.exp(-(inside + 0.5) * rate)
    return ((distance - inside) * rate - torch.log(centre.clamp(min=1e-9))) / math.log(2)


class ContextNetwork(nn.Module):
    """MLP 21 -> hidden... -> 2 with a bias of its own for each grid in the first layer."""

    def __init__(self, grids: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.grids = tuple(grids)
        widths = (constants.INPUTS, *hidden, 2)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for i, (fan_in, out) in enumerate(pairwise(widths)):
            gain = 0.1 if i == len(hidden) else 1.0
            self.weights.append(torch.randn(out, fan_in) * gain / math.sqrt(fan_in))
            self.biases.append(torch.zeros(sum(grids), out) if i == 0 else torch.zeros(out))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Bits of each image: levels coarse to fine, each (n, c, h, w) -> (n,)."""
        parents = [None, *levels[:-1]]
        x = torch.cat([contexts(y, parent) for y, parent in zip(levels, parents, strict=True)], 2)
        count, latents = x.shape[1:]
        x = (self.weights[0] @ x.flatten(1)).unflatten(1, (count, latents))
        x = (x + self._bias_of_latents(levels)[:, None].to(x.dtype)).flatten(1)
        for weight, bias in list(zip(self.weights, self.biases, strict=True))[1:]:
            x = torch.addmm(bias[:, None], weight, F.hardtanh(x, 0.0, ACTIVATION_LIMIT))
        location, log2_scale = x.float().unflatten(1, (count, latents))
        location = location.clamp(-LOCATION_LIMIT, LOCATION_LIMIT)
        y = torch.cat([level.flatten(1) for level in levels], 1)
        return laplace_bits(y, location, log2_scale.clamp(*LOG2_SCALE_RANGE)).sum(1)

    def _bias_of_latents(self, levels: Sequence[Tensor]) -> Tensor:
        """Of the first layer, for each latent of an image: (outputs, latents)."""
        planes = [
            bias.T[:, :, None].expand(-1, -1, y[0, 0].numel()).flatten(1)
            for bias, y in zip(self.biases[0].split(self.grids), levels, strict=True)
        ]
        return torch.cat(planes, 1)
