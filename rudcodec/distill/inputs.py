"""What goes into an encode: the sets, and settings in which nothing is left open."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from rudcodec.data import LabelledImages, digest
from rudcodec.data.matching import matching
from rudcodec.distill.allocation import (
    Demand,
    ImageAllocation,
    allocate,
    bpc_for_latent_bits,
    smallest_images_bpc,
    too_small,
)
from rudcodec.distill.default_budget import with_default_budget
from rudcodec.distill.initial_model import latent_bits_at
from rudcodec.distill.label_choice import demand_of, make_label_mode, smallest_bpc, with_label_mode
from rudcodec.distill.selection import first_rows
from rudcodec.errors import DataError, SettingError
from rudcodec.labels import LabelMode
from rudcodec.model.architecture import default_architecture
from rudcodec.model.synthesis import GREY_LEVELS, to_synthesis_units
from rudcodec.nets import literature_depth
from rudcodec.nets.device import pick_device
from rudcodec.payload import Recipe
from rudcodec.plugins import LABEL_MODES
from rudcodec.processes import is_first_process
from rudcodec.settings import AUTO, DEFAULT_UTILITY, NO_UTILITY, Settings, without_joint_phase
from rudcodec.students.recipes import default_recipe
from rudcodec.text import counted, listed, per_class, shown
from rudcodec.utility import Utility, make_utility
from rudcodec.utility.clusters import clusters_per_class


@dataclass(frozen=True)
class Inputs:
    """What goes into an encode.

    Attributes:
        real: the real set; the distilled one where there is no other.
        distilled: images that are all to be encoded, ordered by class; None: images of ``real`` are selected.
        settings: with nothing left open: a budget, a label mode, a utility or ``"none"``. A label fraction is
            one that the user gave.
        recipe: for students with hard labels.
        label_mode: what labels the file carries; where images would lack what they need, its settings have a
            smaller label fraction.
        empty_classes: of the source, which have no image, and are no classes of the file.
    """

    real: LabelledImages
    distilled: LabelledImages | None
    settings: Settings
    recipe: Recipe
    label_mode: LabelMode
    empty_classes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        return len(self.real.classes)

    def demand(self) -> Demand:
        """What the budget is to be spent on."""
        return demand_of(self.distilled or self.real, self.settings, self.label_mode)

    def smallest_bpc(self, ipc: int) -> float:
        """The smallest budget for ``ipc`` images per class and their labels, in bits per class."""
        return smallest_bpc(self.demand(), self.settings, self.label_mode, ipc)

    @property
    def limiting_class(self) -> tuple[str, int] | None:
        """The class whose images are so few that there can't be more of the others; None if there is none."""
        name, fewest = self.real.rarest_class()
        free = self.distilled is None and self.settings.ipc is None and fewest < max(self.real.ipc_counts())
        if not free or self.planned_allocation.ipc < fewest:
            return None
        return name, fewest

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the set's classes."""
        notes = []
        if self.empty_classes:
            notes.append(f"the file lacks {listed(self.empty_classes)}, of which the set has no image")
        if (limiting := self.limiting_class) is not None:
            name, fewest = limiting
            is_training_part = self.real.report is not None and self.real.report.split == "train"
            reason = f"{fewest:,} for training, those for validation apart" if is_training_part else "no more"
            notes.append(f"{per_class(fewest)}, since class {shown(name)} has {reason}")
        return tuple(notes)

    @property
    def maximum_label_bits(self) -> float:
        """What the images leave of the budget, at most."""
        bpc = self.settings.bpc - smallest_images_bpc(self.demand(), self.settings.ipc or 1)
        return bpc * self.num_classes

    @cached_property
    def planned_allocation(self) -> ImageAllocation:
        """How the budget is spent on images, if labels take what was planned. Raises as :meth:`allocate`."""
        return self.allocate(self.label_mode.shared_bits({}))

    def allocate(self, shared_label_bits: float) -> ImageAllocation:
        """How the budget is spent on images, if ``shared_label_bits`` of it go to a label network.

        Raises BudgetError and FormatError as :func:`rudcodec.distill.allocation.allocate`.
        """
        bpc = self.settings.bpc - shared_label_bits / self.num_classes
        return allocate(self.demand(), bpc, self.settings.ipc)

    def new_utility(self) -> Utility:
        """The utility of the joint phase, which has seen nothing yet."""
        return make_utility(self.settings.utility, self.recipe, self.settings.utility_options)

    def num_clusters(self, utility: Utility, ipc: int) -> int:
        """Of each class of so many images; 1: classes are whole, since the utility knows no clusters, or
        images aren't selected by them."""
        return clusters_per_class(ipc) if utility.matches_clusters and self.distilled is None else 1

    def fingerprint(self) -> dict[str, Any]:
        """What tells this encode from any other; JSON."""
        digests = {"images of digest": digest(self.real)}
        if self.distilled is not None:
            digests["distilled images of digest"] = digest(self.distilled)
        return {**digests, **self.settings.as_dict()}


def resolve_inputs(
    real: LabelledImages | None, distilled: LabelledImages | None, settings: Settings
) -> Inputs:
    """Check what goes into an encode, and settle what settings leave open.

    Args:
        real: the real training images; None: there is only ``distilled``, which is coded by rate and
            distortion alone, with hard labels.
        distilled: images that are all to be encoded, as many of each class.
        settings: as the user gave them.

    Raises:
        SettingError: settings that make no sense for these sets. DataError: sets that don't go together, or a
            class with too few images. BudgetError, FormatError: the budget is too small for anything.
    """
    if real is None and distilled is None:
        raise SettingError("nothing to compress: neither real nor distilled images")
    if settings.lmbda is not None and settings.bpc < math.inf:
        raise SettingError("lmbda: there is a budget, bpc, too; give one of the two")
    empty_classes: tuple[str, ...] = ()
    if real is None:
        settings = _without_real_set(settings)
    if distilled is not None:
        distilled = _ordered(distilled, real or distilled)
        count = distilled.ipc_counts()[0]
        if settings.ipc not in (None, count):
            raise SettingError(f"ipc: {settings.ipc}, but each class has {counted(count, 'distilled image')}")
        settings = replace(settings, ipc=count)
    elif real is not None:
        empty_classes = real.empty_classes()
        real = real.without_empty_classes()
        _require_images(real, settings.ipc or 1)
    are_distilled = real is None
    if real is None:
        assert distilled is not None
        real = distilled
    _check_size(real, distilled, settings)
    recipe = default_recipe(real, flip=settings.flip)
    if settings.lmbda is not None:
        settings = _with_budget_of_lmbda(distilled or real, settings, recipe)
    elif settings.bpc == math.inf:
        settings = with_default_budget(real, settings, recipe, are_distilled=are_distilled)
    settings = with_label_mode(settings, real, distilled or real, recipe)
    mode = make_label_mode(settings, real, distilled or real, recipe)
    settings = _with_utility(settings, codes_as_is=mode.for_views or distilled is not None)
    if settings.utility != NO_UTILITY:
        real.require_every_class("a utility could match")
    elif settings.utility_options:
        raise SettingError(f"{next(iter(settings.utility_options))}: there is no joint phase to use it")
    if mode.needs_real:
        real.require_every_class("labels could be learned from")
    inputs = Inputs(real, distilled, settings, recipe, mode, empty_classes)
    smallest = inputs.smallest_bpc(settings.ipc or 1)
    if settings.lmbda is None and settings.bpc < smallest:
        raise too_small(settings.bpc, smallest, settings.ipc)
    ipc = inputs.planned_allocation.ipc  # what doesn't fit fails at once
    if settings.utility != NO_UTILITY and is_first_process():  # others would each take some of its GPU
        utility = inputs.new_utility()
        utility.check(real, pick_device(settings.device), inputs.num_clusters(utility, ipc))
    return inputs


def _check_size(real: LabelledImages, distilled: LabelledImages | None, settings: Settings) -> None:
    """Raise SettingError if networks are to look at images that are too small for any."""
    needs_networks = distilled is None or settings.utility not in (AUTO, NO_UTILITY)
    if needs_networks and literature_depth(real.height, real.width) < 1:
        raise SettingError(
            f"{real.name}: images of {real.width}x{real.height} pixels are too small for the ConvNets that "
            "choose images and judge them"
        )


def _require_images(real: LabelledImages, ipc: int) -> None:
    """Raise DataError unless each class has so many images."""
    name, fewest = real.rarest_class()
    if fewest < ipc:
        images = counted(fewest, "image")
        raise DataError(f"{real.name}: class {shown(name)} has {images}, fewer than {ipc} per class")


def _ordered(distilled: LabelledImages, real: LabelledImages) -> LabelledImages:
    """A distilled set in the order of its classes, which are the real ones, checked.

    Raises DataError if it doesn't go with the real set, or one class has more images than another.
    """
    distilled = matching(distilled, "all", real.images.shape[1:], real.classes, whose="the real set")
    counts = distilled.ipc_counts()
    first = distilled.classes[0]
    for name, count in zip(distilled.classes, counts, strict=True):
        if count != counts[0]:
            raise DataError(
                f"{distilled.name}: class {shown(name)} has {counted(count, 'image')}, {shown(first)} "
                f"{counts[0]:,}; distilled images must be as many of each class"
            )
    return distilled.take(np.argsort(distilled.labels, kind="stable"))


def _without_real_set(settings: Settings) -> Settings:
    """Settings for a distilled set alone: there is nothing to match, and nothing to learn labels from."""
    if settings.labels not in (AUTO, "hard"):
        mode: type[LabelMode] = LABEL_MODES.load_class(settings.labels, LabelMode)
        if mode.needs_real:
            raise SettingError(f"labels: {settings.labels} ones need real images to learn from")
    if settings.utility not in (AUTO, NO_UTILITY):
        raise SettingError(
            f"utility: {settings.utility} needs the real set that the distilled one stands for"
        )
    if settings.labels == AUTO:
        settings = replace(settings, labels="hard")
    return without_joint_phase(settings)


def _with_budget_of_lmbda(candidates: LabelledImages, settings: Settings, recipe: Recipe) -> Settings:
    """Settings with a budget of about what the images take at ``settings.lmbda``.

    Raises SettingError if nobody says how many images.
    """
    lmbda = settings.lmbda
    assert lmbda is not None
    if settings.labels == AUTO:
        settings = replace(settings, labels="hard")
    if settings.ipc is None:
        raise SettingError("lmbda: say how many images per class, with --ipc (in Python ipc)")
    grids = default_architecture(*candidates.image_shape, 0).grids
    images = candidates.take(first_rows(candidates, settings.ipc)).images
    latents = latent_bits_at(to_synthesis_units(torch.from_numpy(images)), grids, lmbda * GREY_LEVELS**2)
    mode: LabelMode = LABEL_MODES.load_class(settings.labels, LabelMode)(candidates, settings, recipe)
    bpc = bpc_for_latent_bits(demand_of(candidates, settings, mode), latents, settings.ipc)
    return replace(settings, bpc=bpc)


def _with_utility(settings: Settings, codes_as_is: bool) -> Settings:
    """Settings with a utility, or none.

    Unless a utility is asked for, a distilled set is coded as it is, and so are images that are there to be
    seen through views: they needn't say their class.
    """
    if settings.utility == AUTO and codes_as_is:
        return without_joint_phase(settings)
    if settings.joint == 0:
        if settings.utility not in (AUTO, NO_UTILITY):
            raise SettingError(f"utility: with joint=0 there is no joint phase to use {settings.utility}")
        return replace(settings, utility=NO_UTILITY)
    if settings.utility == AUTO:
        return replace(settings, utility=DEFAULT_UTILITY)
    return without_joint_phase(settings) if settings.utility == NO_UTILITY else settings
