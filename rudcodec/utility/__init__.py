"""Utilities: how well a synthetic set trains, as a loss that can be differentiated.

``dm``, ``gm``, ``tm`` and ``mm`` are here; other packages add theirs by an entry point of the group
``rudcodec.utilities``: a subclass of :class:`Utility`, as in ``examples/plugin``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.payload import Recipe
from rudcodec.plugins import UTILITIES
from rudcodec.runs import RunContext, State
from rudcodec.utility.clusters import Clusters
from rudcodec.utility_options import UtilityOptions, utility_options

__all__ = ["Clusters", "Utility", "UtilityOptions", "make_utility"]


class Utility(ABC):
    """A dataset distillation loss.

    A subclass defines :meth:`prepare` and :meth:`__call__`; the other methods suit a loss that keeps no state
    from one call to the next.

    Args:
        recipe: for students: mean, standard deviation, augmentation.
        options: an instance of the class's ``Options``.

    Attributes:
        sums_over_classes: whether the loss is a sum over independent classes, so that processes can divide
            the classes among them, and a call needn't see all of them. All of them must draw as many numbers
            from a call's generator, whatever its images.
        matches_clusters: whether it can compare clusters of a class rather than all of it: then ``clusters``
            may be set, before :meth:`learn` and :meth:`prepare`.
        clusters: where they are, labels of a call are clusters: class * clusters.count + cluster.
    """

    Options: ClassVar[type[UtilityOptions]] = UtilityOptions
    sums_over_classes = False
    matches_clusters = False
    clusters: Clusters | None = None

    options: UtilityOptions

    def __init__(self, recipe: Recipe, options: Any = None) -> None:
        self.recipe = recipe
        self.options = options or self.Options()

    def check(self, real: LabelledImages, device: torch.device, clusters: int) -> None:  # noqa: B027  (most can)
        """Raise, before anything is computed, what would keep it from matching this real set on this device,
        with so many ``clusters`` of each class (1: whole classes). Raises SettingError; DataError."""

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        """Learn from the real set whatever takes long, as a stage of the run, and return it for
        :meth:`prepare`.

        The stage may have a loop of steps, see :class:`rudcodec.runs.Journal`. A checkpoint must be able to
        hold what this returns.
        """
        return None

    @abstractmethod
    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        """Take the real set, and what :meth:`learn` has returned; called once, before the first loss."""

    @abstractmethod
    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a synthetic batch, a scalar.

        ``images`` float (n, C, H, W), normalised by the recipe's mean and standard deviation; ``labels``
        int64 (n,), classes, or clusters where there are some. Everything random comes from ``generator``,
        which is the CPU's, since a GPU's numbers would have to be waited for.
        """

    def classes_of(self, labels: Tensor) -> Tensor:
        """The classes, int64 (n,), of the labels of a call."""
        return labels if self.clusters is None else labels // self.clusters.count

    def further_memory(self, real: LabelledImages) -> int:
        """Bytes that a whole run keeps beyond what this one does, whose learning a dry run has cut short."""
        return 0

    def state(self) -> State:
        """What a checkpoint must hold of the utility, apart from the state of random generators."""
        return None

    def restore(self, state: State) -> None:  # noqa: B027  (most have no state)
        """Go on from a state that :meth:`state` returned; called after :meth:`prepare`."""

    def adapt_recipe(self, recipe: Recipe) -> Recipe:
        """A recipe for students of the images themselves, with those fields replaced that the utility has
        learned."""
        return recipe


def make_utility(name: str, recipe: Recipe, options: Mapping[str, Any]) -> Utility:
    """A utility by its name.

    Args:
        name: as :data:`rudcodec.plugins.UTILITIES` knows it.
        recipe: for students.
        options: such as ``{"mm.runs": 8}``; texts are parsed.

    Raises:
        SettingError: there is no such utility or option, or a value makes no sense.
    """
    utility: type[Utility] = UTILITIES.load_class(name, Utility)
    return utility(recipe, utility_options(name, utility.Options, options))
