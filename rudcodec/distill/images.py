"""Which images an encode begins with: given ones, or some chosen from the real set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rudcodec.data import LabelledImages, numbers_of
from rudcodec.data.matching import matching
from rudcodec.distill.selection import choose_images
from rudcodec.distill.settings import Pace, Progress, Settings, without_joint
from rudcodec.distill.training import Report
from rudcodec.errors import DataError, SettingError
from rudcodec.payload import Recipe
from rudcodec.runs import Journal


def resolved(
    data: LabelledImages | None, start: LabelledImages | None, settings: Settings
) -> tuple[LabelledImages, LabelledImages | None, Settings]:
    """The real set; the images that are given, all of them to be encoded, ordered by class and with the real
    classes; settings that suit them.

    Without a real set there is nothing to match, and nothing that labels could be learnt from.

    Raises DataError if real and given images don't go together, or if one class has more of these than
    another; SettingError.
    """
    if start is None:
        if data is None:
            raise SettingError("nothing to compress: neither real nor distilled images")
        return data, None, settings
    if data is None:
        if settings.labels in ("soft", "network"):
            what = "a network" if settings.labels == "network" else "a teacher"
            raise SettingError(f"labels: {what} needs real images to learn from")
        data, settings = start, replace(without_joint(settings), labels="hard")
    if numbers_of(start.classes, data.classes):
        start = replace(start, classes=data.classes)
    start = matching(start, "all", data.images.shape[1:], data.classes)
    counts = start.ipc_counts()
    for name, count in zip(start.classes, counts, strict=True):
        if count != counts[0]:
            raise DataError(
                f"{start.name}: class {name} has {count} images, {start.classes[0]} {counts[0]}; distilled "
                "images must be as many of each class"
            )
    if settings.ipc not in (None, counts[0]):
        raise SettingError(f"ipc: {settings.ipc}, but there are {counts[0]} distilled images of each class")
    by_class = np.argsort(start.labels, kind="stable")
    return data, start.take(by_class), replace(settings, ipc=counts[0])


def choose(
    data: LabelledImages,
    ipc: int,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    report: Report,
    journal: Journal,
) -> LabelledImages:
    """The images to begin with, ``ipc`` of each class, ordered by class. A part of the journal's run."""
    pace = Pace()

    def progress(step: int, steps: int) -> None:
        report(Progress("selection", step, steps, None, None, None, *pace.at(step, steps)))

    def chosen() -> Tensor:
        return torch.from_numpy(choose_images(data, ipc, recipe, seed, device, progress))

    return data.take(journal.part(chosen).numpy())


def first_images(data: LabelledImages, ipc: int) -> LabelledImages:
    """``ipc`` images of each class, the first ones, ordered by class."""
    rows = [np.flatnonzero(data.labels == k)[:ipc] for k in range(len(data.classes))]
    return data.take(np.concatenate(rows))
