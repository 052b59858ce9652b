"""A set beside what could replace it: students of each, judged on the same real images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import torch

from rudcodec.baselines import Codec, PictureBudget, default_counts
from rudcodec.baselines.best import TRIALS_COST, Baseline, StudentTraining, best_baseline
from rudcodec.data import LabelledImages
from rudcodec.evaluation import EvalResult, judge, label_accuracy
from rudcodec.nets import build
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.progress import StageProgress, StageSteps, Within, no_progress
from rudcodec.students import Panel, StudentSpec, Trainer, TrainingSet, check_request, hard_recipe
from rudcodec.students.limits import limited_batch
from rudcodec.synthetic import SyntheticSet
from rudcodec.text import listed

Kind = Literal["set", "label network", "images alone", "pictures", "pictures with label network"]
"""What is judged: a set; of one with labels of its own the label network itself, and the images with their
classes; real images as pictures, with their classes or under the set's label network."""


def check_networks(specs: Sequence[StudentSpec], shape: tuple[int, ...], classes: int) -> None:
    """Raise SettingError, before any student is trained, if one of them can't take images of a shape."""
    for spec in specs:
        build(spec.net, shape, classes, torch.Generator(), spec.width)


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing that was judged.

    Attributes:
        name: what it is called.
        kind: what it is.
        size: bytes that it takes.
        ipc: images per class; 0 for a label network.
        accuracy: of students of the first kind, or of the label network itself; 0..1.
        results: of the students of each kind; none for a label network.
        baseline: how real images were chosen, where it is these.
    """

    name: str
    kind: Kind
    size: int
    ipc: float
    accuracy: float
    results: tuple[EvalResult, ...] = ()
    baseline: Baseline | None = None


class Pending(NamedTuple):
    """An entry that isn't judged yet: what it is of, about how many images students will see for it (each
    counts its :attr:`rudcodec.students.TrainingSet.image_cost`), and what judges it."""

    kind: Kind
    work: float
    judge: Callable[[], Entry]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Judges a decoded set, what is in it, and real images at equal bytes, one entry after another.

    Attributes:
        name: what the set is called.
        data: the set.
        size_without_labels: bytes of a file of its images with hard labels.
        real: what students are judged on, in the shape and with the class numbers of the set: see
            :func:`rudcodec.data.matching.matching`.
        panel: the students.
        changes: fields of the set's recipe that the user wants to be otherwise; the rest of it must be within
            the limits of :mod:`rudcodec.students.limits`.
        progress: called with (stage, steps done, steps).
    """

    name: str
    data: SyntheticSet
    size_without_labels: int
    real: LabelledImages
    panel: Panel = field(default_factory=Panel)
    changes: Mapping[str, Any] = field(default_factory=dict)
    progress: StageProgress = no_progress

    def of_set(self) -> list[Pending]:
        """The set; one with labels of its own also by its images with their classes alone, and by its label
        network itself.

        Raises:
            SettingError: the recipe makes no sense, or asks for more than a file may, or a network can't take
                the images.
        """
        data = self.data
        labelled = TrainingSet.with_own_labels(data)
        check_request(self.recipe, labelled, self.changes.keys())
        if data.network is not None and (unused := self.changes.keys() & {"cutmix", "augment"}):
            warnings.warn(
                f"{self.name}: {listed(sorted(unused))} changes nothing: its students see views, which have "
                "mixtures and changes of their own",
                RuntimeWarning,
                stacklevel=2,
            )
        check_networks(self.panel.specs, data.images.shape[1:], len(data.classes))
        pending = [Pending("set", self._work(labelled, self.recipe), self._judge_labelled)]
        if data.network is not None:
            pending.append(Pending("label network", 0.0, self._judge_network))
        if data.network is not None or data.probs is not None:
            work = self._work(TrainingSet.with_classes(data), self._recipe_of_images)
            pending.append(Pending("images alone", work, self._judge_images))
        return pending

    def of_real_images(self, train: LabelledImages, codec: Codec) -> list[Pending]:
        """Real images out of ``train``, as one picture of at most the set's size: with their classes, and,
        where the set has a label network, also labelled by this, which then is part of the size.

        ``train`` has the shape and class numbers of the set, as ``real`` has. To judge an entry raises
        BudgetError where not even a few images fit.

        Raises:
            DataError: a class has no image.
        """
        train.require_every_class("a baseline could have")
        own = TrainingSet.with_classes(self.data)

        def recipe_of_pictures(count: int) -> Recipe:
            recipe = self.recipe_of_classes(self.data.size, count * len(train.classes))
            if "batch" in self.changes:
                return recipe
            # there may be more real images than the set has
            return limited_batch(recipe, own.images[0].nbytes, own.batch_size(recipe))

        work = self._work(own, recipe_of_pictures(round(self.data.ipc)), with_trials=True)
        pending = [
            Pending("pictures", work, partial(self._judge_pictures, train, codec, recipe_of_pictures, None))
        ]
        if (network := self.data.network) is not None:
            judge = partial(self._judge_pictures, train, codec, lambda count: self.recipe, network)
            work = self._work(TrainingSet.with_own_labels(self.data), self.recipe, with_trials=True)
            pending.append(Pending("pictures with label network", work, judge))
        return pending

    @property
    def recipe(self) -> Recipe:
        """The set's recipe, changed as the user wants it."""
        return replace(self.data.recipe, **self.changes)

    def recipe_of_classes(self, size: int, num_images: int) -> Recipe:
        """The recipe for so many images with their classes, the set's or real ones, that take ``size`` bytes.

        It is that of the set, unless this is one for views, of which changes no more than a smaller number of
        steps is taken.
        """
        if self.data.network is None:
            return self.recipe
        usual = hard_recipe(self.data.recipe, 8 * size / len(self.data.classes), num_images)
        return replace(usual, steps=min(usual.steps, self.changes.get("steps", usual.steps)))

    @property
    def _recipe_of_images(self) -> Recipe:
        """That of the set's images alone."""
        return self.recipe_of_classes(self.size_without_labels, len(self.data.images))

    def _work(self, labelled: TrainingSet, recipe: Recipe, with_trials: bool = False) -> float:
        """``with_trials``: smaller students first choose how many images there are."""
        students = len(self.panel.specs) * len(self.panel.seeds) + TRIALS_COST * with_trials
        return labelled.image_cost * students * recipe.steps * labelled.batch_size(recipe)

    def _judge_labelled(self) -> Entry:
        results = self._judge(TrainingSet.with_own_labels(self.data), self.recipe, "")
        return Entry(self.name, "set", self.data.size, self.data.ipc, results[0].mean, results)

    def _judge_network(self) -> Entry:
        assert self.data.network is not None
        progress = StageSteps(self.progress, "label network")
        accuracy = label_accuracy(self.data.network, self.real, progress)
        return Entry("its label network", "label network", self.data.network_size, 0, accuracy)

    def _judge_images(self) -> Entry:
        size = self.size_without_labels
        results = self._judge(TrainingSet.with_classes(self.data), self._recipe_of_images, ", hard labels")
        accuracy = results[0].mean
        return Entry("its images, hard labels", "images alone", size, self.data.ipc, accuracy, results)

    def _judge(self, labelled: TrainingSet, recipe: Recipe, note: str) -> tuple[EvalResult, ...]:
        """Students of each kind."""
        results = []
        for spec in self.panel.specs:
            trainer = Trainer(labelled, recipe, spec, runs=len(self.panel.seeds))
            progress = Within(self.progress, f"{spec.name}{note}")
            results.append(judge(trainer, self.real, self.panel.seeds, progress, self.panel.keeper))
        return tuple(results)

    def _judge_pictures(
        self,
        train: LabelledImages,
        codec: Codec,
        recipe_of: Callable[[int], Recipe],
        network: LabelNetwork | None,
    ) -> Entry:
        beside = 0 if network is None else self.data.network_size
        counts = default_counts(self.data.ipc, min(train.ipc_counts()))
        baseline = best_baseline(
            train,
            self.real,
            PictureBudget(codec, self.data.size - beside, counts, or_fewer=True),
            StudentTraining(recipe_of, network, self.panel),
            Within(self.progress, "baseline"),
        )
        winner, results = baseline.winner, baseline.results
        name = f"real images, {codec} q{winner.quality} {winner.subsampling}"
        if network is not None:
            name += ", the same label network"
        elif self.data.network is not None:
            name += ", hard labels"
        kind: Kind = "pictures" if network is None else "pictures with label network"
        return Entry(name, kind, winner.size + beside, winner.count, results[0].mean, results, baseline)
