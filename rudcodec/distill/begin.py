"""How an encode begins: what is planned, the label network, the first model."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.distill.budget import LabelMode, Plan, budget_for, label_share, plan
from rudcodec.distill.images import first_images
from rudcodec.distill.initial import bits_at, initial_model
from rudcodec.distill.rate_control import RateControl
from rudcodec.distill.settings import Pace, Progress, Settings, without_joint
from rudcodec.distill.stage import UtilityTerm
from rudcodec.distill.training import UNCODED_BITS, Report, Training
from rudcodec.errors import DataError, SettingError
from rudcodec.labels import LabelPlan, plan_for, soft_bits, train_label_network
from rudcodec.labels.soft import TEACHER_BITS
from rudcodec.model.architecture import default_architecture
from rudcodec.model.synthesis import GREY_LEVELS, from_grey_levels
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.runs import Journal
from rudcodec.students import network_views, student_views
from rudcodec.utility import Utility, utility_for

# Images worked on together. On a CPU as many as stay in its caches; a GPU, where launching work takes the
# time, needs as long for five hundred (docs/cost.md). But networks learn in each chunk: one of 500 images
# instead of five of 100 costs a quarter of a decibel.
FEW, MANY, LEAST_CHUNKS = 100, 500, 5


def budgeted(data: LabelledImages, settings: Settings) -> Settings:
    """Settings with a budget: where there is none, about what the images take at ``settings.lmbda``.

    Raises SettingError if nobody says how many images.
    """
    lmbda = settings.lmbda
    if lmbda is None:
        return settings
    if settings.labels == "auto":
        settings = replace(settings, labels="hard")
    if settings.bpc < math.inf:
        return settings
    if settings.ipc is None:
        raise SettingError("lmbda: say how many images a class, with ipc")
    shape = (data.height, data.width, data.channels)
    grids = default_architecture(*shape, 0).grids
    bits = bits_at(_as_tensor(first_images(data, settings.ipc)), grids, lmbda * GREY_LEVELS**2)
    bpc = budget_for(bits, data.classes, shape, settings.ipc, settings.share)
    labels = soft_bits(len(data.classes)) * settings.ipc if settings.labels == "soft" else 0.0
    return replace(settings, bpc=bpc + labels)


def planned_images(data: LabelledImages, settings: Settings, labels: LabelMode) -> Plan:
    """What of the images, with their labels unless those come from a network, fits ``settings.bpc``.

    Raises BudgetError, FormatError as ``plan``, DataError if a class has too few images.
    """
    shape = (data.height, data.width, data.channels)
    counts = data.ipc_counts()
    label_bits = soft_bits(len(data.classes)) if labels == "soft" else 0.0
    planned = plan(
        settings.bpc,
        data.classes,
        shape,
        settings.ipc,
        min(counts),
        settings.share,
        labels == "network",
        label_bits,
    )
    for name, count in zip(data.classes, counts, strict=True):
        if count < planned.ipc:
            raise DataError(
                f"{data.name}: class {name} has {count} training images, fewer than {planned.ipc} per class"
            )
    return planned


def planned_network(data: LabelledImages, settings: Settings) -> tuple[LabelPlan, Settings]:
    """The label network, and the settings of what is left to the images.

    Raises as :func:`planned_images` if that is too little.
    """
    classes = len(data.classes)
    budget = settings.bpc * classes
    share = settings.label_share or label_share(budget)
    network = plan_for(share * budget, data.height, data.width, settings.label_views)
    rest = without_joint(replace(settings, bpc=settings.bpc - network.bits / classes))
    planned_images(data, rest, "network")
    return network, rest


def planned_teacher(data: LabelledImages, settings: Settings) -> LabelPlan:
    """A label network that no file carries, which labels images once."""
    if len(data.classes) < 2:
        raise SettingError("labels: soft ones need two classes at least")
    return plan_for(TEACHER_BITS, data.height, data.width, settings.label_views)


def label_network(
    data: LabelledImages,
    planned: LabelPlan,
    settings: Settings,
    recipe: Recipe,
    device: torch.device,
    report: Report,
    journal: Journal,
) -> LabelNetwork:
    """A label network, trained, with the views that students shall draw.

    A part of the journal's run.
    """
    pace = Pace()

    def tell(step: int, steps: int, loss: float, spent: float) -> None:
        bpc = spent / len(data.classes)
        report(Progress("label network", step, steps, bpc, loss, None, *pace.at(step, steps)))

    flip = "flip" in recipe.augment
    students = student_views((data.height, data.width, data.channels), flip, settings.bpc)
    seen = network_views(data.channels, flip)
    return train_label_network(data, planned, seen, settings.seed, device, journal, tell, students)


def teacher_network(
    data: LabelledImages,
    planned: LabelPlan,
    settings: Settings,
    recipe: Recipe,
    device: torch.device,
    report: Report,
    journal: Journal,
) -> LabelNetwork:
    """A label network that no file carries, as its progress says."""

    def tell(progress: Progress) -> None:
        report(replace(progress, stage="teacher", bpc=None))

    return label_network(data, planned, settings, recipe, device, tell, journal)


def images_together(count: int, device: torch.device) -> int:
    """How many of ``count`` images are worked on at a time, unless told."""
    return FEW if device.type == "cpu" else min(MANY, max(FEW, count // LEAST_CHUNKS))


def start_training(
    start: LabelledImages,
    planned: Plan,
    settings: Settings,
    device: torch.device,
    report: Report,
    journal: Journal,
) -> Training:
    """A first model of the images to begin with, and all that trains it."""
    images = _as_tensor(start)
    labels = torch.from_numpy(start.labels)
    groups = labels if settings.share == "class" else torch.zeros_like(labels)
    bits = min(planned.budget - planned.overhead, UNCODED_BITS * images.numel())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        chunk = settings.chunk or images_together(len(images), device)
        model, lmbda = initial_model(images, groups, planned.architecture, bits, chunk)
    pixels = images.shape[0] * images.shape[2] * images.shape[3]
    if settings.lmbda is not None:
        lmbda = settings.lmbda * GREY_LEVELS**2
    control = RateControl(bits / pixels, lmbda, fixed=settings.lmbda is not None)
    return Training(
        model.to(device),
        images.to(device),
        len(start.classes),
        control,
        planned.overhead,
        settings.seed,
        report,
        journal,
    )


def _as_tensor(data: LabelledImages) -> Tensor:
    """(N, C, H, W), in the units of the synthesis output."""
    return from_grey_levels(torch.from_numpy(data.images).permute(0, 3, 1, 2)).contiguous()


def utility_term(
    data: LabelledImages,
    start: LabelledImages,
    recipe: Recipe,
    settings: Settings,
    device: torch.device,
    report: Report,
    journal: Journal,
) -> UtilityTerm | None:
    """The utility beside the distortion, which has images like ``start`` match ``data``; None where there is
    no joint phase."""
    if settings.joint == 0:
        return None
    pace = Pace()

    def tell(step: int, steps: int) -> None:
        report(Progress("networks", step, steps, None, None, None, *pace.at(step, steps)))

    utility = utility_for(settings.utility, recipe, settings.experts)
    utility.learn(data, device, journal, tell)
    utility.prepare(data, device)
    return weighted(utility, start, recipe, settings, device)


def weighted(
    utility: Utility, start: LabelledImages, recipe: Recipe, settings: Settings, device: torch.device
) -> UtilityTerm:
    """A prepared utility as a term of the joint phase's loss."""

    def per_channel(values: tuple[int, ...]) -> Tensor:
        return torch.tensor(values, device=device).view(1, -1, 1, 1) / 255

    labels = torch.from_numpy(start.labels).to(device)
    return UtilityTerm(
        utility,
        per_channel(recipe.mean),
        per_channel(recipe.std),
        labels,
        settings.balance,
        settings.utility_images,
    )
