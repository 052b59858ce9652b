"""What a set is worth: students trained on it from scratch, judged on real images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec import bitstream
from rudcodec.bitstream import File as RudFile
from rudcodec.data import LabelledImages, Reading, SourceLike, Split, blocks
from rudcodec.data.matching import matching
from rudcodec.errors import SettingError
from rudcodec.loading import load as load_set
from rudcodec.nets import StudentFactory, title
from rudcodec.nets.speed import has_fast_bf16
from rudcodec.nets.state import usual_torch
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.progress import PartSteps, Progress, StageProgress, StageSteps, no_progress
from rudcodec.runs import CheckpointFolder
from rudcodec.students import (
    Seen,
    StudentKeeper,
    StudentSpec,
    Trainer,
    TrainingSet,
    check_request,
    facts_of_students,
    students_within,
)
from rudcodec.synthetic import SyntheticSet
from rudcodec.text import listed
from rudcodec.watching import watched_stages
from rudcodec.whole_numbers import MAX_SEED, MAX_STUDENTS, whole

_AT_ONCE = 250  # images that a label network looks at between two reports
MOST_CONFUSED = 1000
"""Classes of the largest confusion that is kept: it grows as their square."""


@dataclass(frozen=True)
class EvalResult:
    """Accuracy of students on real images, and how it came about.

    Attributes:
        mean: of the accuracies, 0..1.
        std: their sample standard deviation (n - 1); 0 for one student.
        accuracies: of each student, after its last step; nothing is selected.
        seeds: of each student.
        per_class: mean accuracy on each class; NaN where the real split has no image of it.
        confusion: how often images of a class (row) were taken for a class (column), by all students in sum;
            empty for more than :data:`MOST_CONFUSED` classes.
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
    confusion: tuple[tuple[int, ...], ...] = field(repr=False)

    @property
    def deviation(self) -> float | None:
        """``std``; None of one student, which has none."""
        return self.std if len(self.seeds) > 1 else None

    @classmethod
    def of_students(
        cls,
        trainer: Trainer,
        real: LabelledImages,
        seeds: Sequence[int],
        looks: Sequence[Seen],
    ) -> EvalResult:
        """The result of students with some seeds, all trained as ``trainer`` does it: what each sees in the
        ``real`` images decides."""
        data, spec = trainer.data, trainer.spec
        predicted = [look.predicted for look in looks]
        accuracies = tuple(float(np.mean(classes == real.labels)) for classes in predicted)
        right = np.concatenate([real.labels[classes == real.labels] for classes in predicted])
        present = np.bincount(real.labels, minlength=data.num_classes)
        with np.errstate(invalid="ignore"):
            per_class = np.bincount(right, minlength=data.num_classes) / len(predicted) / present
        return cls(
            mean=float(np.mean(accuracies)),
            std=float(np.std(accuracies, ddof=1)) if len(predicted) > 1 else 0.0,
            accuracies=accuracies,
            seeds=tuple(seeds),
            per_class=tuple(per_class.tolist()),
            train_images=len(data.images),
            real_images=len(real),
            steps=trainer.recipe.steps,
            batch=trainer.batch,
            net=title(spec.net, (real.height, real.width)),
            width=spec.width if spec.net == "convnet" else None,
            device=str(trainer.device),
            precision="bfloat16" if has_fast_bf16(trainer.device) else "float32",
            compiled=trainer.compiled,
            seconds=sum(look.seconds for look in looks),
            confusion=_confusion(real.labels, predicted, data.num_classes),
        )


@usual_torch()
def evaluate(
    synthetic: SyntheticSet | LabelledImages | RudFile | Iterable[RudFile],
    real: LabelledImages | SourceLike,
    *,
    split: Split = "val",
    reading: Reading | None = None,
    recipe: Recipe | None = None,
    seeds: SupportsIndex | Sequence[int] = 3,
    steps: int | None = None,
    net: str | StudentFactory = "convnet",
    width: int = 128,
    device: str | torch.device = "auto",
    progress: StageProgress | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
) -> EvalResult:
    """Train students on a set, each from scratch for a fixed number of steps, and judge them on real images.

    The accuracy is that after the last step: the real images are looked at once, at the end.

    Args:
        synthetic: the set to train on: a decoded one, what :func:`rudcodec.load` takes, such as a ``.rud``
            file or several of these, or any labelled images (then with ``recipe``).
        real: images to judge on, or a source as in :func:`rudcodec.data.load`, of which ``split`` is read, in
            the set's size; the logger ``rudcodec`` says what becomes of others. Those of classes that the set
            doesn't have are left out, and a warning says so.
        reading: how a source of real images is read, the size apart: ``Reading(mode="grey")`` makes them
            grey.
        recipe: how to train; by default the set's own, within the limits of :mod:`rudcodec.students.limits`.
        seeds: of the students, one for each, 0 or more; a number of students has the seeds 0, 1, ...
        steps: instead of the recipe's.
        net: a name in :data:`rudcodec.nets.NETS`, or any function of (channels, classes, (height, width))
            that returns a ``torch.nn.Module`` with as many logits as there are classes.
        width: as in :class:`rudcodec.students.StudentSpec`, as is ``device``.
        progress: called with (stage, steps done, steps), a few times a second at most. None: progress is
            shown on a terminal, and logged elsewhere (logger ``rudcodec``, level INFO);
            :func:`rudcodec.progress.no_progress` shows nothing.
        checkpoints: a folder for these students alone: a new one, which is removed when they are done, or an
            empty one. After a kill the same call goes on from there, but for students whose ``net`` is a
            function: these begin anew. None: no checkpoints.

    Raises:
        DataError: the sets can't be read or differ in image size, channels or classes.
        SettingError: also where ``checkpoints`` are of something else.
    """
    seeds = _seeds(seeds)
    if not isinstance(synthetic, SyntheticSet | LabelledImages):
        synthetic = load_set(synthetic)
    foreign = recipe is None
    if isinstance(synthetic, SyntheticSet):
        data, recipe = TrainingSet.with_own_labels(synthetic), recipe or synthetic.recipe
    elif recipe is not None:
        data = TrainingSet.with_classes(synthetic)
    else:
        raise SettingError("labelled images bring no recipe: give one")
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    if foreign:
        chosen = synthetic.recipe_changes if isinstance(synthetic, SyntheticSet) else ()
        check_request(recipe, data, {*chosen, *(() if steps is None else ("steps",))})
    trainer = Trainer(data, recipe, StudentSpec(net, width, device), runs=len(seeds))
    trainer.check_seeds(seeds)
    whose = "the file" if isinstance(synthetic, SyntheticSet) else "the set"
    shape = synthetic.images.shape[1:]
    real = matching(real, split, shape, synthetic.classes, has_all=False, whose=whose, reading=reading)
    _warn_of_unknown_classes(synthetic, real)
    with ExitStack() as stack:
        watched = stack.enter_context(watched_stages(progress))
        keeper = None
        if checkpoints is not None:
            folder = stack.enter_context(CheckpointFolder(Path(checkpoints)))
            facts = facts_of_students(trainer, real)
            keeper = stack.enter_context(students_within(folder, fingerprint=facts))
        return judge(trainer, real, seeds, watched, keeper)


def judge(
    trainer: Trainer,
    real: LabelledImages,
    seeds: Sequence[int],
    progress: StageProgress = no_progress,
    keeper: StudentKeeper | None = None,
) -> EvalResult:
    """Train a student for each seed, and judge them on real images of the set's shape and classes."""
    keeper = keeper or StudentKeeper()
    students = StageSteps(progress, "student" if len(seeds) == 1 else f"{len(seeds)} students")
    looks = [
        keeper.look(trainer, seed, real, PartSteps(students, number, len(seeds)))
        for number, seed in enumerate(seeds)
    ]
    return EvalResult.of_students(trainer, real, seeds, looks)


def label_accuracy(network: LabelNetwork, real: LabelledImages, progress: Progress | None = None) -> float:
    """Fraction of ``real`` (0..1) that a label network classifies correctly, in exact arithmetic.

    ``real`` has the classes of the network in their order; ``progress`` is called with (images seen, images).
    """
    right = end = 0
    for images in blocks(real.images):
        for first in range(0, len(images), _AT_ONCE):
            seen = bitstream.logits(network, images[first : first + _AT_ONCE]).argmax(1)
            start, end = end, end + len(seen)
            right += int(np.count_nonzero(seen == real.labels[start:end]))
            if progress is not None:
                progress(end, len(real))
    return right / len(real)


def _warn_of_unknown_classes(synthetic: SyntheticSet | LabelledImages, real: LabelledImages) -> None:
    """Warn if students are judged on classes of which they have seen no image, as of a part of a file."""
    unknown = np.setdiff1d(real.labels, synthetic.labels)
    if len(unknown):
        warnings.warn(
            f"students see no image of {listed(real.classes[number] for number in unknown)}, but are judged "
            "on these, too; a file of some classes, as rudcodec.extract makes it, is judged on those it has",
            RuntimeWarning,
            stacklevel=3,
        )


def _confusion(
    labels: NDArray[np.int64], predictions: Sequence[NDArray[np.int64]], num_classes: int
) -> tuple[tuple[int, ...], ...]:
    """How often each class (row) was taken for each (column); empty for very many classes."""
    if num_classes > MOST_CONFUSED:
        return ()
    counts = np.zeros(num_classes**2, np.int64)
    for predicted in predictions:
        known = predicted < num_classes  # a network of the user's own may have more outputs
        numbers = labels[known] * num_classes + predicted[known]
        counts += np.bincount(numbers, minlength=num_classes**2)
    return tuple(map(tuple, counts.reshape(num_classes, num_classes).tolist()))


def _seeds(seeds: SupportsIndex | Sequence[int]) -> Sequence[int]:
    """The seeds of students, of which there may be only a number."""
    given: Any = seeds
    numbers: Sequence[int]
    if np.ndim(given) == 0:
        numbers = range(whole("seeds", given, 0, MAX_STUDENTS))
    else:
        numbers = [whole("seeds", seed, 0, MAX_SEED) for seed in given]
    if len(set(numbers)) < len(numbers):
        raise SettingError(f"seeds: {given}; students of the same seed are the same")
    if not numbers:
        raise SettingError("seeds must be a number of students, at least 1, or their seeds")
    return numbers
