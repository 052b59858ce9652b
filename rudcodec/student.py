"""One student: a network trained from scratch as a recipe says, on images or on views of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rudcodec.augment import augment, check_ops, default_ops
from rudcodec.data import LabelledImages
from rudcodec.errors import DataError, SettingError
from rudcodec.labels import ViewStream
from rudcodec.nets import ConvNet, build, muon
from rudcodec.nets.speed import autocast, compiled, keep_freed_memory, repays_compiling
from rudcodec.nets.transfer import constant, to_device
from rudcodec.payload import LabelNetwork, Recipe, ViewRecipe

HARD_LR = 0.005  # on the images themselves, by Muon: docs/utilities.md has others
VIEW_STEPS, VIEW_SIDE = 8000, 28  # pictures of a smaller side have fewer views to see
VIEW_BPC = 5e4  # larger budgets: more pictures, better labels; up to twice as many steps, gentler views
# CIFAR-10, width 128, AdamW, judged on 5,000 training images. 128,000 wide views of 25 images a class: 1,000
# steps of 128 67.0 %, 2,000 of 64 67.7 (learning rate 0.0014: 67.5). 102,400 gentle ones: 400 of 256 57.1
# (learning rate 0.005: 55.8), 800 of 128 59.3.
VIEW_BATCH = 64
VIEW_LR = 0.005
# A view's smallest window, in 1/64 of the side: of few pictures and of many; and in pixels. Tried on 32 x 32.
LEAST_ZOOM, RICH_ZOOM, LEAST_WINDOW = 12, 24, 6

_VIEWS_COST = 8.0  # against images: views are made, too, without a compiler at a fifth of the pace


def default_recipe(data: LabelledImages, *, flip: bool | None = None) -> Recipe:
    """The recipe for students of ``data``, images with labels: its mean and standard deviation per channel,
    all augmentations (see :func:`rudcodec.augment.default_ops` for ``flip``), Muon."""
    pixels = data.images.reshape(-1, data.channels)
    # uint8 histograms: exact sums without a float copy of the set
    counts = np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(data.channels)])
    levels = np.arange(256)
    mean = counts @ levels / len(pixels)
    std = np.sqrt(np.maximum(counts @ levels**2 / len(pixels) - mean**2, 0))
    return hard_recipe(
        Recipe(
            mean=tuple(int(round(m)) for m in mean.tolist()),
            std=tuple(max(1, int(round(s))) for s in std.tolist()),
            augment=default_ops(data.channels, flip),
        )
    )


def view_recipe(recipe: Recipe, height: int, width: int, bpc: float = VIEW_BPC) -> Recipe:
    """The recipe for students on views of a file of ``bpc`` bits a class. There is no end of views: longer
    than for images, with Muon."""
    steps = round(VIEW_STEPS * min(1, min(height, width) / VIEW_SIDE) * min(2, max(1, bpc / VIEW_BPC)))
    return replace(recipe, optimizer="muon", steps=steps, batch=VIEW_BATCH, lr=VIEW_LR)


def network_views(channels: int, flip: bool) -> ViewRecipe:
    """What a label network is trained on: nearly the pictures as they are, those in grey (which stand upright
    in the middle, as clothes and digits do) even more so. docs/views.md has the trials."""
    if channels == 1:
        return ViewRecipe(zoom_min=56, zoom_max=72, shift=4, rotate=8, flip=flip)
    return ViewRecipe(zoom_min=54, zoom_max=74, rotate=8, contrast=30, brightness=12, flip=flip)


def student_views(shape: tuple[int, int, int], flip: bool, bpc: float = VIEW_BPC) -> ViewRecipe:
    """What a file of ``bpc`` bits a class tells students to draw of its (H, W, C) pictures: wider and more
    mixed views than label networks are trained on, so that few images give more, and other, views.
    docs/views.md has the trials."""
    height, width, channels = shape
    usual = ViewRecipe()
    least = RICH_ZOOM if bpc > VIEW_BPC else LEAST_ZOOM
    smallest = min(max(least, -(-64 * LEAST_WINDOW // min(height, width))), usual.zoom_min)
    return replace(
        network_views(channels, flip),
        zoom_min=usual.zoom_min if channels == 1 else smallest,
        zoom_max=usual.zoom_max,
        mixup=100,
        cutmix=156,
    )


def hard_recipe(recipe: Recipe) -> Recipe:
    """The recipe for students on the images themselves, with a recipe's mean, std and augmentation."""
    return Recipe(recipe.mean, recipe.std, recipe.augment, optimizer="muon", lr=HARD_LR)


def normalise(images: Tensor, recipe: Recipe) -> Tensor:
    """uint8 (N, H, W, C) to float32 (N, C, H, W), by the recipe's mean and standard deviation."""
    mean, std = (constant(values, images.device) for values in (recipe.mean, recipe.std))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """A device by name; ``auto`` is CUDA where there is one, else CPU. Raises SettingError."""
    if isinstance(name, str) and name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, with pages of text
        raise SettingError(f"device {name!r} can't be used") from error
    return device


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
        _, height, columns, channels = images.shape
        self.shape = (channels, height, columns)
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
        self._images = _tensor(images).to(self.device)
        self._labels = _tensor(labels if probs is None else probs).to(self.device)

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
        channels, *size = self.shape
        net = build(self.net, channels, self.classes, (size[0], size[1]), generator, width=self.width)
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
                yield normalise(views, recipe), target
                continue
            while len(rows) < self.batch:
                rows = torch.cat((rows, torch.randperm(len(self._images), generator=generator)))
            chosen = to_device(rows[: self.batch], self.device)
            rows = rows[self.batch :]
            x = normalise(self._images[chosen], recipe)
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


def predict(net: nn.Module, images: NDArray[np.uint8], recipe: Recipe, batch: int = 500) -> NDArray[np.int64]:
    """Classes, int64 (N,), that a network sees in uint8 (N, H, W, C), without augmentation."""
    device = next(net.parameters()).device
    found = []
    with torch.inference_mode(), autocast(device):
        for start in range(0, len(images), batch):
            x = normalise(_tensor(images[start : start + batch]).to(device), recipe)
            found.append(net(x).argmax(1).cpu())
    return torch.cat(found).numpy()


def accuracy(net: nn.Module, real: LabelledImages, recipe: Recipe) -> float:
    """Part of ``real`` (0..1) that a network classifies correctly, without augmentation."""
    return float(np.mean(predict(net, real.images, recipe) == real.labels))


def _loss(net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(x).float(), labels)


def _soft_loss(temperature: float, net: nn.Module, x: Tensor, probabilities: Tensor) -> Tensor:
    """Cross entropy at a temperature, times its square: gradients of the usual size (Hinton et al., 2015)."""
    return F.cross_entropy(net(x).float() / temperature, probabilities) * temperature**2


def optimizers_for(net: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """What a recipe's ``optimizer`` stands for; each weight is in one of them."""
    lr, decay, betas = recipe.lr, recipe.weight_decay, (recipe.momentum, 0.999)
    if recipe.optimizer == "sgd":
        return [torch.optim.SGD(net.parameters(), lr, momentum=recipe.momentum, weight_decay=decay)]
    inner, rest = muon.split(net) if recipe.optimizer == "muon" else ([], list(net.parameters()))
    adamw = torch.optim.AdamW(rest, lr, betas=betas, weight_decay=decay)
    return [muon.Muon(inner, lr, decay), adamw] if inner else [adamw]


def _tensor(array: NDArray[np.generic]) -> Tensor:
    # torch warns of arrays that are read-only
    return torch.from_numpy(np.require(array, requirements=("C", "W")))


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
