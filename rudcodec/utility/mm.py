"""MM, moment matching: classes' means and deviations of features of briefly trained ConvNets.

After IDM (Zhao et al., "Improved Distribution Matching for Dataset Condensation", CVPR 2023), which matches
means of trained networks' features beside a classification loss, and M3D (Zhang et al., AAAI 2024), which
adds higher moments. Ours: the networks don't change, so that the real side is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.student import Trainer
from rudcodec.utility import Utility
from rudcodec.utility.real import RealImages

EPS = 1e-6


@dataclass(frozen=True)
class Moments:
    """Of one block's output, for each class: ``mean`` and ``deviation``, (classes, C, h, w); ``variance`` of
    all real images, a scalar, is the unit of the distance."""

    mean: Tensor
    deviation: Tensor
    variance: Tensor


class MomentMatching(Utility):
    """For each class: squared distances of means and of deviations, averaged over the features of a block and
    summed over blocks, plus the mean cross entropy; summed over classes.

    Every call draws one of the networks, and an augmentation for each image.

    Args:
        recipe: for mean, standard deviation and augmentation; and how the networks are trained.
        networks: ConvNets, trained on the real set; ``steps`` of each (0: random ones), ``width``.
        real_batch: real images of each class whose moments are taken.
        deviations: whether they count.
        classification: weight of the cross entropy.
    """

    def __init__(
        self,
        recipe: Recipe,
        networks: int = 4,
        steps: int = 150,
        width: int = 64,
        real_batch: int = 500,
        deviations: bool = True,
        classification: float = 0.1,
    ) -> None:
        super().__init__(recipe)
        self.networks = networks
        self.steps = steps
        self.width = width
        self.real_batch = real_batch
        self.deviations = deviations
        self.classification = classification

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        real = RealImages(dataset, self.recipe, device)
        self.nets = self._trained(dataset, device)
        self.moments = [self._moments(net, real, number) for number, net in enumerate(self.nets)]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        device = generator.device
        number = int(torch.randint(self.networks, (), generator=generator, device=device))
        seed = int(torch.randint(2**62, (), generator=generator, device=device))
        net, wanted = self.nets[number].to(images.dtype), self.moments[number]
        views = augment(images, self.recipe.augment, torch.Generator(device).manual_seed(seed))
        blocks, logits = _outputs(net, views)
        losses = F.cross_entropy(logits, labels, reduction="none")
        total = images.new_zeros(())
        for k in labels.unique().tolist():
            mine = labels == k
            for found, real in zip(blocks, wanted, strict=True):
                total = total + self._distance(found[mine], real, k)
            total = total + self.classification * losses[mine].mean()
        return total

    def _distance(self, found: Tensor, real: Moments, k: int) -> Tensor:
        gap = (found.mean(0) - real.mean[k]).square()
        if self.deviations and len(found) > 1:
            gap = gap + ((found.var(0) + EPS).sqrt() - real.deviation[k]).square()
        return gap.mean() / real.variance

    def _trained(self, data: LabelledImages, device: torch.device) -> list[ConvNet]:
        """The networks, by seeds 0, 1, ..."""
        classes, seeds = len(data.classes), range(self.networks)
        nets: list[nn.Module] = []
        if self.steps:
            recipe = replace(self.recipe, steps=self.steps)
            trainer = Trainer(
                data.images,
                data.labels,
                classes,
                recipe,
                device=device,
                width=self.width,
                runs=self.networks,
            )
            nets += [trainer.train(seed) for seed in seeds]
        else:
            size = (data.height, data.width)
            for generator in (torch.Generator().manual_seed(seed) for seed in seeds):
                nets.append(ConvNet.as_published(data.channels, classes, size, self.width, generator))
        return [net.to(device).requires_grad_(False) for net in nets if isinstance(net, ConvNet)]

    def _moments(self, net: ConvNet, real: RealImages, seed: int) -> list[Moments]:
        """Of each block's output."""
        generator = torch.Generator(real.device).manual_seed(seed)
        sums: list[list[tuple[Tensor, Tensor]]] = []
        with torch.no_grad():
            for k in range(len(real.members)):
                images, _ = real.draw([k], self.real_batch, seed)
                # one operation is drawn for a batch: small ones see them all
                parts = [augment(part, self.recipe.augment, generator) for part in images.split(25)]
                blocks, _ = _outputs(net, torch.cat(parts))
                sums.append([(block.mean(0), (block.var(0) + EPS).sqrt()) for block in blocks])
        found = []
        for block in zip(*sums, strict=True):
            mean, deviation = (torch.stack(part) for part in zip(*block, strict=True))
            variance = (deviation.square() + (mean - mean.mean(0)).square()).mean()
            found.append(Moments(mean, deviation, variance))
        return found


def _outputs(net: ConvNet, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Of each block, and logits; in the images' number format."""
    with autocast(images.device):
        blocks = net.blocks(images)
        logits = net.classifier(blocks[-1].flatten(1))
    return [block.to(images.dtype) for block in blocks], logits.to(images.dtype)
