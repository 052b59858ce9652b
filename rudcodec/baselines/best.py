"""The best a user can do with real images at equal bytes, as judged by students."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from rudcodec.baselines.real import Candidate, PictureBudget, real_images, with_more_images
from rudcodec.data import LabelledImages
from rudcodec.data.matching import matching
from rudcodec.errors import BudgetError
from rudcodec.evaluation import EvalResult
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.progress import StageProgress, StageSteps, no_progress
from rudcodec.students import Panel, Seen, StudentSpec, Trainer, TrainingSet

TRIALS_COST = 0.4  # of the small students, in full ones: half as wide, half the steps, often two counts
_TRIAL_SEED = 1000  # away from the seeds that the winner is judged with


@dataclass(frozen=True, eq=False)
class TriedCandidate:
    """One candidate and the accuracy (0..1) of the small student that it was chosen, or not chosen, by."""

    candidate: Candidate
    accuracy: float | None


@dataclass(frozen=True, eq=False)
class Baseline:
    """The best of the candidates.

    Attributes:
        winner: the candidate that was chosen, with as many more images as its bytes hold.
        results: what students of each kind reach on the winner's draw and on others.
        candidates: all of them in ascending order of count. A single one has no accuracy, since there was
            nothing to choose.
    """

    winner: Candidate
    results: tuple[EvalResult, ...]
    candidates: tuple[TriedCandidate, ...]


@dataclass(frozen=True, eq=False)
class StudentTraining:
    """How students are trained on real images, so that they compare with those of another set.

    Attributes:
        recipe_of: the recipe for so many images of each class.
        network: labels views of the images; None: images have their classes as labels.
        panel: the students; the first kind chooses the count, and there is a draw of images for each seed, of
            which the first is the one that counts are tried with.
    """

    recipe_of: Callable[[int], Recipe]
    network: LabelNetwork | None = None
    panel: Panel = field(default_factory=Panel)


def best_baseline(
    train: LabelledImages,
    real: LabelledImages,
    budget: PictureBudget,
    training: StudentTraining,
    progress: StageProgress = no_progress,
) -> Baseline:
    """Find how many real images per class serve students best at a size, and judge them with full students.

    Each candidate trains one student of half the width for half the steps; the best count is then judged with
    full students and the recipe as it is. Each of them sees a draw of its own, for draws differ by more than
    students do. Counts that are tried are far apart, so that each draw gets as many more images of its
    quality as there are bytes for. The choice is made on ``real`` itself, which is in the baseline's favour.

    Args:
        train: where real images come from.
        real: what students are judged on.
        budget: what may be stored; without the bytes of a label network, if there is one.
        training: how students are trained.
        progress: called with (stage, steps done, steps).

    Raises:
        BudgetError: no candidate fits; DataError: the sets don't go together; SettingError.
    """
    real = matching(real, "val", train.images.shape[1:], train.classes, has_all=False)
    search = _Search(train, real, budget, training, progress)
    candidates = search.try_counts()
    best = max(candidates, key=lambda tried: tried.accuracy or 0.0).candidate
    draws = search.draws_of(best)
    return Baseline(draws[0], search.judge(draws), candidates)


@dataclass(frozen=True)
class _Search:
    train: LabelledImages
    real: LabelledImages
    budget: PictureBudget
    training: StudentTraining
    progress: StageProgress

    def try_counts(self) -> tuple[TriedCandidate, ...]:
        """Each count's candidate, with the accuracy of a small student where there are several."""
        training, seed = self.training, self.training.panel.seeds[0]
        coding = StageSteps(self.progress, f"coding {self.budget.codec}")
        candidates = real_images(self.train, self.budget, seed, coding)
        if len(candidates) == 1:
            return (TriedCandidate(candidates[0], None),)
        spec = training.panel.specs[0]
        small = replace(spec, width=max(1, spec.width // 2))
        tried = []
        for candidate in candidates:
            recipe = training.recipe_of(candidate.count)
            recipe = replace(recipe, steps=max(1, recipe.steps // 2))
            trainer = self._trainer(candidate, recipe, small)
            seen = self._look(trainer, _TRIAL_SEED + seed, f"candidate of {candidate.count} per class")
            tried.append(TriedCandidate(candidate, float(np.mean(seen.predicted == self.real.labels))))
        return tuple(tried)

    def draws_of(self, best: Candidate) -> list[Candidate]:
        """A draw for each student, of as many images as the best candidate has, and more where these leave
        bytes for them."""
        seeds = self.training.panel.seeds
        draws: list[Candidate] = []
        drawing = StageSteps(self.progress, f"drawing for {self.budget.codec}")
        for number, seed in enumerate(seeds, start=1):
            drawing(number - 1, len(seeds))
            draw = best if number == 1 else self._draw(best.count, seed)
            draws.append(draws[0] if draw is None else with_more_images(self.train, draw, self.budget, seed))
        drawing(len(seeds), len(seeds))
        return draws

    def judge(self, draws: list[Candidate]) -> tuple[EvalResult, ...]:
        """The results of students of each kind, each of which has a draw of its own."""
        return tuple(self._judge(draws, spec) for spec in self.training.panel.specs)

    def _judge(self, draws: list[Candidate], spec: StudentSpec) -> EvalResult:
        """Students of one kind: each seed's on a draw of its own, all by one recipe. How many images there
        are is said of the first draw; others may have one more or fewer of each class."""
        seeds, recipe = self.training.panel.seeds, self.training.recipe_of(draws[0].count)
        trainers = [self._trainer(images, recipe, spec) for images in draws]
        looks = [
            self._look(trainer, seed, f"{spec.name} {number} of {len(seeds)}")
            for number, (trainer, seed) in enumerate(zip(trainers, seeds, strict=True), start=1)
        ]
        return EvalResult.of_students(trainers[0], self.real, seeds, looks)

    def _draw(self, count: int, seed: int) -> Candidate | None:
        """Another draw of so many images; None where these don't fit at any quality."""
        with contextlib.suppress(BudgetError):
            return real_images(self.train, replace(self.budget, counts=(count,)), seed)[0]
        return None

    def _trainer(self, images: Candidate, recipe: Recipe, spec: StudentSpec) -> Trainer:
        network, data = self.training.network, images.as_set()
        if network is None:
            return Trainer(TrainingSet.with_classes(data), recipe, spec)
        return Trainer(TrainingSet.with_network(data, network), recipe, spec)

    def _look(self, trainer: Trainer, seed: int, stage: str) -> Seen:
        """What a student of this seed sees in the real images."""
        keeper = self.training.panel.keeper
        return keeper.look(trainer, seed, self.real, StageSteps(self.progress, stage))
