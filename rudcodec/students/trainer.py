"""Training one student from scratch as a recipe says, on images or on views of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.augment import augment
from rudcodec.errors import SettingError
from rudcodec.label_network import ViewStream
from rudcodec.nets import ConvNet, build
from rudcodec.nets.device import pick_device
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast, compiled, keep_freed_memory, repays_compiling
from rudcodec.nets.transfer import from_array, to_device
from rudcodec.payload import Recipe
from rudcodec.progress import Progress
from rudcodec.students.optimizers import optimizers_for
from rudcodec.students.recipes import check_recipe
from rudcodec.students.spec import StudentSpec
from rudcodec.students.training_set import TrainingSet

_REPORT_EVERY = 0.25  # seconds
_VIEWS_COST = 8.0  # of images: views must be made and labelled, too (docs/cost.md)


class Trainer:
    """Trains students on one set, one for each seed; compiles once for all of them.

    Args:
        data: what to train on.
        recipe: how to train.
        spec: which network, and what it runs on.
        runs: how many students there are going to be, which decides whether compiling pays.

    Attributes:
        batch: images or views of a step; of images no more than there are.
        device: where students are trained.
        compiled: whether torch.compile is used.

    Raises:
        SettingError: the recipe or the spec makes no sense, or is for other images.
    """

    def __init__(
        self, data: TrainingSet, recipe: Recipe, spec: StudentSpec | None = None, runs: int = 1
    ) -> None:
        self.data, self.recipe, self.spec = data, recipe, spec or StudentSpec()
        check_recipe(recipe, data.images.shape[3])
        if self.spec.width < 1:
            raise SettingError(f"width must be above zero, not {self.spec.width}")
        self.device = pick_device(self.spec.device)
        self.batch = data.batch_size(recipe)
        self.compiled = self._pays_compiling(runs) if self.spec.compile is None else self.spec.compile
        objective = _Objective(data.softmax_temperature)
        self._loss = compiled(objective.loss) if self.compiled else objective.loss
        self._layout = torch.channels_last if self.compiled else torch.contiguous_format
        self._stream: ViewStream | None = None
        if data.network is not None:
            self._stream = ViewStream(
                data.images, data.network, batch=self.batch, device=self.device, compile=self.compiled
            )
        self._images = from_array(data.images).to(self.device)
        self._labels = from_array(data.labels if data.probs is None else data.probs).to(self.device)

    def train(self, seed: int, progress: Progress | None = None) -> nn.Module:
        """A student after ``recipe.steps`` steps, the learning rate having fallen to 0 on a cosine.

        Views come in batches of ``recipe.batch``. Batches of images are cut from shuffled passes over the set
        and have as many, or all where there are fewer; one augmentation is drawn per batch, as in the
        published DSA code.

        Args:
            seed: of weights, order and augmentation; the same on the same machine gives the same network.
            progress: called with (steps done, steps).
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        recipe, layout = self.recipe, self._layout
        generator = torch.Generator().manual_seed(seed)
        shape = self.data.images.shape[1:]
        net = build(self.spec.net, shape, self.data.class_count, generator, self.spec.width)
        net = net.to(self.device).to(memory_format=layout)
        optimizers = optimizers_for(net, recipe)
        schedules = [
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps) for optimizer in optimizers
        ]
        reported = time.monotonic()
        for step, (x, target) in enumerate(self._batches(seed, generator), start=1):
            with autocast(self.device):
                loss = self._loss(net, x.contiguous(memory_format=layout), target)
            net.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            if progress is not None and (step == recipe.steps or time.monotonic() - reported > _REPORT_EVERY):
                progress(step, recipe.steps)
                reported = time.monotonic()
        return net

    def _batches(self, seed: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images (n, C, H, W), and classes (n,) or probabilities (n, classes)."""
        recipe = self.recipe
        rows = torch.empty(0, dtype=torch.int64)
        for step in range(recipe.steps):
            if self._stream is not None:
                views, target = self._stream.at(seed * recipe.steps + step)
                yield normalise(views, recipe.mean, recipe.std), target
                continue
            while len(rows) < self.batch:
                rows = torch.cat((rows, torch.randperm(len(self._images), generator=generator)))
            batch_rows = to_device(rows[: self.batch], self.device)
            rows = rows[self.batch :]
            x = normalise(self._images[batch_rows], recipe.mean, recipe.std)
            yield augment(x, recipe.augment, generator), self._labels[batch_rows]

    def _pays_compiling(self, runs: int) -> bool:
        _, height, width, _ = self.data.images.shape
        work = runs * self.recipe.steps * self.batch * height * width * self.spec.width
        return repays_compiling(work, self.device, 1.0 if self.data.network is None else _VIEWS_COST)


def train_student(
    data: TrainingSet, recipe: Recipe, spec: StudentSpec, seed: int, progress: Progress | None = None
) -> ConvNet:
    """Train one ConvNet from scratch: see :class:`Trainer`."""
    net = Trainer(data, recipe, spec).train(seed, progress)
    assert isinstance(net, ConvNet)
    return net


class _Objective:
    """Cross entropy: with classes, or with the probabilities of a softmax of ``temperature``."""

    def __init__(self, temperature: float | None) -> None:
        self.temperature = temperature

    def loss(self, net: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        """A scalar, for normalised images (n, C, H, W)."""
        if self.temperature is None:
            return F.cross_entropy(net(x).float(), target)
        # times the square: gradients of the usual size (Hinton et al., 2015)
        return F.cross_entropy(net(x).float() / self.temperature, target) * self.temperature**2
