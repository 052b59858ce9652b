"""The encoder: a labelled image set in, a Payload out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from rudcodec.bitstream import labels_size
from rudcodec.data import LabelledImages
from rudcodec.distill import between, fit
from rudcodec.distill.assemble import Assembly
from rudcodec.distill.begin import (
    budgeted,
    label_network,
    planned_images,
    planned_network,
    planned_teacher,
    start_training,
    teacher_network,
    utility_term,
)
from rudcodec.distill.budget import LabelMode, Plan, label_mode
from rudcodec.distill.fit import Build
from rudcodec.distill.images import choose, resolved
from rudcodec.distill.integers import integer_groups, quantize_networks
from rudcodec.distill.settings import Progress, Settings
from rudcodec.distill.stage import Stage, UtilityTerm, joint_phase, run_stage, tuning, warm_up
from rudcodec.distill.training import Report, Training
from rudcodec.errors import BudgetError
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import keep_freed_memory
from rudcodec.payload import Group, LabelNetwork, Payload, Recipe
from rudcodec.runs import Journal
from rudcodec.students import default_recipe, view_recipe

ATTEMPTS = 4


def distill(
    data: LabelledImages | None,
    settings: Settings,
    report: Report = lambda progress: None,
    journal: Journal | None = None,
    start: LabelledImages | None = None,
) -> Payload:
    """Distill a set under ``rate + lmbda * (distortion + utility)`` (Bao et al., ICCV 2025, section 3).

    Args:
        data: the real training images; None: there is only ``start``, which is coded by rate and distortion
            alone, with hard labels.
        settings: budget, seed, length of the stages.
        report: called about once a second.
        journal: of a run that may go on from a checkpoint.
        start: images that are all to be encoded, as many of each class; None: chosen ones of ``data``.

    Returns:
        The synthetic set as integers, whose file is within the budget.

    Raises:
        BudgetError: the budget can't be met. DataError: a class has too few images. SettingError.
    """
    journal = journal or Journal()
    device = pick_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    data, start, settings = resolved(data, start, settings)
    settings = budgeted(start or data, settings)
    recipe = default_recipe(data, flip=settings.flip)
    images = partial(_distill_images, data, start, device=device, report=report, journal=journal)
    mode = label_mode(settings.labels, settings.bpc * len(data.classes))
    if mode == "hard":
        return images(settings, recipe, mode)
    if mode == "soft":
        planned_images(start or data, settings, mode)  # what doesn't fit fails at once
        teacher = teacher_network(
            data, planned_teacher(data, settings), settings, recipe, device, report, journal
        )
        return images(settings, recipe, mode, teacher=teacher)
    plan, rest = planned_network(data, settings)  # one that is too small fails at once
    network = label_network(data, plan, settings, recipe, device, report, journal)
    size = labels_size(network, (data.height, data.width, data.channels), len(data.classes))
    spent = 8 * size / len(data.classes)
    if spent >= settings.bpc:
        raise BudgetError(f"label_views: {settings.label_views} views are too few for this budget")
    recipe = view_recipe(recipe, data.height, data.width, settings.bpc)

    def tell(progress: Progress) -> None:
        """The images' rate, with the network's."""
        report(progress if progress.bpc is None else replace(progress, bpc=progress.bpc + spent))

    payload = images(replace(rest, bpc=settings.bpc - spent), recipe, mode, report=tell)
    return replace(payload, labels=network)


def _distill_images(
    data: LabelledImages,
    start: LabelledImages | None,
    settings: Settings,
    recipe: Recipe,
    labels: LabelMode,
    device: torch.device,
    report: Report,
    journal: Journal,
    teacher: LabelNetwork | None = None,
) -> Payload:
    planned = planned_images(start or data, settings, labels)
    start = start or choose(data, planned.ipc, recipe, settings.seed, device, report, journal)
    training = start_training(start, planned, settings, device, report, journal)
    term = utility_term(data, start, recipe, settings, device, report, journal)
    if term is not None:
        journal.attach("utility", term)
    taught = partial(term.utility.adapted, recipe) if term is not None else lambda: recipe
    assembly = Assembly(training.model, data.classes, settings.share, taught, teacher)
    return _run(training, term, planned, settings, assembly)


def _run(
    training: Training, term: UtilityTerm | None, planned: Plan, settings: Settings, assembly: Assembly
) -> Payload:
    part, fixed = training.journal.part, training.control.fixed

    def labelled(groups: tuple[Group, ...]) -> Build:
        """What makes payloads, with the labels of the images as they are now."""
        found = part(lambda: assembly.labels(groups, fit.current(training)))
        return partial(assembly, groups, found)

    def stage(stage: Stage, term: UtilityTerm | None = None) -> None:
        part(partial(run_stage, training, stage, term), everywhere=True)

    part(partial(between.settle, training), everywhere=True)
    first, second = warm_up(settings.warmup)
    stage(first)
    if not fixed:
        part(partial(between.survey, training, assembly, planned.budget))
    stage(second)
    real = training.images
    if term is not None:
        if not fixed:
            part(partial(between.aim_high, training))
        stage(joint_phase(settings.joint), term)
        training.images = part(partial(between.decoded_images, training)).to(training.device)
    for attempt in range(ATTEMPTS):
        if attempt:
            part(partial(between.set_step, training))
        exponents = part(partial(quantize_networks, training))
        groups = integer_groups(training.model, exponents)
        build = labelled(groups)
        part(partial(fit.aim, training, build, planned.budget))
        stage(tuning(settings.tune), term)
        if fixed or fit.approach(training, build, planned.budget, real):
            break
    build = labelled(groups)
    if not fixed:
        part(partial(fit.trim, training, build, planned.budget))
    return build(fit.current(training))
