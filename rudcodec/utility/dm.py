"""DM, distribution matching (Zhao & Bilen, WACV 2023): class means of random ConvNets' features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet, literature_depth
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe


class DistributionMatching:
    """Squared distance between real and synthetic mean features, summed over classes (the paper's eq. 4).

    Every call draws a new random network, new real images and one siamese augmentation for all.

    Args:
        recipe: for mean, standard deviation and augmentation.
        real_batch: real images of each class (the paper: 256).
        width: of the random ConvNets (the paper: 128).
    """

    def __init__(self, recipe: Recipe, real_batch: int = 64, width: int = 64) -> None:
        self.recipe = recipe
        self.real_batch = real_batch
        self.width = width

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        self.dataset = dataset
        self.device = device
        self.members = [np.flatnonzero(dataset.labels == k) for k in range(len(dataset.classes))]
        shape = (1, -1, 1, 1)
        self.mean = torch.tensor(self.recipe.mean, device=device, dtype=torch.float32).view(shape)
        self.std = torch.tensor(self.recipe.std, device=device, dtype=torch.float32).view(shape)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        cpu = torch.Generator().manual_seed(seed)
        data = self.dataset
        size = (data.height, data.width)
        net = ConvNet(
            data.channels,
            len(data.classes),
            size,
            depth=literature_depth(*size),
            width=self.width,
            generator=cpu,
        )
        net = net.to(self.device, images.dtype).requires_grad_(False)
        present = labels.unique().tolist()
        rng = np.random.default_rng(seed)
        real, counts = self._real(present, rng)

        def features(x: Tensor) -> Tensor:
            twin = torch.Generator(self.device).manual_seed(seed)
            x = augment(x, self.recipe.augment, twin, siamese=True)
            if x.dtype != torch.float32:
                return net.features(x)
            with autocast(self.device):
                return net.features(x).float()

        with torch.no_grad():
            real_means = torch.stack([f.mean(0) for f in features(real.to(images.dtype)).split(counts)])
        synthetic = features(images)
        member = torch.zeros(len(present), len(labels), device=self.device, dtype=images.dtype)
        for row, k in enumerate(present):
            member[row, labels == k] = 1.0
        means = (member / member.sum(1, keepdim=True)) @ synthetic
        return (real_means - means).square().sum()

    def _real(self, present: list[int], rng: np.random.Generator) -> tuple[Tensor, list[int]]:
        """Normalised real images of some classes, in their order, and how many there are of each."""
        chosen = []
        for k in present:
            members = self.members[k]
            chosen.append(rng.choice(members, min(self.real_batch, len(members)), replace=False))
        images = torch.from_numpy(self.dataset.images[np.concatenate(chosen)]).to(self.device)
        normalised = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return normalised, [len(c) for c in chosen]
