"""Utilities: how well a synthetic set trains, as a loss that can be differentiated.

A utility is an object with the methods of :class:`Utility`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.payload import Recipe
from rudcodec.runs import State

Name = Literal["dm", "gm", "tm"]


class Utility(Protocol):
    """A dataset distillation loss.

    ``by_class``: it is a sum over classes that don't know of each other, so that processes can share them.
    """

    @property
    def by_class(self) -> bool: ...

    def prepare(self, dataset: LabelledImages, device: torch.device) -> None:
        """Take the real set; called once, before the first loss."""

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a synthetic batch, a scalar.

        ``images`` float (n, C, H, W), normalised by the set's mean and standard deviation; ``labels`` int64
        (n,). Everything random comes from ``generator``.
        """

    def state(self) -> State:
        """What a checkpoint must hold of it, the random numbers' state apart."""

    def restore(self, state: State) -> None:
        """Go on from such a state; called after :meth:`prepare`."""

    def adapted(self, recipe: Recipe) -> Recipe:
        """A recipe for students, with what the utility has learned of it."""


def utility_for(name: Name, recipe: Recipe, experts: str | None) -> Utility:
    """A utility by its name. Raises SettingError where ``tm`` has no folder of ``experts``; DataError."""
    if name == "dm":
        from rudcodec.utility.dm import DistributionMatching

        return DistributionMatching(recipe)
    if name == "gm":
        from rudcodec.utility.gm import GradientMatching

        return GradientMatching(recipe)
    from rudcodec.utility.experts import Experts
    from rudcodec.utility.tm import TrajectoryMatching

    if experts is None:
        raise SettingError("experts: trajectory matching needs a folder of them (rudcodec experts makes one)")
    return TrajectoryMatching(recipe, Experts(Path(experts)))
