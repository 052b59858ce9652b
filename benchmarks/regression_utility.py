"""Ridge regression on features as a utility, for trials (experiments/2026-11-hard-labels.md).

After FRePo (Zhou, Nezhadarya & Ba, "Dataset Distillation using Neural Feature Regression", NeurIPS 2022).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.speed import autocast, compiled
from rudcodec.options import option
from rudcodec.payload import Recipe
from rudcodec.runs import State
from rudcodec.students.optimizers import optimizers_for
from rudcodec.utility.mm import BATCH_MULTIPLE, MomentMatching
from rudcodec.utility.network_pool import LR
from rudcodec.utility.real_images import RealImages
from rudcodec.utility_options import MMOptions

BATCH = 256  # of networks that train on synthetic images
RECENT_CALLS = 6  # whose images they train on


@dataclass(frozen=True)
class RegressionOptions(MMOptions):
    """Options of moment matching with regression."""

    moments: float = option(1.0, "Weight of the moments' distance and the cross entropy.", minimum=0.0)
    regression: float = option(30.0, "Weight of the regression's squared error.", minimum=0.0)
    ridge: float = option(0.01, "Of the regression, in units of the kernel's mean diagonal.", minimum=0.0)
    real_images: int = option(500, "Real images whose classes are predicted in a call.", minimum=1)
    own_nets: int = option(
        6, "Networks that train on synthetic images, of which a call draws one.", minimum=0
    )
    own_steps: int = option(3, "Steps that it is trained before a call.", minimum=1)
    own_life: int = option(400, "Steps after which such a network begins anew.", minimum=1)


class Regression(MomentMatching):
    """Beside moments, how well real images' classes follow from the synthetic images' by ridge regression on
    the last features: of networks that train on the synthetic images as they come, or of the pool's."""

    Options = RegressionOptions
    options: RegressionOptions

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        super().prepare(real, device, learned)
        self._num_classes = len(real.classes)
        self._real = RealImages(real, self.recipe, device, self.clusters)
        options = self.options
        self._own = [
            _OwnNetwork(real, self.recipe, options, number, device) for number in range(options.own_nets)
        ]
        self._recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=RECENT_CALLS)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        total = images.new_zeros(())
        if self.options.moments:
            total = total + self.options.moments * super().__call__(images, labels, generator)
        net = self._network(images, labels, generator)
        present = labels.unique()
        each = -(-self.options.real_images // len(present))
        real, counts = self._real.sample(
            present.tolist(), each, int(torch.randint(2**62, (), generator=generator))
        )
        real_targets = self._targets(present.repeat_interleave(torch.tensor(counts, device=labels.device)))
        features = self._features(net, self.views(images, generator))
        with torch.no_grad():
            real_features = self._features(net, real)
        kernel = features @ features.T
        ridge = self.options.ridge * kernel.diagonal().mean().detach()
        weights = torch.linalg.solve(
            kernel + ridge * torch.eye(len(kernel), device=kernel.device), self._targets(labels)
        )
        error = (real_features @ features.T @ weights - real_targets).square().sum(1).mean()
        loss: Tensor = total + self.options.regression * error
        return loss

    def _network(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> ConvNet:
        """Whose features predict: one of its own, trained a little further, or one of the pool's."""
        nets = self._own or self.nets
        net = nets[int(torch.randint(len(nets), (), generator=generator))]
        if isinstance(net, ConvNet):
            return net.to(images.dtype)
        self._recent.append((images.detach(), self.classes_of(labels)))
        seen, classes = (torch.cat(part) for part in zip(*self._recent, strict=True))
        for _ in range(self.options.own_steps):
            rows = torch.randint(len(seen), (BATCH,), generator=generator).to(labels.device)
            net.step(self.views(seen[rows], generator), classes[rows])
        return net.net

    def _targets(self, labels: Tensor) -> Tensor:
        """One for the class, less what all classes have on average: float32 (n, classes)."""
        targets: Tensor = F.one_hot(self.classes_of(labels), self._num_classes).float()
        return targets - 1 / self._num_classes

    def _features(self, net: ConvNet, images: Tensor) -> Tensor:
        blocks, _ = self._seen(net, images, BATCH_MULTIPLE)
        features = blocks[-1][: len(images)].flatten(1)
        return features.div(features.shape[1] ** 0.5)


class _OwnNetwork:
    """A network that trains on synthetic images, and begins anew after some steps; ``number`` is of
    ``own_nets``, whose first lives end one after another."""

    def __init__(
        self,
        real: LabelledImages,
        recipe: Recipe,
        options: RegressionOptions,
        number: int,
        device: torch.device,
    ) -> None:
        self._like, self._width, self._device = real, options.width, device
        self._recipe = replace(recipe, optimizer="muon", lr=LR)
        self._seed, self._life = number, options.own_life
        self._loss = compiled(_loss)
        self._start()
        self._age = options.own_life * (options.own_nets - 1 - number) // options.own_nets

    def _start(self) -> None:
        real, generator = self._like, torch.Generator().manual_seed(self._seed)
        size = (real.height, real.width)
        net = ConvNet.as_published(real.channels, len(real.classes), size, self._width, generator)
        self.net = net.to(self._device).requires_grad_(False)
        self._optimizers = optimizers_for(self.net, self._recipe)
        self._age = 0
        self._seed += 1000

    def step(self, views: Tensor, labels: Tensor) -> None:
        if self._age >= self._life:
            self._start()
        self._age += 1
        self.net.requires_grad_(True)
        with autocast(views.device):
            loss = self._loss(self.net, views.contiguous(memory_format=torch.channels_last), labels)
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in self._optimizers:
            optimizer.step()
        self.net.requires_grad_(False)


def _loss(net: ConvNet, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(images).float(), labels)
