"""MM, moment matching: classes' means and deviations of features of ConvNets that know the real set.

After IDM (Zhao et al., "Improved Distribution Matching for Dataset Condensation", CVPR 2023), which matches
means of trained networks' features beside a classification loss, and M3D (Zhang et al., AAAI 2024), which
adds higher moments. Ours: the networks don't change, so that the real side is computed once.
docs/utilities.md has the trials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast, compiled, has_compiler
from rudcodec.payload import Recipe
from rudcodec.runs import Journal
from rudcodec.utility import Utility
from rudcodec.utility.networks import Pool, Tell, train_pool
from rudcodec.utility.real import RealImages

EPS = 1e-6
ROUND = 16  # images: the compiler needs half a minute for each number of them, which changes by a few
COMPILE_FROM = 32 * 32  # pixels of an image: below, a compiler gains little


@dataclass(frozen=True)
class Moments:
    """Of one block's output, for each class: ``mean`` and ``deviation``, (classes, C * h * w); ``variance``
    of all real images, a scalar, is the unit of the distance."""

    mean: Tensor
    deviation: Tensor
    variance: Tensor


class MomentMatching(Utility):
    """For each class: squared distances of means and of deviations, averaged over the features of a block and
    summed over blocks, plus the mean cross entropy; summed over classes.

    Every call draws one of the networks, and an augmentation for each image.

    Args:
        recipe: for mean, standard deviation and augmentation, of images and of the networks' training.
        pool: the networks.
        real_batch: real images of each class whose moments are taken.
        deviations: whether they count.
        classification: weight of the cross entropy. It helps only where the networks know the classes well.
    """

    by_class = True

    def __init__(
        self,
        recipe: Recipe,
        pool: Pool = Pool(),  # noqa: B008  (frozen)
        real_batch: int = 500,
        deviations: bool = True,
        classification: float = 0.1,
    ) -> None:
        super().__init__(recipe)
        self.pool = pool
        self.real_batch = real_batch
        self.deviations = deviations
        self.classification = classification
        self.nets: list[ConvNet] = []
        self._outputs: Callable[..., tuple[list[Tensor], Tensor]] = _outputs

    def learn(self, dataset: LabelledImages, device: torch.device, journal: Journal, tell: Tell) -> None:
        self.nets = train_pool(dataset, self.pool, self.recipe, device, journal, tell)

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        if not self.nets:
            self.learn(dataset, device, Journal(), lambda step, steps: None)
        real = RealImages(dataset, self.recipe, device)
        self.moments = [self._moments(net, real, number) for number, net in enumerate(self.nets)]
        if dataset.height * dataset.width >= COMPILE_FROM and has_compiler(device):
            self._outputs = compiled(_outputs)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        number = int(torch.randint(len(self.nets), (), generator=generator))
        seed = int(torch.randint(2**62, (), generator=generator))
        # of its own: processes with other images of the same call draw the same number from ``generator``
        views = augment(images, self.recipe.augment, torch.Generator().manual_seed(seed))
        member = F.one_hot(labels, len(self.moments[number][0].mean)).T.to(images.dtype)
        full = F.pad(views, (0, 0, 0, 0, 0, 0, 0, -len(views) % ROUND))
        with autocast(images.device):  # not within what is compiled, which it would break apart
            blocks, logits = self._outputs(self.nets[number].to(images.dtype), full)
        blocks = [block[: len(views)] for block in blocks]
        return self._distance(blocks, logits[: len(views)], labels, member, self.moments[number])

    def _distance(
        self, blocks: list[Tensor], logits: Tensor, labels: Tensor, member: Tensor, real: list[Moments]
    ) -> Tensor:
        """``member`` (classes, n): 1 where an image is of a class."""
        count = member.sum(1, keepdim=True)
        present = (count > 0).to(logits.dtype)
        share = member / count.clamp(min=1)
        total = logits.new_zeros(())
        for block, wanted in zip(blocks, real, strict=True):
            mean, deviation = _class_moments(block, share, count)
            gap = (mean - wanted.mean).square()
            if self.deviations:  # of one image there is none
                gap = gap + (count > 1) * (deviation - wanted.deviation).square()
            total = total + (gap * present).mean(1).sum() / wanted.variance
        if self.classification:
            losses = F.cross_entropy(logits, labels, reduction="none")
            total = total + self.classification * (share @ losses).sum()
        return total

    def _moments(self, net: ConvNet, real: RealImages, seed: int) -> list[Moments]:
        """Of each block's output."""
        generator = torch.Generator().manual_seed(seed)
        sums: list[list[tuple[Tensor, Tensor]]] = []
        with torch.no_grad():
            for k in range(len(real.members)):
                images, _ = real.draw([k], self.real_batch, seed)
                # one operation is drawn for a batch: small ones see them all
                parts = [augment(part, self.recipe.augment, generator) for part in images.split(25)]
                with autocast(real.device):
                    blocks, _ = _outputs(net, torch.cat(parts))
                count = torch.full((1, 1), len(images), device=real.device)
                share = torch.full((1, len(images)), 1 / len(images), device=real.device)
                sums.append([_class_moments(block, share, count) for block in blocks])
        found = []
        for block in zip(*sums, strict=True):
            mean, deviation = (torch.cat(part) for part in zip(*block, strict=True))
            variance = (deviation.square() + (mean - mean.mean(0)).square()).mean()
            found.append(Moments(mean, deviation, variance))
        return found


def _class_moments(block: Tensor, share: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature, (classes, C * h * w), over the images of each class: ``count`` of
    them (classes, 1); ``share`` (classes, n): one over that."""
    features = block.flatten(1)
    mean = share @ features
    variance = (share @ features.square() - mean.square()).clamp(min=0) * (count / (count - 1).clamp(min=1))
    return mean, (variance + EPS).sqrt()


def _outputs(net: ConvNet, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Of each block, and logits; in the images' number format."""
    blocks = net.blocks(images)
    logits = net.classifier(blocks[-1].flatten(1))
    return [block.to(images.dtype) for block in blocks], logits.to(images.dtype)
