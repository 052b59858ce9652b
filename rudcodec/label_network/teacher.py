"""Soft labels of the images of a set, by a teacher network that isn't stored in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rudcodec import bitstream
from rudcodec.bitstream.soft import columns, quantized
from rudcodec.payload import LabelNetwork, Payload, SoftLabels, SoftScale

NUM_NAMED_CLASSES, LOG_ODDS_STEP = 3, 32
TEACHER_BITS = 3e5  # of a label network that no file has to carry; a wider one would be little better
OWN_PART = 0.5  # of a soft label: the image's class as such, since teachers see no such images in training
BITS_PER_ODDS = 3.0  # about what one of a soft label's odds costs

SegmentLabels = list[list[Tensor]]
"""For each segment, its soft labels' ``others`` and ``odds`` as tensors, which checkpoints can hold."""


def soft_scale(num_classes: int, temperature: int) -> SoftScale:
    """How soft labels of a set are quantized; ``temperature`` in 1/16."""
    return SoftScale(min(NUM_NAMED_CLASSES, num_classes - 1), LOG_ODDS_STEP, temperature)


def soft_label_bits(num_classes: int) -> float:
    """About what the soft label of an image will take."""
    scale = soft_scale(num_classes, 16)
    names = sum(np.log2(num_classes - 1 - j) for j in range(scale.kept))
    return float(names + BITS_PER_ODDS * columns(scale, num_classes))


def teacher_labels(teacher: LabelNetwork, payload: Payload) -> SegmentLabels:
    """Soft labels of each segment's decoded images, as the teacher sees them."""
    scale = soft_scale(len(payload.classes), teacher.temperature)
    images, labels = bitstream.synthesize(payload), bitstream.hard_labels(payload)
    soft = soft_labels_of(teacher, images, labels, scale)
    counts = [sum(segment.counts) for segment in payload.segments]
    others, odds = (torch.from_numpy(array).split(counts) for array in (soft.others, soft.odds))
    return [list(segment) for segment in zip(others, odds, strict=True)]


def soft_labels_of(
    teacher: LabelNetwork,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    scale: SoftScale,
    own: float = OWN_PART,
) -> SoftLabels:
    """Soft labels of images, uint8 (n, H, W, C), of the classes ``labels``: ``own`` of each is its class, the
    rest what the teacher says at its temperature."""
    probs = (1 - own) * bitstream.probabilities(teacher, images)
    probs[np.arange(len(labels)), labels] += own
    return quantized(np.log(np.maximum(probs, 1e-30)), labels, scale)


def attach_soft_labels(payload: Payload, soft_labels: SegmentLabels, temperature: int) -> Payload:
    """The payload with these labels of its segments' images; ``temperature`` in 1/16."""
    segments = tuple(
        replace(segment, soft=SoftLabels(others.numpy(), odds.numpy()))
        for segment, (others, odds) in zip(payload.segments, soft_labels, strict=True)
    )
    return replace(payload, segments=segments, soft=soft_scale(len(payload.classes), temperature))
