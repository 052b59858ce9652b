"""Utilities: how well a synthetic set trains, as a loss that can be differentiated.

``dm``, ``gm``, ``tm`` and ``mm`` are here; other packages add theirs by an entry point of the group
``rudcodec.utilities``: a subclass of :class:`Utility`, as in ``examples/plugin``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from rudcodec.data import LabelledImages
from rudcodec.errors import SettingError
from rudcodec.options import check_options, parse_option
from rudcodec.payload import Recipe
from rudcodec.plugins import UTILITIES
from rudcodec.runs import RunContext, State


@dataclass(frozen=True)
class UtilityOptions:
    """A utility's own options, each made by :func:`rudcodec.options.option`; by default there are none.

    Raises SettingError for a value that makes no sense.
    """

    def __post_init__(self) -> None:
        check_options(self)


class Utility(ABC):
    """A dataset distillation loss: :meth:`prepare` and :meth:`__call__`; the rest suits those that remember
    nothing from one call to the next.

    Args:
        recipe: for students: mean, standard deviation, augmentation.
        options: an instance of the class's ``Options``.

    Attributes:
        sums_over_classes: it is a sum over classes that don't know of each other, so that processes can share
            them.
    """

    Options: ClassVar[type[UtilityOptions]] = UtilityOptions
    sums_over_classes = False

    options: UtilityOptions

    def __init__(self, recipe: Recipe, options: Any = None) -> None:
        self.recipe = recipe
        self.options = options or self.Options()

    def learn(self, real: LabelledImages, run: RunContext) -> State:
        """What takes long to learn of the real set, for :meth:`prepare`: a stage of the run.

        It may have a loop of steps, see :class:`rudcodec.runs.Journal`. Returns what a checkpoint can hold.
        """
        return None

    @abstractmethod
    def prepare(self, real: LabelledImages, device: torch.device, learned: State) -> None:
        """Take the real set, and what :meth:`learn` has returned; called once, before the first loss."""

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

    def adapt_recipe(self, recipe: Recipe) -> Recipe:
        """A recipe for students, with what the utility has learned of it."""
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
    utility: type[Utility] = UTILITIES.load(name)
    own = {}
    for key, value in options.items():
        owner, _, option = key.partition(".")
        if owner != name:
            raise SettingError(f"{key}: is an option of the utility {owner!r}, but the utility is {name!r}")
        try:
            parsed = parse_option(utility.Options, option, value) if isinstance(value, str) else value
            own[option] = parsed
        except SettingError as error:
            raise SettingError(f"{key}: {error}") from None
    try:
        return utility(recipe, utility.Options(**own))
    except TypeError:
        raise SettingError(f"{next(iter(options))}: the utility {name!r} has no such option") from None
