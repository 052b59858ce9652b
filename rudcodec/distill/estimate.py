"""What an encode will take, from a few timed steps of each of its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rudcodec.bitstream.labels import shapes
from rudcodec.bitstream.limits import level_sizes, parameters
from rudcodec.data import LabelledImages
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
from rudcodec.distill.budget import Plan, label_mode
from rudcodec.distill.images import first_images, resolved
from rudcodec.distill.settings import Settings
from rudcodec.distill.stage import Stage, joint_phase, run_stage, tuning
from rudcodec.distill.training import Report
from rudcodec.memory import peak_memory
from rudcodec.nets.device import pick_device
from rudcodec.nets.speed import keep_freed_memory
from rudcodec.payload import Recipe
from rudcodec.runs import Journal
from rudcodec.students import default_recipe

# Choosing images, making networks integers and fitting the file, over the stages that are timed, the label
# network and a utility's networks apart. CIFAR-10 at 5e4 bpc, 25 images a class, two cores: 126 s of 342.
REST = 0.37


@dataclass(frozen=True)
class Estimate:
    """What is going to be encoded, and what that will take.

    Attributes:
        ipc: images a class; ``images``, ``latents``: in all.
        weights: of context models and synthesis networks; ``label_weights``: of the label network,
            or the teacher.
        bpc: the budget in bits per class, estimated where the settings have ``lmbda`` instead; ``least``: the
            smallest one for so many images.
        memory: bytes at the peak, as far as these steps show it.
        seconds: of each stage; ``"rest"`` is a guess by their sum.
    """

    ipc: int
    images: int
    latents: int
    weights: int
    label_weights: int
    bpc: float
    least: float
    memory: int
    seconds: dict[str, float]


class Rehearsal(Journal):
    """A journal whose loops end after a few steps, having timed them.

    ``seconds_expected`` of the last loop in full, and ``seconds_a_step`` once it is warm.
    """

    WARM, TIMED = 2, 4

    def __init__(self) -> None:
        super().__init__()
        self.begun = False
        self.seconds_expected = self.seconds_a_step = 0.0

    def steps(self, count: int) -> Iterator[int]:
        self.begun = True
        begun = when_done()
        yield from range(min(count, self.WARM))
        started = when_done()  # a compiler has done its work
        timed = min(count - self.WARM, self.TIMED)
        yield from range(self.WARM, self.WARM + timed)
        self.seconds_a_step = (when_done() - started) / max(1, timed)
        self.seconds_expected = started - begun + self.seconds_a_step * max(0, count - self.WARM)


def when_done() -> float:
    """The time, after all that a GPU has been given to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.monotonic()


def rehearse(
    data: LabelledImages,
    start: LabelledImages,
    planned: Plan,
    settings: Settings,
    recipe: Recipe,
    device: torch.device,
    report: Report,
    kind: type[Rehearsal] = Rehearsal,
) -> dict[str, Rehearsal]:
    """A few steps of each stage that the images go through, in a journal of some ``kind``."""
    found = {}
    stages = [
        Stage("warm-up", settings.warmup, 1.0, start=0.0),
        *([joint_phase(settings.joint)] if settings.joint else []),
        tuning(settings.tune),
    ]
    lessons = kind()  # stays empty where the utility learns nothing
    term = utility_term(data, start, recipe, settings, device, report, lessons)
    if lessons.begun:
        found["networks"] = lessons
    for stage in stages:
        rehearsal = kind()
        training = start_training(start, planned, settings, device, report, rehearsal)
        run_stage(training, stage, None if stage is stages[0] else term)
        found[stage.name] = rehearsal
    return found


def estimate(
    data: LabelledImages | None,
    settings: Settings,
    report: Report = lambda progress: None,
    start: LabelledImages | None = None,
) -> Estimate:
    """Time a few steps of each stage of :func:`rudcodec.distill.distill`; nothing is written.

    Raises what ``distill`` raises before it begins.
    """
    device = pick_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    data, start, settings = resolved(data, start, settings)
    settings = budgeted(start or data, settings)
    budget = settings.bpc
    recipe = default_recipe(data, flip=settings.flip)
    seconds: dict[str, float] = {}
    label_weights = 0
    mode = label_mode(settings.labels, settings.bpc * len(data.classes))
    if mode != "hard":
        rehearsal = Rehearsal()
        if mode == "soft":
            network = planned_teacher(data, settings)
            teacher_network(data, network, settings, recipe, device, report, rehearsal)
        else:
            network, settings = planned_network(data, settings)
            label_network(data, network, settings, recipe, device, report, rehearsal)
        seconds["teacher" if mode == "soft" else "label network"] = rehearsal.seconds_expected
        size = (data.height, data.width, data.channels)
        label_weights = sum(
            int(np.prod(w)) + int(np.prod(b)) for w, b in shapes(network.layers, size, len(data.classes))
        )
    planned = planned_images(start or data, settings, mode)
    start = start or first_images(data, planned.ipc)
    rehearsed = rehearse(data, start, planned, settings, recipe, device, report)
    stages = {name: rehearsal.seconds_expected for name, rehearsal in rehearsed.items()}
    groups = len(data.classes) if settings.share == "class" else 1
    architecture = planned.architecture
    grids = zip(architecture.grids, level_sizes(architecture), strict=True)
    images = planned.ipc * len(data.classes)
    return Estimate(
        ipc=planned.ipc,
        images=images,
        latents=images * sum(c * h * w for c, (h, w) in grids),
        weights=groups * parameters(architecture),
        label_weights=label_weights,
        bpc=budget,
        least=planned.least,
        memory=_peak_memory(device),
        seconds=seconds | stages | {"rest": REST * (sum(stages.values()) - stages.get("networks", 0.0))},
    )


def _peak_memory(device: torch.device) -> int:
    """Of this process on a CPU, of its tensors on CUDA."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
