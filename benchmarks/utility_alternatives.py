"""Utilities that lost against moment matching, kept so that docs/utilities.md can be made again.

All compare something of each class, averaged over real images once and over the synthetic ones in every
call, with the networks of moment matching.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets.speed import autocast
from rudcodec.payload import Recipe
from rudcodec.runs import Journal
from rudcodec.utility import Utility
from rudcodec.utility.networks import Pool, Tell, train_pool
from rudcodec.utility.real import RealImages


class Cached(Utility):
    """Squared distances of what :meth:`seen` says of a class's images, relative to ``scale``."""

    def __init__(self, recipe: Recipe, pool: Pool = Pool(), real_batch: int = 500) -> None:  # noqa: B008
        super().__init__(recipe)
        self.pool, self.real_batch = pool, real_batch

    def learn(self, dataset: LabelledImages, device: torch.device, journal: Journal, tell: Tell) -> None:
        self.nets: list[nn.Module] = list(train_pool(dataset, self.pool, self.recipe, device, journal, tell))

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        real = RealImages(dataset, self.recipe, device)
        self.wanted: list[list[list[Tensor]]] = []
        for number, net in enumerate(self.nets):
            generator = torch.Generator().manual_seed(number)
            self.wanted.append([])
            for k in range(len(dataset.classes)):
                images, _ = real.draw([k], self.real_batch, number)
                views = [augment(part, self.recipe.augment, generator) for part in images.split(25)]
                found = self.seen(net, number, torch.cat(views), k)
                self.wanted[-1].append([one.detach() for one in found])

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        number = int(torch.randint(len(self.nets), (), generator=generator))
        views = augment(images, self.recipe.augment, generator)
        total = images.new_zeros(())
        for k in labels.unique().tolist():
            wanted = self.wanted[number][k]
            found = self.seen(self.nets[number], number, views[labels == k], k)
            for mine, theirs in zip(found, wanted, strict=True):
                total = total + self.distance(mine, theirs)
        return total

    def distance(self, mine: Tensor, theirs: Tensor) -> Tensor:
        return (mine - theirs).square().sum() / theirs.square().sum()

    @abstractmethod
    def seen(self, net: nn.Module, number: int, images: Tensor, k: int) -> list[Tensor]:
        """What is compared of images (n, C, H, W) of class k, under network ``number``."""

    def outputs(self, net: nn.Module, images: Tensor) -> tuple[list[Tensor], Tensor]:
        with autocast(images.device):
            blocks = net.blocks(images)  # type: ignore[operator]
            logits = net.classifier(blocks[-1].flatten(1))  # type: ignore[operator]
        return [block.float() for block in blocks], logits.float()


class Characteristic(Cached):
    """The characteristic function of the last features at 2,048 random frequencies (as NCFM, Wang et al.,
    CVPR 2025, without its learned frequencies)."""

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        self.frequencies: dict[int, Tensor] = {}
        super().prepare(dataset, device)

    def seen(self, net: nn.Module, number: int, images: Tensor, k: int) -> list[Tensor]:
        features = self.outputs(net, images)[0][-1].flatten(1)
        if number not in self.frequencies:
            generator = torch.Generator().manual_seed(number)
            drawn = torch.randn(features.shape[1], 2048, generator=generator).to(features.device)
            spread = features.detach().var(0).sum().sqrt()
            self.frequencies[number] = drawn / (math.sqrt(2) * spread)
        phase = features @ self.frequencies[number]
        return [torch.cat((phase.cos(), phase.sin()), 1).mean(0)]


class LastLayer(Cached):
    """The gradient of the loss by the last layer's weights."""

    def seen(self, net: nn.Module, number: int, images: Tensor, k: int) -> list[Tensor]:
        blocks, logits = self.outputs(net, images)
        error = logits.softmax(1) - F.one_hot(torch.tensor(k, device=logits.device), logits.shape[1])
        return [error.T @ blocks[-1].flatten(1) / len(images)]


class Channels(Cached):
    """Means, and deviations over images and over pixels, of each channel of each block."""

    def seen(self, net: nn.Module, number: int, images: Tensor, k: int) -> list[Tensor]:
        found = []
        for block in self.outputs(net, images)[0]:
            means = block.mean((2, 3))
            within = (block.flatten(2).var(2, correction=0) + 1e-6).sqrt()
            found += [means.mean(0), (means.var(0) + 1e-6).sqrt(), within.mean(0)]
        return found


class Gradients(Cached):
    """Gradients of all weights, as gradient matching compares them, but of networks that are not trained on
    the synthetic images, so that the real side is known."""

    def learn(self, dataset: LabelledImages, device: torch.device, journal: Journal, tell: Tell) -> None:
        super().learn(dataset, device, journal, tell)
        for net in self.nets:
            net.requires_grad_(True)

    def seen(self, net: nn.Module, number: int, images: Tensor, k: int) -> list[Tensor]:
        target = torch.full((len(images),), k, device=images.device)
        loss = F.cross_entropy(net(images), target)
        return list(torch.autograd.grad(loss, list(net.parameters()), create_graph=images.requires_grad))

    def distance(self, mine: Tensor, theirs: Tensor) -> Tensor:
        if mine.dim() == 1:
            return mine.new_zeros(())
        return (1 - F.cosine_similarity(mine.flatten(1), theirs.flatten(1), dim=1, eps=1e-8)).mean()


ALTERNATIVES: dict[str, type[Utility]] = {
    "characteristic": Characteristic,
    "last_layer": LastLayer,
    "channels": Channels,
    "gradients": Gradients,
}
