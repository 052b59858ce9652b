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
from rudcodec.utility.real import RealImages

LEARNING_RATE, MOMENTUM = 0.01, 0.5  # of the networks, as published


class GradientMatching(Utility):
    """Distance of the gradients of real and synthetic images, summed over classes and layers (eq. 7 and 8).

    A network is drawn, used for ``outer`` calls, and trained on the synthetic images for ``inner`` steps
    after each; then comes the next. Published for 10 images a class: 10 and 50.

    Args:
        recipe: for mean, standard deviation and augmentation.
        real_batch: real images of each class (the paper: 256).
        width: of the ConvNets (the paper: 128).
        outer, inner: see above.
    """

    def __init__(
        self, recipe: Recipe, real_batch: int = 64, width: int = 64, outer: int = 10, inner: int = 10
    ) -> None:
        super().__init__(recipe)
        self.real_batch = real_batch
        self.width = width
        self.outer = outer
        self.inner = inner
        self.age = 0
        self.weights: dict[str, Tensor] = {}

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        self.real = RealImages(dataset, self.recipe, device)

    def state(self) -> State:
        return [self.age, self.weights]

    def restore(self, state: State) -> None:
        self.age, self.weights = state

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        net = self._network(seed, images)
        weights = list(net.parameters())
        total = images.new_zeros(())
        for k in labels.unique().tolist():
            real, _ = self.real.draw([k], self.real_batch, seed + k)
            mine = images[labels == k]
            theirs = self._gradient(net, weights, real.to(images.dtype), k, seed, graph=False)
            total = total + distance(self._gradient(net, weights, mine, k, seed, graph=True), theirs)
        self._train(deepcopy(net), images.detach(), labels, seed)
        return total

    def _network(self, seed: int, like: Tensor) -> ConvNet:
        data = self.real.data
        size = (data.height, data.width)
        cpu = torch.Generator().manual_seed(seed)
        net = ConvNet.as_published(data.channels, len(data.classes), size, self.width, cpu)
        if self.age % self.outer:
            net.load_state_dict(self.weights)
        return net.to(like.device, like.dtype)

    def _gradient(
        self, net: nn.Module, weights: list[nn.Parameter], images: Tensor, k: int, seed: int, graph: bool
    ) -> tuple[Tensor, ...]:
        twin = torch.Generator().manual_seed(seed + k)
        logits = net(augment(images, self.recipe.augment, twin, siamese=True))
        target = torch.full((len(images),), k, device=images.device)
        return torch.autograd.grad(F.cross_entropy(logits, target), weights, create_graph=graph)

    def _train(self, net: ConvNet, images: Tensor, labels: Tensor, seed: int) -> None:
        """Let the network learn what there is so far, for the calls to come."""
        self.age += 1
        optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=5e-4)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self.inner if self.age % self.outer else 0):
            rows = torch.randperm(len(images), generator=generator)[:256].to(images.device)
            loss = F.cross_entropy(net(augment(images[rows], self.recipe.augment, generator)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.weights = {name: value.detach().clone() for name, value in net.state_dict().items()}


def distance(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """The paper's distance: one minus the cosine, for the weights into each output; biases and norms, which
    are vectors, don't count."""
    total = mine[0].new_zeros(())
    for a, b in zip(mine, theirs, strict=True):
        if a.dim() > 1:
            total = total + (1 - F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1, eps=1e-6)).sum()
    return total
