"""DM, distribution matching (Zhao & Bilen, WACV 2023): class means of random ConvNets' features."""

from __future__ import annotations

import torch
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.memory import images_at_once
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.runs import State
from rudcodec.utility import Utility
from rudcodec.utility.real_images import RealImages
from rudcodec.utility_options import DMOptions


class DistributionMatching(Utility):
    """Squared distance between real and synthetic mean features, summed over classes (the paper's eq. 4).

    Every call draws a new random network, new real images and one siamese augmentation for all.
    """

    Options = DMOptions
    options: DMOptions
    sums_over_classes = True

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self.real = RealImages(real, self.recipe, device)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        real, device = self.real.set, self.real.device
        size = (real.height, real.width)
        weights = torch.Generator().manual_seed(seed)
        net = ConvNet.as_published(real.channels, len(real.classes), size, self.options.width, weights)
        net = net.to(device, images.dtype).requires_grad_(False)
        present_classes = labels.unique().tolist()
        at_once = images_at_once(*size)

        def features(x: Tensor) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            x = augment(x, self.recipe.augment, generator, siamese=True)
            with autocast(device):
                return net.features(x).to(x.dtype)

        means_of_classes: list[Tensor] = []
        classes_at_once = max(1, at_once // self.options.real_batch)
        with torch.no_grad():
            for first in range(0, len(present_classes), classes_at_once):
                some = present_classes[first : first + classes_at_once]
                sample, counts = self.real.sample(some, self.options.real_batch, seed)
                pieces = sample.split(at_once)  # all see the same augmentation
                real_features = torch.cat([features(piece.to(images.dtype)) for piece in pieces])
                means_of_classes += [f.mean(0) for f in real_features.split(counts)]
        real_means = torch.stack(means_of_classes)
        synthetic = features(images)
        one_hot = torch.zeros(len(present_classes), len(labels), device=device, dtype=images.dtype)
        for row, label in enumerate(present_classes):
            one_hot[row, labels == label] = 1.0
        means = (one_hot / one_hot.sum(1, keepdim=True)) @ synthetic
        return (real_means - means).square().sum()
