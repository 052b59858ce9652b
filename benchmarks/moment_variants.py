"""Moment matching with one thing changed, for trials (experiments/2026-11-hard-labels.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast
from rudcodec.options import option
from rudcodec.runs import State
from rudcodec.utility.mm import MomentMatching
from rudcodec.utility.network_pool import pool_networks
from rudcodec.utility.real_images import RealImages
from rudcodec.utility_options import MMOptions


@dataclass(frozen=True)
class TwoNetworksOptions(MMOptions):
    """Options of moment matching by early snapshots; by default longer runs with more snapshots."""

    steps: int = option(1600, "Of each run, fewer on small sets.", minimum=1)
    snapshots: int = option(8, "Of each run.", minimum=2)
    early: int = option(3, "Snapshots of each run whose moments are matched.", minimum=1)
    late_weight: float = option(0.5, "Weight of the cross entropy by the last snapshots.", minimum=0.0)
    classification: float = option(0.0, "Weight of the cross entropy by early snapshots.", minimum=0.0)


class TwoNetworks(MomentMatching):
    """Moments of networks on their way, cross entropy of those at the end of their runs, as TGDD has it."""

    Options = TwoNetworksOptions
    options: TwoNetworksOptions

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        options = self.options
        runs = [learned[i : i + options.snapshots] for i in range(0, len(learned), options.snapshots)]
        super().prepare(real, device, [state for run in runs for state in run[: options.early]])
        self._late = pool_networks(real, options.width, [run[-1] for run in runs], device)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        total = super().__call__(images, labels, generator)
        labels = self.classes_of(labels)
        number = int(torch.randint(len(self._late), (), generator=generator))
        views = self.views(images, generator)
        with autocast(images.device):
            logits = self._late[number](views).float()
        losses = F.cross_entropy(logits, labels, reduction="none")
        one_hot = F.one_hot(labels, logits.shape[1]).T.to(losses.dtype)
        means = (one_hot @ losses) / one_hot.sum(1).clamp(min=1)
        return total + self.options.late_weight * means.sum()


@dataclass(frozen=True)
class CovarianceOptions(MMOptions):
    """Options of moment matching with covariances."""

    directions: int = option(
        64, "Random directions that the last block's features are projected on.", minimum=2
    )
    covariance: float = option(0.3, "Weight of the covariances' distance.", minimum=0.0)


class Covariances(MomentMatching):
    """Means and deviations, and covariances of the last block on random directions: DSDM's second moments."""

    Options = CovarianceOptions
    options: CovarianceOptions

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        super().prepare(real, device, learned)
        sampler = RealImages(real, self.recipe, device)
        self._directions = self._random_directions(self.nets[0], sampler)
        self._targets = [self._real_covariances(net, sampler, seed) for seed, net in enumerate(self.nets)]

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        total = super().__call__(images, labels, generator)
        number = int(torch.randint(len(self.nets), (), generator=generator))
        labels = self.classes_of(labels)
        projected = self._project(self.nets[number].to(images.dtype), self.views(images, generator))
        for label in labels.unique().tolist():
            target = self._targets[number][label]
            distance = (_covariance(projected[labels == label]) - target).square().sum()
            total = total + self.options.covariance * distance / target.square().sum()
        return total

    def _random_directions(self, net: ConvNet, real: RealImages) -> Tensor:
        images, _ = real.sample([0], 1, 0)
        features = int(net.blocks(images)[-1].flatten(1).shape[1])
        drawn = torch.randn(features, self.options.directions, generator=torch.Generator().manual_seed(0))
        return drawn.to(real.device) / math.sqrt(features)

    def _project(self, net: ConvNet, views: Tensor) -> Tensor:
        with autocast(views.device):
            features: Tensor = net.blocks(views)[-1].flatten(1).float()
        return features @ self._directions

    def _real_covariances(self, net: ConvNet, real: RealImages, seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        covariances = []
        with torch.no_grad():
            for label in range(len(real.rows)):
                views = real.views(label, self.options.real_batch, seed, generator)
                covariances.append(_covariance(self._project(net, views)))
        return covariances


def _covariance(features: Tensor) -> Tensor:
    """Of features (n, d), (d, d)."""
    centred = features - features.mean(0)
    covariance: Tensor = centred.T @ centred / max(1, len(features) - 1)
    return covariance
