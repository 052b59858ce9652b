"""A file that needs no training: a pyramid of the images, as fine as the budget allows.

It is what is written where nothing better fits. At the least, each image is its mean colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rudcodec.bitstream import limits
from rudcodec.bitstream.constants import log2_scale
from rudcodec.bitstream.weights import best_scale
from rudcodec.distill.acceptance import NOTHING_LEFT
from rudcodec.distill.initial_model import MIN_STEP_SIZE, colour_planes, inverse_synthesis, pyramid
from rudcodec.distill.quality import file_quality
from rudcodec.model.context import LOG2_SCALE_RANGE, ContextNetwork
from rudcodec.model.quantization import to_integers
from rudcodec.model.synthesis import GREY_LEVELS, SynthesisNetwork
from rudcodec.runs import State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

# All parameters of the context network have this exponent, by which its scales are powers of two.
CONTEXT_EXPONENT = 0
# The weight that undoes the finest quantization has so many bits.
WEIGHT_BITS = 4
MAX_COARSE_STEP_SIZE = 256 / GREY_LEVELS  # of the coarsest level: all its latents are zero, or nearly so
SEARCH_STEPS = 14


@dataclass(frozen=True)
class _Try:
    """A pyramid that fits: its number of levels, the step size of its finest one, and its PSNR in dB."""

    num_levels: int
    step_size: float
    psnr: float


def take_coarse_images(encoding: Encoding) -> State:
    """Let the encoder hold the pyramid's coarser levels, of as many and as finely as the budget allows: a
    stage.

    Returns ``exponents`` of the integer networks, ``labels`` of the images, and whether the file ``fits``,
    however coarse it is.
    """
    num_levels = len(encoding.encoder.model.architecture.grids)
    best: _Try | None = None
    for count in range(1, num_levels + 1):
        tried = _finest_that_fits(encoding, count)
        if tried is None or (best is not None and tried.psnr < best.psnr - 1):
            break
        best = tried if best is None or tried.psnr > best.psnr else best
        if best.psnr >= NOTHING_LEFT:
            break
    count, step_size = (1, _max_step_size(encoding)) if best is None else (best.num_levels, best.step_size)
    _set(encoding, count, step_size)
    return {"exponents": encoding.exponents, "labels": encoding.labels, "fits": best is not None}


def _max_step_size(encoding: Encoding) -> float:
    """Of the finest level, where the coarsest one has the largest of use."""
    return MAX_COARSE_STEP_SIZE * 2.0 ** (len(encoding.encoder.model.architecture.grids) - 1)


def _finest_that_fits(encoding: Encoding, num_levels: int) -> _Try | None:
    """The smallest step size at which so many levels fit; None where there is none."""
    low, high = math.log2(MIN_STEP_SIZE), math.log2(_max_step_size(encoding))
    if not _fits(encoding, num_levels, 2.0**high):
        return None
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _fits(encoding, num_levels, 2.0**middle) else (middle, high)
    _set(encoding, num_levels, 2.0**high)
    payload = encoding.payload(encoding.encoder.latents(), encoding.labels)
    return _Try(num_levels, 2.0**high, file_quality(encoding, payload).initial)


def _fits(encoding: Encoding, num_levels: int, step_size: float) -> bool:
    """Whether the file is within its budget; the encoder holds these images then."""
    _set(encoding, num_levels, step_size)
    size = encoding.file_bytes(encoding.encoder.latents(), encoding.labels)
    return 8 * size <= encoding.allocation.budget_bits


def _set(encoding: Encoding, num_levels: int, step_size: float) -> None:
    """Let the encoder hold the coarsest levels, at a step size that would be the finest one's, in synthesis
    units, and labels of these images."""
    encoder = encoding.encoder
    model, grids = encoder.model, encoder.model.architecture.grids
    images = encoder.initial_images.cpu()
    levels = pyramid(images, grids)[:num_levels]
    if num_levels == 1 and levels[0].shape[2:] == (1, 1):
        levels = pyramid(images.mean((2, 3), keepdim=True), grids[:1])  # of odd sizes, too
    of_synthesis = []
    for networks in model.each_group():
        with torch.no_grad():
            for parameter in networks.parameters():
                parameter.zero_()
            inverse_synthesis(networks, grids, step_size, model.architecture.channels)
            networks.synthesis.weights[0][:, sum(grids[:num_levels]) :] = 0.0
        of_synthesis.append(_rounded_in_place(networks.synthesis))
    latents = [y.round() for y in _latents_of(levels, model.of(0).synthesis)]
    unused = [torch.zeros_like(level) for level in model.unrounded()[num_levels:]]
    model.set_latents([*latents, *unused])
    for networks in model.each_group():
        _predict_zeros(networks.context, latents)
    of_context = [CONTEXT_EXPONENT] * (2 * len(model.of(0).context.weights))
    encoding.exponents = [of_context + exponents for exponents in of_synthesis]
    encoding.labels = encoding.label_images()


def _latents_of(levels: list[Tensor], synthesis: SynthesisNetwork) -> list[Tensor]:
    """What a synthesis network makes such levels of: real numbers, (n, c, h, w) each.

    It inverts the pyramid but for the rounding of its weights, which this undoes.
    """
    planes = colour_planes(synthesis.weights[-1].shape[0])
    count = planes.shape[0]
    matrix = torch.eye(sum(level.shape[1] for level in levels))
    last = len(synthesis.weights) - 1
    for i, weight in enumerate(synthesis.weights):  # planes travel as pairs of opposite sign
        centre = weight.detach().cpu()[:, :, weight.shape[2] // 2, weight.shape[3] // 2]
        centre = centre[:, : matrix.shape[0]] if i == 0 else centre[:, : 2 * count : 2]
        matrix = (centre if i == last else centre[: 2 * count : 2]) @ matrix
    latents, first = [], 0
    for level in levels:
        components = level.shape[1]
        inverse = torch.linalg.pinv(matrix[:, first : first + components]) @ planes.T[:, :components]
        latents.append(torch.einsum("cp,nphw->nchw", inverse, level))
        first += components
    return latents


def _predict_zeros(context: ContextNetwork, latents: list[Tensor]) -> None:
    """Let a context network expect small values of each grid's scale, and zeros in grids without latents."""
    lowest, _ = LOG2_SCALE_RANGE
    grids = [y[:, component].int().numpy() for y in latents for component in range(y.shape[1])]
    scales = torch.tensor([log2_scale(best_scale(grid)) for grid in grids]).round()
    with torch.no_grad():
        if len(context.weights) == 1:
            context.biases[0][:, 1] = lowest
            context.biases[0][: len(scales), 1] = scales
            return
        # a hidden unit carries the scale, from its lowest value on: activations are not negative
        context.biases[0][: len(scales), 0] = scales - lowest
        for weight in list(context.weights)[1:-1]:
            weight[0, 0] = 1.0
        context.weights[-1][1, 0] = 1.0
        context.biases[-1][1] = lowest


def _rounded_in_place(synthesis: SynthesisNetwork) -> list[int]:
    """Exponents of a synthesis network's tensors, which become what integers of these are."""
    exponents = []
    for weight in synthesis.weights:
        smallest = float(weight.detach().abs()[weight != 0].min())
        exponents += [max(0, min(limits.EXPONENT, WEIGHT_BITS - math.floor(math.log2(smallest)))), 0]
    tensors = [tensor for pair in zip(synthesis.weights, synthesis.biases, strict=True) for tensor in pair]
    with torch.no_grad():
        for tensor, exponent in zip(tensors, exponents, strict=True):
            tensor.copy_(torch.from_numpy(to_integers(tensor, exponent).values) * 2.0**-exponent)
    return exponents
