"""Networks that were briefly trained on the real set, whose features utilities compare."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast, compiled, repays_compiling
from rudcodec.nets.transfer import to_device
from rudcodec.payload import Recipe
from rudcodec.runs import Journal, State, restore_optimizer
from rudcodec.students import optimizers_for

BATCH = 128
LR = 0.01  # of Muon: 64 % on CIFAR-10 after 200 steps, where SGD at its usual rate takes a thousand
PASSES = 5  # over the real images, at most: smaller sets are sooner known

Tell = Callable[[int, int], None]
"""Called with (steps done, steps)."""


@dataclass(frozen=True)
class Pool:
    """ConvNets: ``runs`` of ``steps`` steps by Muon (fewer on small sets), of each of which ``snapshots`` are
    kept, at equal distances, the last one at its end; ``width``: their channels. No steps: random networks.

    docs/utilities.md has others.
    """

    runs: int = 4
    steps: int = 600
    snapshots: int = 3
    width: int = 64

    def kept(self, step: int) -> bool:
        """Whether there is a snapshot after so many steps."""
        at = [round(self.steps * (i + 1) / self.snapshots) for i in range(self.snapshots)]
        return step in at


def train_pool(
    data: LabelledImages,
    pool: Pool,
    recipe: Recipe,
    device: torch.device,
    journal: Journal,
    tell: Tell = lambda step, steps: None,
) -> list[ConvNet]:
    """The snapshots, frozen; their training is a part of the journal's run, in which it can be resumed."""
    batch = min(BATCH, len(data))
    pool = replace(pool, steps=min(pool.steps, max(pool.snapshots, math.ceil(PASSES * len(data) / batch))))

    def network(seed: int) -> ConvNet:
        size, classes = (data.height, data.width), len(data.classes)
        generator = torch.Generator().manual_seed(seed)
        return ConvNet.as_published(data.channels, classes, size, pool.width, generator)

    def trained() -> list[dict[str, Tensor]]:
        if pool.steps == 0:
            return [network(run).state_dict() for run in range(pool.runs)]
        return _train(data, pool, batch, recipe, network, device, journal, tell)

    nets = []
    for state in journal.part(trained, everywhere=True):
        net = network(0)
        net.load_state_dict(state)
        nets.append(net.to(device).requires_grad_(False))
    return nets


def _train(
    data: LabelledImages,
    pool: Pool,
    batch: int,
    recipe: Recipe,
    network: Callable[[int], ConvNet],
    device: torch.device,
    journal: Journal,
    tell: Tell,
) -> list[dict[str, Tensor]]:
    steps = pool.runs * pool.steps
    fast = repays_compiling(steps * batch * data.height * data.width * pool.width, device)
    loss_of = compiled(_loss) if fast else _loss
    layout = torch.channels_last if fast else torch.contiguous_format
    images, labels = torch.from_numpy(data.images).to(device), torch.from_numpy(data.labels).to(device)
    training = _Training(network, replace(recipe, optimizer="muon", lr=LR), layout, device)
    journal.attach("networks", training)
    mine = journal.ranks.mine(batch)
    for step in journal.steps(steps):
        run, age = divmod(step, pool.steps)
        if age == 0:
            training.begin(run)
        drawn = np.random.default_rng((run, age)).choice(len(data), batch, replace=False)
        rows = to_device(torch.from_numpy(drawn), device)
        generator = torch.Generator().manual_seed(step)
        x = augment(normalise(images[rows], recipe.mean, recipe.std), recipe.augment, generator)[mine]
        with autocast(device):
            loss = loss_of(training.net, x.contiguous(memory_format=layout), labels[rows][mine])
        training.net.zero_grad(set_to_none=True)
        (loss * (len(x) / batch)).backward()
        journal.ranks.add_gradients(list(training.net.parameters()))
        training.step()
        if pool.kept(age + 1):
            training.keep()
        tell(step + 1, steps)
    if not training.kept:
        training.keep()  # a rehearsal ends after a few steps
    return training.kept


class _Training:
    """The network under way, as a checkpoint holds it, and the snapshots so far."""

    def __init__(
        self,
        network: Callable[[int], ConvNet],
        recipe: Recipe,
        layout: torch.memory_format,
        device: torch.device,
    ) -> None:
        self._network, self._recipe, self._layout, self._device = network, recipe, layout, device
        self.kept: list[dict[str, Tensor]] = []
        self.begin(0)

    def begin(self, run: int) -> None:
        net = self._network(run).to(self._device, non_blocking=True)
        self.net = net.to(memory_format=self._layout)
        self._optimizers = optimizers_for(self.net, self._recipe)

    def step(self) -> None:
        for optimizer in self._optimizers:
            optimizer.step()

    def keep(self) -> None:
        self.kept.append({name: value.clone() for name, value in self.net.state_dict().items()})

    def state(self) -> State:
        return [self.net.state_dict(), [one.state_dict() for one in self._optimizers], self.kept]

    def restore(self, state: State) -> None:
        net, optimizers, self.kept = state
        self.net.load_state_dict(net)
        for optimizer, its in zip(self._optimizers, optimizers, strict=True):
            restore_optimizer(optimizer, its)


def _loss(net: ConvNet, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(x).float(), labels)
