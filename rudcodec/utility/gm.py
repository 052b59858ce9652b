"""GM, gradient matching (Zhao, Mopuri & Bilen, ICLR 2021), with siamese augmentation (ICML 2021): real and
synthetic images of a class should move a network's weights the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.payload import Recipe
from rudcodec.runs import State
from rudcodec.utility import Utility
from rudcodec.utility.real_images import RealImages
from rudcodec.utility_options import GMOptions

LEARNING_RATE, MOMENTUM = 0.01, 0.5  # of the networks, as published


class GradientMatching(Utility):
    """Distance of the gradients of real and synthetic images, summed over classes and layers (eq. 7 and 8).

    A network is drawn, used for some calls, and trained on the synthetic images for some steps after each
    call; then the next one is drawn.
    """

    Options = GMOptions
    options: GMOptions

    def __init__(self, recipe: Recipe, options: GMOptions | None = None) -> None:
        super().__init__(recipe, options)
        self.calls = 0
        self.weights: dict[str, Tensor] = {}

    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        self.real = RealImages(real, self.recipe, device)

    def state(self) -> State:
        return [self.calls, self.weights]

    def restore(self, state: State) -> None:
        self.calls, self.weights = state

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        net = self._network(seed, images)
        weights = list(net.parameters())
        total = images.new_zeros(())
        for label in labels.unique().tolist():
            sample, _ = self.real.sample([label], self.options.real_batch, seed + label)
            views = [
                augment(x, self.recipe.augment, torch.Generator().manual_seed(seed + label), siamese=True)
                for x in (sample.to(images.dtype), images[labels == label])
            ]
            real = torch.autograd.grad(_class_loss(net, views[0], label), weights)
            synthetic = torch.autograd.grad(_class_loss(net, views[1], label), weights, create_graph=True)
            total = total + distance(synthetic, real)
        self._train(deepcopy(net), images.detach(), labels, seed)
        return total

    def _network(self, seed: int, images: Tensor) -> ConvNet:
        real = self.real.set
        size = (real.height, real.width)
        generator = torch.Generator().manual_seed(seed)
        net = ConvNet.as_published(real.channels, len(real.classes), size, self.options.width, generator)
        if self.calls % self.options.outer_steps:
            net.load_state_dict(self.weights)
        return net.to(images.device, images.dtype)

    def _train(self, net: ConvNet, images: Tensor, labels: Tensor, seed: int) -> None:
        """Train the network on the synthetic images as they are now, for the calls to come."""
        self.calls += 1
        optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=5e-4)
        generator = torch.Generator().manual_seed(seed)
        steps = self.options.inner_steps if self.calls % self.options.outer_steps else 0
        for _ in range(steps):
            rows = torch.randperm(len(images), generator=generator)[:256].to(images.device)
            loss = F.cross_entropy(net(augment(images[rows], self.recipe.augment, generator)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}


def _class_loss(net: nn.Module, images: Tensor, label: int) -> Tensor:
    target = torch.full((len(images),), label, device=images.device)
    return F.cross_entropy(net(images), target)


def distance(synthetic: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """The paper's distance: one minus the cosine, for the weights into each output; biases and norms, which
    are vectors, don't count."""
    total = synthetic[0].new_zeros(())
    for a, b in zip(synthetic, real, strict=True):
        if a.dim() > 1:
            total = total + (1 - F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1, eps=1e-6)).sum()
    return total
