"""Images as networks take them."""

from __future__ import annotations

from torch import Tensor

from rudcodec.nets.transfer import constant


def normalise(images: Tensor, mean: tuple[int, ...], std: tuple[int, ...]) -> Tensor:
    """Images of 0..255, uint8 (N, H, W, C), as float32 (N, C, H, W) with about mean 0 and deviation 1.

    Args:
        images: on any device, on which the result is, too.
        mean, std: one for each channel, in grey levels, as a :class:`rudcodec.payload.Recipe` has them.
    """
    centre, scale = constant(mean, images.device), constant(std, images.device)
    return ((images.float() - centre) / scale).permute(0, 3, 1, 2).contiguous()
