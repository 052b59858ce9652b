"""Networks that were briefly trained on the real set, whose features utilities compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rudcodec.augment import augment
from rudcodec.data import LabelledImages
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast, compiled, repays_compiling
from rudcodec.nets.transfer import DeviceImages, to_device
from rudcodec.payload import Recipe
from rudcodec.runs import RunContext, State, restore_optimizer
from rudcodec.seeds import seed_of
from rudcodec.students.optimizers import optimizers_for

BATCH_SIZE = 128
LR = 0.01  # of Muon
MAX_EPOCHS = 5  # passes over the real images: a small set needs fewer steps


@dataclass(frozen=True)
class NetworkPool:
    """ConvNets that were trained for a while on the real set, by Muon.

    Attributes:
        runs: how many networks are trained.
        steps: of each run; 0: the networks stay random.
        snapshots: how many states of each run are kept, at equal distances, the last one at its end.
        width: channels of the networks.
    """

    runs: int
    steps: int
    snapshots: int
    width: int

    def is_snapshot(self, step: int) -> bool:
        """Whether a snapshot is taken after this many steps of a run."""
        return step in [round(self.steps * (i + 1) / self.snapshots) for i in range(self.snapshots)]

    def limited(self, real: LabelledImages) -> NetworkPool:
        """The pool with at most ``MAX_EPOCHS`` passes over the set in each run, and no more snapshots than
        steps."""
        max_steps = math.ceil(MAX_EPOCHS * len(real) / min(BATCH_SIZE, len(real)))
        steps = min(self.steps, max(self.snapshots, max_steps))
        return replace(self, steps=steps, snapshots=max(1, min(self.snapshots, steps)))


def train_network_pool(
    real: LabelledImages, pool: NetworkPool, recipe: Recipe, run: RunContext
) -> list[dict[str, Tensor]]:
    """The snapshots' weights, by name: a stage of the run, which all processes share. Those that an earlier
    run has learnt aren't trained again."""
    recipe = replace(recipe, optimizer="muon", lr=LR)
    facts = {
        "kind": "utility networks",
        "pool": asdict(pool),
        "seed": run.seed,
        "normalisation": [recipe.mean, recipe.std],
        "augmentation": recipe.augment,
        "optimizer": [recipe.momentum, recipe.weight_decay],
    }
    learn = partial(_trained, real, pool, recipe, run)
    weights: list[dict[str, Tensor]] = run.learnt.once(facts, run.journal, learn)
    return weights


def _trained(
    real: LabelledImages, pool: NetworkPool, recipe: Recipe, run: RunContext
) -> list[dict[str, Tensor]]:
    first_seed = run.seed * pool.runs
    if pool.steps == 0:
        seeds = range(first_seed, first_seed + pool.runs)
        return [_network(real, pool.width, seed).state_dict() for seed in seeds]
    batch_size = min(BATCH_SIZE, len(real))
    steps = pool.runs * pool.steps
    work = steps * batch_size * real.height * real.width * pool.width
    fast = repays_compiling(work, run.device)
    loss_of = compiled(_loss) if fast else _loss
    layout = torch.channels_last if fast else torch.contiguous_format
    images = DeviceImages(real.images, run.device)
    labels = torch.from_numpy(real.labels).to(run.device)
    state = _PoolState(real, pool, recipe, layout, run.device)
    shard = run.ranks.shard(batch_size)
    report = run.stage_report("utility networks")
    for step in run.journal.steps(steps, state):
        number, step_of_run = divmod(step, pool.steps)
        seed = first_seed + number
        if step_of_run == 0:
            state.start_run(seed)
        generator = np.random.default_rng((seed, step_of_run))
        rows = torch.from_numpy(generator.choice(len(real), batch_size, replace=False))
        classes = labels[to_device(rows, run.device)]
        x = normalise(images.take(rows), recipe.mean, recipe.std)
        x = augment(x, recipe.augment, torch.Generator().manual_seed(run.seed * steps + step))[shard]
        with autocast(run.device):
            loss = loss_of(state.net, x.contiguous(memory_format=layout), classes[shard])
        state.net.zero_grad(set_to_none=True)
        (loss * (len(x) / batch_size)).backward()
        run.ranks.all_reduce_gradients(list(state.net.parameters()))
        state.update()
        if pool.is_snapshot(step_of_run + 1):
            state.add_snapshot()
        if report.is_due(step + 1, steps):
            report(step + 1, steps)
    if not state.snapshots:
        state.add_snapshot()  # a dry run ends after a few steps
    return state.snapshots


def pool_networks(
    real: LabelledImages, width: int, weights: Sequence[dict[str, Tensor]], device: torch.device
) -> list[ConvNet]:
    """Frozen networks with the weights that :func:`train_network_pool` has returned."""
    nets = []
    for state in weights:
        net = _network(real, width, seed=0)
        net.load_state_dict(state)
        nets.append(net.to(device).requires_grad_(False))
    return nets


def _network(real: LabelledImages, width: int, seed: int) -> ConvNet:
    generator = torch.Generator().manual_seed(seed_of("utility networks", seed))
    return ConvNet.as_published(real.channels, len(real.classes), (real.height, real.width), width, generator)


class _PoolState:
    """The network under way, as a checkpoint holds it, and the snapshots so far."""

    def __init__(
        self,
        real: LabelledImages,
        pool: NetworkPool,
        recipe: Recipe,
        layout: torch.memory_format,
        device: torch.device,
    ) -> None:
        self._real, self._width, self._recipe = real, pool.width, recipe
        self._layout, self._device = layout, device
        self.snapshots: list[dict[str, Tensor]] = []
        self.start_run(0)  # for a checkpoint's state to go into

    def start_run(self, seed: int) -> None:
        net = _network(self._real, self._width, seed).to(self._device, non_blocking=True)
        self.net = net.to(memory_format=self._layout)
        self._optimizers = optimizers_for(self.net, self._recipe)

    def update(self) -> None:
        for optimizer in self._optimizers:
            optimizer.step()

    def add_snapshot(self) -> None:
        self.snapshots.append({name: value.clone() for name, value in self.net.state_dict().items()})

    def state(self) -> State:
        return [self.net.state_dict(), [o.state_dict() for o in self._optimizers], self.snapshots]

    def restore(self, state: State) -> None:
        weights, optimizer_states, self.snapshots = state
        self.net.load_state_dict(weights)
        for optimizer, optimizer_state in zip(self._optimizers, optimizer_states, strict=True):
            restore_optimizer(optimizer, optimizer_state)


def _loss(net: ConvNet, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(x).float(), labels)
