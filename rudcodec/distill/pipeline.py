"""The pipeline: which stages an encode has, in which order."""

from __future__ import annotations

from functools import partial

import torch

from rudcodec.distill.encoding import Encoding
from rudcodec.distill.expected_time import expected_seconds
from rudcodec.distill.inputs import Inputs
from rudcodec.distill.meet_budget import (
    budget_stages,
    final_quality,
    measure_overhead,
    unbounded_stages,
)
from rudcodec.distill.quality import Quality, model_psnr
from rudcodec.distill.schedules import joint_schedule, warmup_schedules
from rudcodec.distill.selection import select_images
from rudcodec.distill.training_loop import Training
from rudcodec.distill.transitions import pretrain_networks, raise_target, take_decoded_as_targets
from rudcodec.payload import Payload
from rudcodec.runs import RunClock, RunContext, Stage, State
from rudcodec.settings import NO_UTILITY


def pipeline(inputs: Inputs) -> tuple[Stage, ...]:
    """The stages of an encode, in order: the one place that says which there are.

    ``compress`` runs them, ``--dry-run`` times those that are timed, checkpoints and benchmarks know them by
    name. To add one, write a function of an :class:`Encoding` (what it may change is said in
    :class:`rudcodec.runs.Journal`) and put a :class:`Stage` with it into the list; a checkpoint of another
    list is then refused.
    """
    settings = inputs.settings
    has_budget, has_utility = settings.lmbda is None, settings.utility != NO_UTILITY
    first_warmup, second_warmup = warmup_schedules(settings.warmup)
    stages = [*inputs.label_mode.stages()]
    if inputs.distilled is None:
        stages.append(Stage("selection", select_initial_images))
    if has_utility:
        stages.append(Stage("utility networks", learn_utility, shared=True, timed=True))
    stages.append(Stage("initial quality", model_psnr))
    stages.append(Stage("pretraining", pretrain_networks, shared=True))
    stages.append(Stage("warm-up 1", Training(first_warmup), shared=True, timed=True))
    if has_budget:
        stages.append(Stage("overhead", measure_overhead))
    stages.append(Stage("warm-up 2", Training(second_warmup), shared=True, timed=True))
    if has_utility:
        if has_budget:
            stages.append(Stage("raise target", raise_target))
        joint = Training(joint_schedule(settings.joint), with_utility=True)
        stages.append(Stage("joint", joint, shared=True, timed=True))
        stages.append(Stage("targets", take_decoded_as_targets))
    end = budget_stages if has_budget else unbounded_stages
    return (*stages, *end(settings.tune))


def run_pipeline(inputs: Inputs, run: RunContext) -> tuple[Payload, Quality]:
    """Run the stages that a run has left to do; returns what they have made, and how good it is."""
    run.reporter = RunClock(run.reporter, expected_seconds(inputs, run.ranks.world_size))
    encoding = Encoding(inputs, run)
    run_stages(encoding)
    quality = final_quality(encoding)
    return encoding.final_payload(), quality


def run_stages(encoding: Encoding, last: str | None = None) -> None:
    """Run the stages of an encoding that have not returned their results yet, in order.

    Args:
        encoding: under way; one that has results of another may go on from there.
        last: the name of the stage after which to stop; None: run all. ValueError if there is no such stage.
    """
    stages = pipeline(encoding.inputs)
    if last is not None:
        stages = stages[: [stage.name for stage in stages].index(last) + 1]
    for stage in stages:
        if stage.name not in encoding.results and stage.is_needed(encoding):
            encoding.results[stage.name] = encoding.run.journal.run_stage(
                stage.name, partial(stage.run, encoding), stage.shared
            )


def select_initial_images(encoding: Encoding) -> State:
    """Indices of the selected images, ordered by class and cluster, and the cluster of each real image: a
    stage."""
    inputs = encoding.inputs
    ipc, recipe = encoding.allocation.ipc, inputs.label_mode.recipe
    rows, clusters = select_images(inputs.real, ipc, recipe, encoding.run, encoding.num_clusters)
    return {"rows": torch.from_numpy(rows), "clusters": torch.from_numpy(clusters)}


def learn_utility(encoding: Encoding) -> State:
    """What the utility has to learn of the real set: a stage."""
    return encoding.new_utility().learn(encoding.inputs.real, encoding.run)
