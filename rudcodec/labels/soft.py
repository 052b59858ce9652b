"""Soft labels of the images of a set, by a teacher that stays behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rudcodec import bitstream
from rudcodec.bitstream.soft import columns, quantized
from rudcodec.payload import LabelNetwork, Payload, SoftLabels, SoftScale

KEPT, STEP = 3, 32
TEACHER_BITS = 3e5  # of a label network that no file has to carry; more would bring it little
BITS_PER_ODDS = 3.0  # about what one costs


def scale_for(classes: int, temperature: int) -> SoftScale:
    """How the labels of a set of ``classes`` are quantized; ``temperature`` in 1/16."""
    return SoftScale(min(KEPT, classes - 1), STEP, temperature)


def soft_bits(classes: int) -> float:
    """About what the label of an image will take."""
    scale = scale_for(classes, 16)
    names = sum(np.log2(classes - 1 - j) for j in range(scale.kept))
    return float(names + BITS_PER_ODDS * columns(scale, classes))


def soft_labels_by(teacher: LabelNetwork, payload: Payload) -> list[list[Tensor]]:
    """Of each segment's decoded images, as the teacher sees them: :class:`SoftLabels` as tensors, which
    checkpoints can hold."""
    scale = scale_for(len(payload.classes), teacher.temperature)
    soft = seen_by(teacher, bitstream.synthesize(payload), bitstream.hard_labels(payload), scale)
    sizes = [sum(segment.counts) for segment in payload.segments]
    parts = (torch.from_numpy(array).split(sizes) for array in (soft.others, soft.odds))
    return [list(part) for part in zip(*parts, strict=True)]


def seen_by(
    teacher: LabelNetwork, images: NDArray[np.uint8], own: NDArray[np.int64], scale: SoftScale
) -> SoftLabels:
    """Labels of images, uint8 (n, H, W, C), of the classes ``own``, at the teacher's temperature."""
    logs = np.log(np.maximum(bitstream.probabilities(teacher, images), 1e-30))
    return quantized(logs, own, scale)


def with_soft_labels(payload: Payload, labels: list[list[Tensor]], temperature: int) -> Payload:
    """The set with these labels of its segments' images; ``temperature`` in 1/16."""
    segments = tuple(
        replace(segment, soft=SoftLabels(others.numpy(), odds.numpy()))
        for segment, (others, odds) in zip(payload.segments, labels, strict=True)
    )
    return replace(payload, segments=segments, soft=scale_for(len(payload.classes), temperature))
