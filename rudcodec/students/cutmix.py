"""CutMix (Yun et al., ICCV 2019): a box of another image in each image of a batch, and of its label."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.nets.transfer import to_device

CHANCES = 256  # what a recipe's chance is in units of


def as_probabilities(targets: Tensor, num_classes: int) -> Tensor:
    """Targets as CutMix mixes them: float32 (n, classes), of classes, int64 (n,), or probabilities."""
    return targets if targets.is_floating_point() else F.one_hot(targets, num_classes).float()


def cutmix(images: Tensor, targets: Tensor, chance: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix a batch, or leave it as it is: as in the code of IDC (Kim et al., ICML 2022), all images alike.

    The box has a part of the image that is uniform in 0..1, and a centre anywhere, so that some of it may lie
    outside. The label is mixed by what is inside.

    Args:
        images: float (n, C, H, W).
        targets: probabilities, float (n, classes).
        chance: that the batch is mixed, in 1/256.
        generator: of the CPU; source of all randomness.
    """
    if int(torch.randint(CHANCES, (), generator=generator)) >= chance:
        return images, targets
    height, width = images.shape[2:]
    part, centre_y, centre_x = torch.rand(3, generator=generator).tolist()
    half_height, half_width = (int(side * math.sqrt(part)) // 2 for side in (height, width))
    y, x = int(centre_y * height), int(centre_x * width)
    rows = slice(max(0, y - half_height), min(height, y + half_height))
    columns = slice(max(0, x - half_width), min(width, x + half_width))
    others = to_device(torch.randperm(len(images), generator=generator), images.device)
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[rows, columns] = True
    weight = float(inside.float().mean())
    mixed = torch.where(to_device(inside, images.device), images[others], images)
    return mixed, (1 - weight) * targets + weight * targets[others]
