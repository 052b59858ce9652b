"""Where training starts: the pyramid of real images as latents, and a synthesis network that inverts it.

Starting from a working linear transform codec leaves warm-up only the improvement of it to do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.model.latents import GroupNetworks, SyntheticModel
from rudcodec.model.synthesis import GREY_LEVELS
from rudcodec.payload import Architecture

# Orthonormal opponent colours: luma, red-blue, green-magenta; rows are planes.
OPPONENT = torch.tensor(
    [
        [1 / math.sqrt(3)] * 3,
        [1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)],
        [1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)],
    ]
)

# Finer steps of quantization gain nothing: half a grey level, and an eighth of one at the coarser levels.
# The weights that undo a finer one would be too small for integers.
MIN_STEP_SIZE, MIN_COARSE_STEP_SIZE = 0.5 / GREY_LEVELS, 0.125 / GREY_LEVELS

MAX_MEAN_IN_BINS = 4.0  # magnitude in bins, above which the entropy is not counted bin by bin


def colour_planes(channels: int) -> Tensor:
    """(planes, channels), orthonormal."""
    return OPPONENT if channels == 3 else torch.ones(1, 1)


def pyramid(images: Tensor, grids: Sequence[int]) -> list[Tensor]:
    """Laplacian pyramid in opponent colours, coarse to fine: what each level adds to the upsampled coarser.

    ``images`` (n, C, H, W) -> per level (n, c, h, w); a level of fewer components leaves the rest out.
    """
    planes = torch.einsum("pc,nchw->nphw", colour_planes(images.shape[1]), images)
    means = [planes]
    for _ in grids[1:]:
        finer = means[-1]
        padded = F.pad(finer, (0, finer.shape[3] % 2, 0, finer.shape[2] % 2), mode="replicate")
        means.append(F.avg_pool2d(padded, 2))
    levels: list[Tensor] = []
    previous: Tensor | None = None
    for target, c in zip(reversed(means), grids, strict=True):
        if previous is None:
            levels.append(target[:, :c])
            previous = target
            continue
        predicted = F.interpolate(previous, scale_factor=2, mode="bilinear", align_corners=False)
        predicted = predicted[..., : target.shape[2], : target.shape[3]]
        levels.append((target - predicted)[:, :c])
        previous = torch.cat((target[:, :c], predicted[:, c:]), 1)
    return levels


def _entropy_bits(values: Tensor) -> float:
    """Zero-order entropy of rounded values, in bits altogether.

    Few samples don't show the entropy of a wide distribution: it is counted in wider bins, and the bits
    inside a bin are added.
    """
    bin_width = max(1.0, float(values.abs().mean()) / MAX_MEAN_IN_BINS)
    _, counts = (values / bin_width).round().flatten().unique(return_counts=True)
    p = counts.double() / counts.sum()
    return float(-(counts * p.log2()).sum()) + values.numel() * math.log2(bin_width)


def _level_step_size(step_size: float, level: int, levels: int) -> float:
    """Step of a level (0: coarsest), given the finest one's.

    A coarser latent moves four times the pixels of the next finer one, so its step is half as long.
    """
    return max(step_size * 2.0 ** (level + 1 - levels), min(step_size, MIN_COARSE_STEP_SIZE))


def _in_step_sizes(levels: Sequence[Tensor], step_size: float) -> list[Tensor]:
    return [y / _level_step_size(step_size, i, len(levels)) for i, y in enumerate(levels)]


def step_size_for(levels: Sequence[Tensor], bits: float) -> float:
    """The finest level's step at which the pyramid's zero-order entropy is ``bits``, or the finest of use."""
    return max(MIN_STEP_SIZE, 1 / _scale_for_bits(_in_step_sizes(levels, 1.0), bits))


def scale_for_rate_ratio(latents: Sequence[Tensor], ratio: float) -> float:
    """Factor on latents that changes their zero-order entropy by ``ratio``."""
    before = sum(_entropy_bits(y) for y in latents)
    return _scale_for_bits(latents, ratio * before)


def _scale_for_bits(latents: Sequence[Tensor], bits: float) -> float:
    low, high = 1e-2, 1e3
    for _ in range(30):
        factor = math.sqrt(low * high)
        total = sum(_entropy_bits(y * factor) for y in latents)
        low, high = (low, factor) if total > bits else (factor, high)
    return math.sqrt(low * high)


def inverse_synthesis(networks: GroupNetworks, grids: Sequence[int], step_size: float, channels: int) -> None:
    """Set the synthesis network to the pyramid's inverse, plus a little noise to break symmetries.

    Planes travel through ReLU layers as pairs of opposite sign.
    """
    synthesis = networks.synthesis
    planes = colour_planes(channels)
    count = planes.shape[0]
    last = len(synthesis.layers) - 1
    gains: list[float] = []
    read = torch.zeros(count, sum(grids))  # planes from the stacked grids
    for level, c in enumerate(grids):
        for plane in range(min(c, count)):
            read[plane, len(gains) + plane] = 1.0
        gains += [_level_step_size(step_size, level, len(grids))] * c
    read *= torch.tensor(gains)
    pairs = torch.stack((torch.eye(count), -torch.eye(count)), 1).flatten(0, 1)
    with torch.no_grad():
        for i, (layer, weight, bias) in enumerate(
            zip(synthesis.layers, synthesis.weights, synthesis.biases, strict=True)
        ):
            weight.mul_(0.0 if last == 0 else 0.1 if i == last else 0.3)
            bias.zero_()
            if i == 0:
                weight.mul_(torch.tensor(gains, device=weight.device).view(1, -1, 1, 1))
            enter = read if i == 0 else pairs.T
            leave = planes.T if i == last else pairs
            if i < last:
                weight[: 2 * count] = 0.0
            if i > 0:
                weight[:, : 2 * count] = 0.0
            centre = weight[:, :, layer.kernel // 2, layer.kernel // 2]
            path = (leave @ enter).to(weight.device)
            centre[: path.shape[0], : path.shape[1]] += path


def latent_bits_at(images: Tensor, grids: Sequence[int], lmbda: float) -> float:
    """About what the latents of images (n, C, H, W) take at a ``lmbda``: see :func:`lmbda_for_step_size`."""
    step_size = math.sqrt(lmbda_for_step_size(1.0, images.shape[1]) / lmbda)
    return sum(_entropy_bits(y) for y in _in_step_sizes(pyramid(images, grids), step_size))


def lmbda_for_step_size(step_size: float, channels: int) -> float:
    """The lmbda of ``bpp + lmbda * mse`` that suits a quantization step.

    At high rate an entropy-coded sample's squared error falls by 2 ln 2 step^2 / 12 for a bit more; the
    factor of two is for encoders that choose levels by rate and distortion and so spend less.
    """
    return 2 * channels * 6 / (math.log(2) * step_size**2)


def initial_model(
    images: Tensor, groups: Tensor, architecture: Architecture, bits: float, chunks: Tensor
) -> tuple[SyntheticModel, float]:
    """A model whose images are already near ``images`` at about ``bits`` bits of latents altogether, and the
    quantization step size of its finest level. ``groups`` and ``chunks`` as in :class:`SyntheticModel`."""
    grids = architecture.grids
    levels = pyramid(images, grids)
    step_size = step_size_for(levels, bits)
    model = SyntheticModel(architecture, _in_step_sizes(levels, step_size), groups, chunks)
    for networks in model.each_group():
        inverse_synthesis(networks, grids, step_size, architecture.channels)
    return model, step_size
