"""A utility and a student that rudcodec finds when this package is installed: pip install examples/plugin"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.data import LabelledImages
from rudcodec.nets.normalise import normalise
from rudcodec.utility import Utility


class MomentMatching(Utility):
    """Squared distance of real and synthetic images in the mean and variance, over a class, of each square of
    4 x 4 pixels. An example: it says nothing of what networks see."""

    by_class = True

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        images = normalise(torch.from_numpy(dataset.images), self.recipe.mean, self.recipe.std)
        labels = torch.from_numpy(dataset.labels)
        self.real = [moments(images[labels == k]).to(device) for k in range(len(dataset.classes))]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        classes = labels.unique().tolist()
        distances = [(moments(images[labels == k]) - self.real[k]).square().sum() for k in classes]
        return torch.stack(distances).sum()


def moments(images: Tensor) -> Tensor:
    """(2, C, H / 4, W / 4) of (n, C, H, W)."""
    seen = F.avg_pool2d(images, 4, ceil_mode=True)
    return torch.stack([seen.mean(0), seen.var(0, unbiased=False)])


def tiny(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """One convolution, for images of any ``size``."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()),
        nn.Linear(16 * 16, classes),
    )
