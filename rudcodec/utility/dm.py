"""DM, distribution matching (Zhao & Bilen, WACV 2023): class means of random ConvNets' features."""

from __future__ import annotations

import torch
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.utility import Utility
from rudcodec.utility.real import RealImages


class DistributionMatching(Utility):
    """Squared distance between real and synthetic mean features, summed over classes (the paper's eq. 4).

    Every call draws a new random network, new real images and one siamese augmentation for all.

    Args:
        recipe: for mean, standard deviation and augmentation.
        real_batch: real images of each class (the paper: 256).
        width: of the random ConvNets (the paper: 128).
    """

    by_class = True

    def __init__(self, recipe: Recipe, real_batch: int = 64, width: int = 64) -> None:
        super().__init__(recipe)
        self.real_batch = real_batch
        self.width = width

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        self.real = RealImages(dataset, self.recipe, device)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        cpu = torch.Generator().manual_seed(seed)
        data, device = self.real.data, self.real.device
        size = (data.height, data.width)
        net = ConvNet.as_published(data.channels, len(data.classes), size, self.width, cpu)
        net = net.to(device, images.dtype).requires_grad_(False)
        present = labels.unique().tolist()
        real, counts = self.real.draw(present, self.real_batch, seed)

        def features(x: Tensor) -> Tensor:
            twin = torch.Generator().manual_seed(seed)
            x = augment(x, self.recipe.augment, twin, siamese=True)
            with autocast(device):
                return net.features(x).to(x.dtype)

        with torch.no_grad():
            real_means = torch.stack([f.mean(0) for f in features(real.to(images.dtype)).split(counts)])
        synthetic = features(images)
        member = torch.zeros(len(present), len(labels), device=device, dtype=images.dtype)
        for row, k in enumerate(present):
            member[row, labels == k] = 1.0
        means = (member / member.sum(1, keepdim=True)) @ synthetic
        return (real_means - means).square().sum()
