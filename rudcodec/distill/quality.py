"""How much of the images is left: in the model that trains, and in the file that is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec import bitstream
from rudcodec.distill.payload_builder import segment_rows
from rudcodec.model.synthesis import to_grey_levels
from rudcodec.psnr import psnr

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding
    from rudcodec.payload import Payload

MAX_PSNR = 100.0  # dB: of images that are the same it would be infinite, which JSON has no number for


@dataclass(frozen=True)
class Quality:
    """PSNR of decoded images in dB: against the ``initial`` images, and against the ``targets``, which after
    the joint phase are the images that it has made."""

    initial: float
    targets: float


def model_psnr(encoding: Encoding) -> float:
    """PSNR in dB, against the initial images, of what the model decodes its rounded latents to: a stage."""
    return _psnr(to_pixels(encoding.encoder.decode_all()), encoding.initial_images.images)


def file_quality(encoding: Encoding, payload: Payload) -> Quality:
    """Of the images that a payload's file decodes to, in exact arithmetic."""
    initial = encoding.initial_images.images
    num_images = len(initial)
    order = np.concatenate(segment_rows(num_images, num_images // len(payload.classes)))
    decoded = np.empty_like(initial)
    decoded[order] = bitstream.synthesize(payload)
    targets = to_pixels(encoding.encoder.targets)
    return Quality(_psnr(decoded, initial), _psnr(decoded, targets))


def mean_colour_psnr(encoding: Encoding) -> float:
    """PSNR in dB of the initial images against their mean colours."""
    images = encoding.initial_images.images
    means = images.mean((1, 2), keepdims=True).round().astype(np.uint8)
    return _psnr(np.broadcast_to(means, images.shape), images)


def _psnr(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """In dB, at most ``MAX_PSNR``."""
    return min(MAX_PSNR, psnr(images, others))


def to_pixels(images: torch.Tensor) -> NDArray[np.uint8]:
    """uint8 (N, H, W, C) of (N, C, H, W) in synthesis units."""
    rounded = to_grey_levels(images).round().to(torch.uint8).permute(0, 2, 3, 1)
    return np.ascontiguousarray(rounded.cpu().numpy())
