"""Utilities that lost against moment matching, kept so that its trials can be made again (experiments/).

All compare something of each class, averaged over real images once and over the synthetic ones in every
call, with the networks of moment matching.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets.speed import autocast
from rudcodec.options import option
from rudcodec.runs import RunContext, State
from rudcodec.utility import Utility, UtilityOptions
from rudcodec.utility.network_pool import NetworkPool, pool_networks, train_network_pool
from rudcodec.utility.real_images import RealImages

NUM_FREQUENCIES = 2048
EPS = 1e-6


@dataclass(frozen=True)
class AlternativeOptions(UtilityOptions):
    """Options of all these utilities."""

    runs: int = option(4, "Networks that are trained on the real set.", minimum=1)
    steps: int = option(600, "Of each, fewer on small sets; 0: networks stay random.", minimum=0)
    snapshots: int = option(3, "Of each that are kept.", minimum=1)
    width: int = option(64, "Channels of the networks.", minimum=1)
    real_batch: int = option(500, "Real images of each class that are averaged over.", minimum=1)


class ClassAverages(Utility):
    """Distances between what :meth:`average` says of a class's real and of its synthetic images."""

    Options = AlternativeOptions
    options: AlternativeOptions

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        options = self.options
        pool = NetworkPool(options.runs, options.steps, options.snapshots, options.width)
        return train_network_pool(real, pool.limited(real), self.recipe, run)

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self.nets = pool_networks(real, self.options.width, learned, device)
        sampler = RealImages(real, self.recipe, device)
        self.targets = [self._targets(number, sampler) for number in range(len(self.nets))]

    def _targets(self, number: int, real: RealImages) -> list[list[Tensor]]:
        """What network ``number`` sees of each class of the real set."""
        generator = torch.Generator().manual_seed(number)
        targets = []
        for label in range(len(real.rows)):
            views = real.views(label, self.options.real_batch, number, generator)
            averages = self.average(number, views, label)
            targets.append([average.detach() for average in averages])
        return targets

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        number = int(torch.randint(len(self.nets), (), generator=generator))
        views = augment(images, self.recipe.augment, generator)
        total = images.new_zeros(())
        for label in labels.unique().tolist():
            averages = self.average(number, views[labels == label], label)
            for average, target in zip(averages, self.targets[number][label], strict=True):
                total = total + self.distance(average, target)
        return total

    def distance(self, average: Tensor, target: Tensor) -> Tensor:
        """Squared, relative to the target."""
        return (average - target).square().sum() / target.square().sum()

    @abstractmethod
    def average(self, number: int, images: Tensor, label: int) -> list[Tensor]:
        """What is compared of images (n, C, H, W) of a class, as network ``number`` sees them."""

    def outputs(self, number: int, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Outputs of each block of a network, and logits."""
        net = self.nets[number]
        with autocast(images.device):
            blocks = net.blocks(images)
            logits = net.classifier(blocks[-1].flatten(1))
        return [block.float() for block in blocks], logits.float()


class CharacteristicFunctions(ClassAverages):
    """The characteristic function of the last features at random frequencies (as NCFM, Wang et al., CVPR
    2025, without its learned frequencies)."""

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self._frequencies: dict[int, Tensor] = {}
        super().prepare(real, device, learned)

    def average(self, number: int, images: Tensor, label: int) -> list[Tensor]:
        blocks, _ = self.outputs(number, images)
        features = blocks[-1].flatten(1)
        if number not in self._frequencies:
            self._frequencies[number] = _frequencies(features.detach(), number)
        phase = features @ self._frequencies[number]
        return [torch.cat((phase.cos(), phase.sin()), 1).mean(0)]


def _frequencies(features: Tensor, seed: int) -> Tensor:
    """Random ones, (features, frequencies), that suit the spread of features (n, features)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(features.shape[1], NUM_FREQUENCIES, generator=generator).to(features.device)
    return drawn / (math.sqrt(2) * features.var(0).sum().sqrt())


class LastLayerGradients(ClassAverages):
    """The gradient of the loss by the last layer's weights."""

    def average(self, number: int, images: Tensor, label: int) -> list[Tensor]:
        blocks, logits = self.outputs(number, images)
        error = logits.softmax(1) - F.one_hot(torch.tensor(label, device=logits.device), logits.shape[1])
        return [error.T @ blocks[-1].flatten(1) / len(images)]


class ChannelMoments(ClassAverages):
    """Means, and deviations over images and over pixels, of each channel of each block."""

    def average(self, number: int, images: Tensor, label: int) -> list[Tensor]:
        moments = []
        for block in self.outputs(number, images)[0]:
            means = block.mean((2, 3))
            within = (block.flatten(2).var(2, correction=0) + EPS).sqrt()
            moments += [means.mean(0), (means.var(0) + EPS).sqrt(), within.mean(0)]
        return moments


class WeightGradients(ClassAverages):
    """Gradients of all weights, as gradient matching compares them, but of networks that are not trained on
    the synthetic images, so that the real side is known."""

    def average(self, number: int, images: Tensor, label: int) -> list[Tensor]:
        net = self.nets[number].requires_grad_(True)
        target = torch.full((len(images),), label, device=images.device)
        loss = F.cross_entropy(net(images), target)
        return list(torch.autograd.grad(loss, list(net.parameters()), create_graph=images.requires_grad))

    def distance(self, average: Tensor, target: Tensor) -> Tensor:
        """One minus the cosine; biases and norms, which are vectors, don't count."""
        if average.dim() == 1:
            return average.new_zeros(())
        return (1 - F.cosine_similarity(average.flatten(1), target.flatten(1), dim=1, eps=1e-8)).mean()
