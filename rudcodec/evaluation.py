"""What a set is worth: students trained on it from scratch, judged on real images."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from rudcodec import bitstream
from rudcodec.data import LabelledImages, Split
from rudcodec.data.matching import matching
from rudcodec.errors import SettingError
from rudcodec.nets import title
from rudcodec.nets.speed import has_fast_bf16
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.students import Trainer, hard_recipe, predict
from rudcodec.synthetic import SyntheticSet
from rudcodec.synthetic import load as load_set

__all__ = ["EvalResult", "Progress", "evaluate", "label_accuracy"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EvalResult:
    """Accuracy of students on real images, and how it came about.

    Attributes:
        mean: of the accuracies, 0..1.
        std: their sample standard deviation (n - 1); 0 for one student.
        accuracies: of each student, after its last step; nothing is selected.
        seeds: of each student.
        per_class: mean accuracy on each class; NaN where the real split has no image of it.
        train_images, real_images: how many were trained on, and judged on.
        steps, batch: optimizer steps of each student and images per step, as done.
        net: what was trained, such as ``ConvNet-3``; ``width``: its channels, if it is a ConvNet.
        device, precision, compiled: how it was run.
        seconds: in all.
    """

    mean: float
    std: float
    accuracies: tuple[float, ...]
    seeds: tuple[int, ...]
    per_class: tuple[float, ...]
    train_images: int
    real_images: int
    steps: int
    batch: int
    net: str
    width: int | None
    device: str
    precision: str
    compiled: bool
    seconds: float


def evaluate(
    synthetic: SyntheticSet | LabelledImages | str | os.PathLike[str],
    real: LabelledImages | str | os.PathLike[str],
    *,
    split: Split = "val",
    recipe: Recipe | None = None,
    network: LabelNetwork | None = None,
    hard: bool = False,
    seeds: int = 3,
    first_seed: int = 0,
    steps: int | None = None,
    net: str = "convnet",
    width: int = 128,
    device: str | torch.device = "auto",
    compile: bool | None = None,
    progress: Progress | None = None,
) -> EvalResult:
    """Train students on a set, each from scratch for a fixed number of steps, and judge them on real images.

    The accuracy is that after the last step: the real images are looked at once, at the end.

    Args:
        synthetic: the set to train on: a decoded one, a ``.rud`` file, or any labelled images (then with
            ``recipe``).
        real: images to judge on, or a source as in :func:`rudcodec.data.load`, of which ``split`` is read.
        recipe: how to train; by default the set's own (with ``hard``: :func:`hard_recipe` of it).
        network: labels the views that students are trained on; by default the set's own, if it has one.
        hard: train on the images and their classes, whatever labels there are.
        seeds: number of students; they use the seeds ``first_seed``, ``first_seed + 1``, ...
        steps: instead of the recipe's.
        net, width, device, compile: as in :class:`rudcodec.students.Trainer`.
        progress: called with (stage, steps done, steps), a few times a second at most.

    Raises:
        DataError: the sets can't be read or differ in image size, channels or classes; SettingError.
    """
    started = time.monotonic()
    if seeds < 1:
        raise SettingError(f"seeds must be at least 1, not {seeds}")
    if isinstance(synthetic, str | os.PathLike):
        synthetic = load_set(synthetic)
    probs, temperature = None, 1.0
    if isinstance(synthetic, SyntheticSet):
        if not hard and network is None:
            probs, temperature = synthetic.probs, synthetic.temperature
        own = hard_recipe(synthetic.recipe) if hard and synthetic.network else synthetic.recipe
        recipe, network = recipe or own, network or synthetic.network
    if recipe is None:
        raise SettingError("labelled images bring no recipe: give one")
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    images, labels, classes = synthetic.images, synthetic.labels, synthetic.classes
    trainer = Trainer(
        images,
        labels,
        len(classes),
        recipe,
        network=None if hard else network,
        probs=probs,
        temperature=temperature,
        device=device,
        net=net,
        width=width,
        compile=compile,
        runs=seeds,
    )
    real = matching(real, split, images.shape[1:], classes)
    numbers = tuple(range(first_seed, first_seed + seeds))
    hits = []
    for index, seed in enumerate(numbers):
        stage = f"student {index + 1} of {seeds}"
        student = trainer.train(seed, None if progress is None else partial(progress, stage))
        hits.append(predict(student, real.images, recipe) == real.labels)
    accuracies = tuple(float(np.mean(hit)) for hit in hits)
    each = np.mean(hits, axis=0)
    present = np.bincount(real.labels, minlength=len(classes))
    right = np.bincount(real.labels, weights=each, minlength=len(classes))
    with np.errstate(invalid="ignore"):
        per_class = right / present
    return EvalResult(
        mean=float(np.mean(accuracies)),
        std=float(np.std(accuracies, ddof=1)) if seeds > 1 else 0.0,
        accuracies=accuracies,
        seeds=numbers,
        per_class=tuple(per_class.tolist()),
        train_images=len(images),
        real_images=len(real),
        steps=recipe.steps,
        batch=trainer.batch,
        net=title(net, (images.shape[1], images.shape[2])),
        width=width if net == "convnet" else None,
        device=str(trainer.device),
        precision="bfloat16" if has_fast_bf16(trainer.device) else "float32",
        compiled=trainer.compiled,
        seconds=time.monotonic() - started,
    )


def label_accuracy(network: LabelNetwork, real: LabelledImages) -> float:
    """Part of ``real`` (0..1) that a label network classifies correctly, in exact arithmetic.

    ``real`` has the classes of the network in their order.
    """
    return float(np.mean(bitstream.logits(network, real.images).argmax(1) == real.labels))
