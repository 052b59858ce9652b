"""The best a user can do with real images at equal bytes, as judged by students."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from rudcodec.baselines.codecs import Codec
from rudcodec.baselines.real import Candidate, default_counts, real_images
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError
from rudcodec.evaluation import EvalResult, Progress, evaluate
from rudcodec.payload import LabelNetwork, Recipe

_TRIAL_SEED = 1000  # away from the seeds that the winner is judged with


@dataclass(frozen=True, eq=False)
class Trial:
    """One candidate and the accuracy (0..1) of the small student that it was chosen, or not chosen, by."""

    candidate: Candidate
    accuracy: float | None


@dataclass(frozen=True, eq=False)
class Baseline:
    """The winner; what students of each network reach on its draw and others; all candidates in ascending
    order of count.

    A single candidate has no trial accuracy, since nothing was chosen.
    """

    winner: Candidate
    results: tuple[EvalResult, ...]
    trials: tuple[Trial, ...]


def best_baseline(
    train: LabelledImages,
    real: LabelledImages,
    recipe: Recipe,
    budget_bytes: int,
    codec: Codec = "avif",
    *,
    ipc: float = 50,
    network: LabelNetwork | None = None,
    counts: Sequence[int] | None = None,
    seeds: int = 3,
    first_seed: int = 0,
    nets: Sequence[str] = ("convnet",),
    width: int = 128,
    device: str | torch.device = "auto",
    compile: bool | None = None,
    progress: Progress | None = None,
) -> Baseline:
    """Find how many real images a class serve students best at a size, and judge them with full students.

    Each candidate trains one student of half the width for half the steps; the best count is then judged with
    full students and the recipe as it is. Each of them sees a draw of its own, for draws differ by more than
    students do (on digits by three points). The choice is made on ``real`` itself, which is in the baseline's
    favour.

    Args:
        train: where real images come from.
        real: what students are judged on.
        recipe: how they are trained: the one of the set that this is compared with.
        budget_bytes: size of that set's file.
        ipc: images per class of that set; ``counts`` follow from it (:func:`default_counts`) unless given.
        network: labels views of the real images; ``budget_bytes`` are then without it. None: hard labels.
        seeds, first_seed: of draws and of students; the first draw is the one that counts are tried with.
        nets: students to judge with, of which the first chooses.
        width, device, compile, progress: as in :func:`rudcodec.evaluation.evaluate`.

    Raises:
        BudgetError: no candidate fits; DataError, SettingError: as in ``evaluate``.
    """
    if counts is None:
        counts = default_counts(ipc, min(train.ipc_counts()))
    coding = None if progress is None else partial(progress, f"coding {codec}")
    candidates = real_images(train, budget_bytes, codec, first_seed, counts, coding)

    def judge(
        candidate: Candidate, stage: str, seed: int, recipe: Recipe, net: str, width: int
    ) -> EvalResult:
        return evaluate(
            candidate.as_set(),
            real,
            recipe=recipe,
            network=network,
            seeds=1,
            first_seed=seed,
            net=net,
            width=width,
            device=device,
            compile=compile,
            progress=None if progress is None else partial(_renamed, progress, stage),
        )

    short = dataclasses.replace(recipe, steps=max(1, recipe.steps // 2))
    trials = []
    for candidate in candidates if len(candidates) > 1 else ():
        stage = f"trial of {candidate.count} a class"
        result = judge(candidate, stage, _TRIAL_SEED + first_seed, short, nets[0], max(1, width // 2))
        trials.append(Trial(candidate, result.mean))
    if trials:
        winner = max(trials, key=lambda trial: trial.accuracy or 0.0).candidate
    else:
        winner, trials = candidates[0], [Trial(candidates[0], None)]
    results: dict[str, list[EvalResult]] = {net: [] for net in nets}
    for student in range(seeds):
        drawn = winner
        if student:
            with contextlib.suppress(BudgetError):  # this draw doesn't fit even at the lowest quality
                (drawn,) = real_images(train, budget_bytes, codec, first_seed + student, (winner.count,))
        for net in nets:
            stage = f"{net} {student + 1} of {seeds}"
            results[net].append(judge(drawn, stage, first_seed + student, recipe, net, width))
    return Baseline(winner, tuple(_together(results[net]) for net in nets), tuple(trials))


def _together(results: Sequence[EvalResult]) -> EvalResult:
    accuracies = tuple(result.mean for result in results)
    return dataclasses.replace(
        results[0],
        mean=float(np.mean(accuracies)),
        std=float(np.std(accuracies, ddof=1)) if len(results) > 1 else 0.0,
        accuracies=accuracies,
        seeds=tuple(seed for result in results for seed in result.seeds),
        per_class=tuple(np.mean([result.per_class for result in results], axis=0).tolist()),
        seconds=sum(result.seconds for result in results),
    )


def _renamed(progress: Progress, stage: str, _: str, step: int, steps: int) -> None:
    progress(stage, step, steps)
