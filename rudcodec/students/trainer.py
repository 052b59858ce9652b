"""Training one student from scratch as a recipe says, on images or on views of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rudcodec.augment import augment, check_ops
from rudcodec.errors import DataError, SettingError
from rudcodec.label_network import ViewStream
from rudcodec.nets import ConvNet, build
from rudcodec.nets.device import pick_device
from rudcodec.nets.normalise import normalise
from rudcodec.nets.speed import autocast, compiled, keep_freed_memory, repays_compiling
from rudcodec.nets.transfer import from_array, to_device
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.students.optimizers import optimizers_for

_VIEWS_COST = 8.0  # against images: views are made, too, without a compiler at a fifth of the pace


class Trainer:
    """Trains students on one set, one for each seed; compiles once for all of them.

    Args:
        images: uint8 (N, H, W, C).
        labels: int64 (N,), in 0..classes-1.
        recipe: how to train.
        net: which network; ``width``: of a ConvNet.
        network: labels views of the images, which are then what is trained on; their softmax has its
            temperature. None: images with their labels, augmented.
        probs: (N, classes), soft labels instead of ``labels``, from a softmax of ``temperature``.
        compile: use torch.compile; by default where ``runs`` students are work enough to repay it and a
            compiler exists.

    Raises:
        SettingError: settings that make no sense; DataError: images and labels that don't fit together.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        classes: int,
        recipe: Recipe,
        *,
        network: LabelNetwork | None = None,
        probs: NDArray[np.float32] | None = None,
        temperature: float = 1.0,
        device: str | torch.device = "auto",
        net: str = "convnet",
        width: int = 128,
        compile: bool | None = None,
        runs: int = 1,
    ) -> None:
        _check(images, labels, classes, recipe, width)
        self.recipe, self.classes, self.net, self.width = recipe, classes, net, width
        self.device = pick_device(device)
        self.batch = recipe.batch if network else min(recipe.batch, len(images))
        _, height, columns, _ = images.shape
        self.shape = images.shape[1:]
        if compile is None:
            work = runs * recipe.steps * self.batch * height * columns * width
            compile = repays_compiling(work, self.device, 1.0 if network is None else _VIEWS_COST)
        self.compiled = compile
        if network is not None:
            temperature = network.temperature / 16
        loss = _loss if network is None and probs is None else partial(_soft_loss, temperature)
        self._loss = compiled(loss) if compile else loss
        self._layout = torch.channels_last if compile else torch.contiguous_format
        self._stream: ViewStream | None = None
        if network is not None:
            self._stream = ViewStream(images, network, batch=self.batch, device=self.device, compile=compile)
        self._images = from_array(images).to(self.device)
        self._labels = from_array(labels if probs is None else probs).to(self.device)

    def train(self, seed: int, progress: Callable[[int, int], None] | None = None) -> nn.Module:
        """A student after ``recipe.steps`` steps, the learning rate having fallen to 0 on a cosine.

        Views come in batches of ``recipe.batch``. Batches of images are cut from shuffled passes over the set
        and have as many, or all where there are fewer; one augmentation is drawn per batch, as in the
        published DSA code.

        Args:
            seed: of weights, order and augmentation; the same on the same machine gives the same network.
            progress: called with (steps done, steps), a few times a second at most.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        recipe, device, layout = self.recipe, self.device, self._layout
        generator = torch.Generator().manual_seed(seed)
        net = build(self.net, self.shape, self.classes, generator, self.width)
        net = net.to(device).to(memory_format=layout)
        optimizers = optimizers_for(net, recipe)
        schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(one, recipe.steps) for one in optimizers]
        reported = time.monotonic()
        for step, (x, target) in enumerate(self._batches(seed, generator), start=1):
            with autocast(device):
                loss = self._loss(net, x.contiguous(memory_format=layout), target)
            net.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            if progress is not None and (step == recipe.steps or time.monotonic() - reported > 0.25):
                progress(step, recipe.steps)
                reported = time.monotonic()
        return net

    def _batches(self, seed: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised pictures, and classes (n,) or probabilities (n, classes)."""
        recipe = self.recipe
        rows = torch.empty(0, dtype=torch.int64)
        for step in range(recipe.steps):
            if self._stream is not None:
                views, target = self._stream.at(seed * recipe.steps + step)
                yield normalise(views, recipe.mean, recipe.std), target
                continue
            while len(rows) < self.batch:
                rows = torch.cat((rows, torch.randperm(len(self._images), generator=generator)))
            chosen = to_device(rows[: self.batch], self.device)
            rows = rows[self.batch :]
            x = normalise(self._images[chosen], recipe.mean, recipe.std)
            yield augment(x, recipe.augment, generator), self._labels[chosen]


def train_student(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    recipe: Recipe,
    *,
    seed: int,
    device: str | torch.device = "auto",
    width: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> ConvNet:
    """Train one ConvNet from scratch: see :class:`Trainer`."""
    net = Trainer(images, labels, classes, recipe, device=device, width=width).train(seed, progress)
    assert isinstance(net, ConvNet)
    return net


def _loss(net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(x).float(), labels)


def _soft_loss(temperature: float, net: nn.Module, x: Tensor, probabilities: Tensor) -> Tensor:
    """Cross entropy at a temperature, times its square: gradients of the usual size (Hinton et al., 2015)."""
    return F.cross_entropy(net(x).float() / temperature, probabilities) * temperature**2


def _check(
    images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, recipe: Recipe, width: int
) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise DataError(f"training images must be uint8 (N, H, W, C), not {images.dtype} {images.shape}")
    if labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"{len(images)} training images need as many labels in 0..{classes - 1}")
    if not len(recipe.mean) == len(recipe.std) == images.shape[3]:
        raise SettingError(
            f"the recipe is for {len(recipe.mean)} channels, the images have {images.shape[3]}"
        )
    for name, value in (
        ("steps", recipe.steps),
        ("batch", recipe.batch),
        ("lr", recipe.lr),
        ("width", width),
    ):
        if not value > 0:
            raise SettingError(f"{name} must be above zero, not {value}")
    check_ops(recipe.augment)
