"""Upsampling and synthesis: latents to pixels. The float network; ``rudcodec.bitstream`` has the integer one.

One real unit of output is 64 grey levels and 0 is mid grey, so that values are of the order of 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.bitstream import constants
from rudcodec.payload import SynthesisLayer

ONE = float(1 << constants.ACTIVATION_BITS)
ACTIVATION_LIMITS = (-(constants.ACTIVATION_LIMIT + 1) / ONE, constants.ACTIVATION_LIMIT / ONE)
GREY_LEVELS = ONE / 2**constants.PIXEL_SHIFT
MID_GREY = float(constants.MID_GREY)


def upsample_stack(levels: Sequence[Tensor]) -> Tensor:
    """All levels brought to full resolution by repeated bilinear x2: -> (n, sum of channels, H, W), in
    float32 and channels last, as convolutions are fastest."""
    stack = levels[0]
    with torch.autocast(stack.device.type, enabled=False):  # of several steps bfloat16 would round each
        for y in levels[1:]:
            rows = _doubling(stack.shape[2], y.shape[2], y.device)
            columns = _doubling(stack.shape[3], y.shape[3], y.device)
            stack = torch.cat((rows @ stack @ columns.T, y), 1)
    return stack.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


@functools.cache
def _doubling(size: int, doubled: int, device: torch.device) -> Tensor:
    """The matrix, float32 (doubled, size), that makes ``doubled`` values out of ``size``: twice as many by
    linear interpolation, or one less. By products of matrices gradients take half the time."""
    identity = torch.eye(size, device=device)[None]
    twice = F.interpolate(identity, scale_factor=2, mode="linear", align_corners=False)[0]
    return twice[:, :doubled].T.contiguous()


class SynthesisNetwork(nn.Module):
    """Convolutions of 1x1 and 3x3 from the stacked latents to (n, channels, H, W).

    The format's residual layers are not among them: no architecture of ours has one.
    """

    def __init__(self, inputs: int, layers: Sequence[SynthesisLayer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer in layers:
            fan_in = inputs * layer.kernel**2
            shape = (layer.out_channels, inputs, layer.kernel, layer.kernel)
            self.weights.append(torch.randn(shape) * math.sqrt(2.0) / math.sqrt(fan_in))
            self.biases.append(torch.zeros(layer.out_channels))
            inputs = layer.out_channels

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        x = upsample_stack(levels)
        for layer, weight, bias in zip(self.layers, self.weights, self.biases, strict=True):
            v = F.conv2d(x, weight, bias, padding=layer.kernel // 2)
            low, high = ACTIVATION_LIMITS
            x = F.hardtanh(v, 0.0 if layer.relu else low, high)
        return x


def to_grey_levels(x: Tensor) -> Tensor:
    """Synthesis output (real units) to pixel values 0..255, still real."""
    return (MID_GREY + GREY_LEVELS * x).clamp(0.0, 255.0)


def to_synthesis_units(images: Tensor) -> Tensor:
    """Images, uint8 (N, H, W, C), as what the synthesis is to put out: float32 (N, C, H, W)."""
    return ((images.permute(0, 3, 1, 2).float() - MID_GREY) / GREY_LEVELS).contiguous()
