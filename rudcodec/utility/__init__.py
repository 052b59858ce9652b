"""Utilities: how well a synthetic set trains, as a loss that can be differentiated.

``dm``, ``gm``, ``tm`` and ``mm`` are here; other packages add theirs by an entry point of the group
``rudcodec.utilities``: a subclass of :class:`Utility`, as in ``examples/plugin``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.payload import Recipe
from rudcodec.plugins import Registry
from rudcodec.runs import Journal, State

UTILITIES = ("mm", "dm", "gm", "tm")
INSTALLED = Registry("rudcodec.utilities")


class Utility(ABC):
    """A dataset distillation loss: :meth:`prepare` and :meth:`__call__`; the rest suits those that remember
    nothing from one call to the next.

    Args:
        recipe: for students: mean, standard deviation, augmentation.

    Attributes:
        by_class: it is a sum over classes that don't know of each other, so that processes can share them.
    """

    by_class = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def learn(  # noqa: B027  (most have nothing to learn)
        self,
        dataset: LabelledImages,
        device: torch.device,
        journal: Journal,
        tell: Callable[[int, int], None],
    ) -> None:
        """What takes long to learn of the real set, before :meth:`prepare`: as parts of the journal's run,
        which a run that goes on doesn't do again. ``tell`` is called with (steps done, steps)."""

    @abstractmethod
    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        """Take the real set; called once, before the first loss."""

    @abstractmethod
    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a synthetic batch, a scalar.

        ``images`` float (n, C, H, W), normalised by the recipe's mean and standard deviation; ``labels``
        int64 (n,). Everything random comes from ``generator``, the CPU's: a GPU's numbers have to be waited
        for.
        """

    def state(self) -> State:
        """What a checkpoint must hold of it, the random numbers' state apart."""
        return None

    def restore(self, state: State) -> None:  # noqa: B027  (most have no state)
        """Go on from such a state; called after :meth:`prepare`."""

    def adapted(self, recipe: Recipe) -> Recipe:
        """A recipe for students, with what the utility has learned of it."""
        return recipe


def utility_names() -> tuple[str, ...]:
    """What :func:`utility_for` knows."""
    return (*UTILITIES, *INSTALLED.names())


def utility_for(name: str, recipe: Recipe, experts: str | None) -> Utility:
    """A utility by its name. Raises SettingError where ``tm`` has no folder of ``experts``; DataError."""
    if name == "dm":
        from rudcodec.utility.dm import DistributionMatching

        return DistributionMatching(recipe)
    if name == "gm":
        from rudcodec.utility.gm import GradientMatching

        return GradientMatching(recipe)
    if name == "mm":
        from rudcodec.utility.mm import MomentMatching

        return MomentMatching(recipe)
    if name != "tm":
        added: Utility = INSTALLED.load(name)(recipe)
        return added
    from rudcodec.utility.experts import Experts
    from rudcodec.utility.tm import TrajectoryMatching

    if experts is None:
        raise SettingError("experts: trajectory matching needs a folder of them (rudcodec experts makes one)")
    return TrajectoryMatching(recipe, Experts(Path(experts)))
