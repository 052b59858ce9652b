"""A utility, a label mode and a student that rudcodec finds when this package is installed:

pip install examples/plugin
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.data import LabelledImages
from rudcodec.labels import LabelMode, Results
from rudcodec.nets.normalise import normalise
from rudcodec.options import option
from rudcodec.payload import Payload, SoftLabels, SoftScale
from rudcodec.runs import RunContext, State
from rudcodec.utility import Utility, UtilityOptions


@dataclass(frozen=True)
class MomentOptions(UtilityOptions):
    """Options on the command line are set by ``--set moments.square=8``."""

    square: int = option(4, "Side of the squares, in pixels.", minimum=1)


class MomentMatching(Utility):
    """Squared distance of real and synthetic images in the mean and variance, over a class, of each square of
    some pixels. An example: it says nothing of what networks see."""

    Options = MomentOptions
    options: MomentOptions
    sums_over_classes = True

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        """The moments of each real class; a checkpoint of the run holds them."""
        return [self._moments_of_class(real, label) for label in range(len(real.classes))]

    def _moments_of_class(self, real: LabelledImages, label: int) -> Tensor:
        # a copy of one class: all images of a large set may not fit memory
        images = torch.from_numpy(real.images[real.labels == label])
        return self._moments(normalise(images, self.recipe.mean, self.recipe.std))

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self._real = [moments.to(device) for moments in learned]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        distances = [
            (self._moments(images[labels == label]) - self._real[label]).square().sum()
            for label in labels.unique().tolist()
        ]
        return torch.stack(distances).sum()

    def _moments(self, images: Tensor) -> Tensor:
        """(2, C, H / square, W / square) of (n, C, H, W)."""
        squares = F.avg_pool2d(images, self.options.square, ceil_mode=True)
        return torch.stack([squares.mean(0), squares.var(0, unbiased=False)])


class SmoothedLabels(LabelMode):
    """Label smoothing: an image's own class is e² times as likely as any other. Files need three classes."""

    def attach(self, payload: Payload, labels: State, results: Results) -> Payload:
        segments = []
        for segment in payload.segments:
            own = segment.labels
            other = (own + 1) % len(segment.counts)  # the format wants one by name, beside the rest
            odds = np.full((len(own), 2), 2, np.int32)
            segments.append(replace(segment, soft=SoftLabels(other[:, None].astype(np.int32), odds)))
        scale = SoftScale(kept=1, step=64, temperature=16)
        return replace(payload, segments=tuple(segments), soft=scale)


def tiny(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """One convolution, for images of any ``size``."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()),
        nn.Linear(16 * 16, classes),
    )
