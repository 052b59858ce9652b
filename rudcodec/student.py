"""One student: a ConvNet trained from scratch as a recipe says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rudcodec.augment import augment, check_ops, default_ops
from rudcodec.data import LabelledImages
from rudcodec.errors import DataError, SettingError
from rudcodec.nets import ConvNet, literature_depth
from rudcodec.nets.speed import autocast, compiled, has_compiler, keep_freed_memory
from rudcodec.payload import Recipe

# Training images x pixels x width above which torch.compile (10-60 s) earns its time back on two CPU cores:
# about 100,000 images of 32 x 32 at width 128, a minute and a half of eager training.
_COMPILE_FROM = 100_000 * 32 * 32 * 128


def default_recipe(data: LabelledImages, *, flip: bool | None = None) -> Recipe:
    """The recipe for students of ``data``: its mean and standard deviation per channel, all augmentations
    (see :func:`rudcodec.augment.default_ops` for ``flip``), and the training settings that are Recipe's
    defaults."""
    pixels = data.images.reshape(-1, data.channels)
    # uint8 histograms: exact sums without a float copy of the set
    counts = np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(data.channels)])
    levels = np.arange(256)
    mean = counts @ levels / len(pixels)
    std = np.sqrt(np.maximum(counts @ levels**2 / len(pixels) - mean**2, 0))
    return Recipe(
        mean=tuple(int(round(m)) for m in mean.tolist()),
        std=tuple(max(1, int(round(s))) for s in std.tolist()),
        augment=default_ops(data.channels, flip),
    )


def normalise(images: Tensor, recipe: Recipe) -> Tensor:
    """uint8 (N, H, W, C) to float32 (N, C, H, W), by the recipe's mean and standard deviation."""
    mean, std = (
        torch.tensor(v, dtype=torch.float32, device=images.device) for v in (recipe.mean, recipe.std)
    )
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
        width, depth: of the ConvNet; by default the literature's depth for the image size.
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
        device: str | torch.device = "auto",
        width: int = 128,
        depth: int | None = None,
        compile: bool | None = None,
        runs: int = 1,
    ) -> None:
        _check(images, labels, classes, recipe, width)
        self.recipe, self.classes, self.width = recipe, classes, width
        self.device = pick_device(device)
        self.batch = min(recipe.batch, len(images))
        _, height, columns, channels = images.shape
        self.shape = (channels, height, columns)
        self.depth = depth or literature_depth(height, columns)
        if compile is None:
            work = runs * recipe.steps * self.batch * height * columns * width
            compile = work >= _COMPILE_FROM and has_compiler(self.device)
        self.compiled = compile
        self._loss = compiled(_loss) if compile else _loss
        self._layout = torch.channels_last if compile else torch.contiguous_format
        self._images = _tensor(images).to(self.device)
        self._labels = _tensor(labels).to(self.device)

    def train(self, seed: int, progress: Callable[[int, int], None] | None = None) -> ConvNet:
        """A student after ``recipe.steps`` steps, the learning rate having fallen to 0 on a cosine.

        Batches are cut from shuffled passes over the set and have ``recipe.batch`` images, or all where there
        are fewer; one augmentation is drawn per batch, as in the published DSA code.

        Args:
            seed: of weights, order and augmentation; the same on the same machine gives the same network.
            progress: called with (steps done, steps), a few times a second at most.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        recipe, device, layout = self.recipe, self.device, self._layout
        generator = torch.Generator().manual_seed(seed)
        net = ConvNet(self.shape[0], self.classes, self.shape[1:], self.depth, self.width, generator)
        net = net.to(device).to(memory_format=layout)
        optimizer = _optimizer(net, recipe)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
        reported = time.monotonic()
        for step, rows in enumerate(self._batches(generator), start=1):
            x = augment(normalise(self._images[rows], recipe), recipe.augment, generator)
            with autocast(device):
                loss = self._loss(net, x.contiguous(memory_format=layout), self._labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if progress is not None and (step == recipe.steps or time.monotonic() - reported > 0.25):
                progress(step, recipe.steps)
                reported = time.monotonic()
        return net

    def _batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        rows = torch.empty(0, dtype=torch.int64)
        for _ in range(self.recipe.steps):
            while len(rows) < self.batch:
                rows = torch.cat((rows, torch.randperm(len(self._images), generator=generator)))
            yield rows[: self.batch].to(self.device)
            rows = rows[self.batch :]


def train_student(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    recipe: Recipe,
    *,
    seed: int,
    device: str | torch.device = "auto",
    width: int = 128,
    depth: int | None = None,
    compile: bool | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ConvNet:
    """Train one student from scratch: see :class:`Trainer`."""
    trainer = Trainer(
        images, labels, classes, recipe, device=device, width=width, depth=depth, compile=compile
    )
    return trainer.train(seed, progress)


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


def _loss(net: ConvNet, x: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(x).float(), labels)


def _optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    weights, lr, decay = net.parameters(), recipe.lr, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr, betas=(recipe.momentum, 0.999), weight_decay=decay)
    return torch.optim.SGD(weights, lr, momentum=recipe.momentum, weight_decay=decay)


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
