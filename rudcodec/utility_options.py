"""Options of the utilities that are part of this package. Needs no torch, so that a wrong one is refused at
once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rudcodec.errors import SettingError
from rudcodec.options import check_options, guess, option, options_of, parse_option
from rudcodec.whole_numbers import MAX_WIDTH


@dataclass(frozen=True)
class UtilityOptions:
    """A utility's own options, each made by :func:`rudcodec.options.option`; by default there are none.

    Raises SettingError for a value that makes no sense.
    """

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class MMOptions(UtilityOptions):
    """Options of moment matching; the first four are of its pool of networks."""

    runs: int = option(4, "Networks that are trained on the real set.", minimum=1)
    steps: int = option(600, "Steps that each is trained for, fewer on small sets; 0: none.", minimum=0)
    snapshots: int = option(
        3, "States of each network that are kept, at equal distances, the last one at its end.", minimum=1
    )
    width: int = option(64, "Channels of the networks.", minimum=1, maximum=MAX_WIDTH)
    real_batch: int = option(500, "Real images of a class whose moments are taken.", minimum=1)
    deviations: bool = option(True, "Whether deviations count beside means.")
    classification: float = option(0.1, "Weight of the cross entropy.", minimum=0.0)
    clusters: bool = option(
        True, "Whether synthetic images of a class match clusters of its real ones, where there are enough."
    )


@dataclass(frozen=True)
class DMOptions(UtilityOptions):
    """Options of distribution matching."""

    real_batch: int = option(64, "Real images of each class in a call (published: 256).", minimum=1)
    width: int = option(64, "Channels of the random ConvNets (published: 128).", minimum=1, maximum=MAX_WIDTH)


@dataclass(frozen=True)
class GMOptions(UtilityOptions):
    """Options of gradient matching."""

    real_batch: int = option(64, "Real images of each class in a call (published: 256).", minimum=1)
    width: int = option(64, "Channels of the ConvNets (published: 128).", minimum=1, maximum=MAX_WIDTH)
    outer_steps: int = option(10, "Calls that a network is used for.", minimum=1)
    inner_steps: int = option(10, "Steps that it is trained after each (published: 50).", minimum=0)


@dataclass(frozen=True)
class TMOptions(UtilityOptions):
    """Options of trajectory matching."""

    experts: str | None = option(None, "The folder of trajectories that `rudcodec experts` has made.")
    steps: int = option(
        20, "The student's steps (published for CIFAR-10, 50 images per class: 30).", minimum=1
    )
    batch: int = option(100, "Synthetic images of a step.", minimum=1)
    epochs_ahead: int = option(2, "Epochs that the expert is ahead (published: 2).", minimum=1)
    latest_epoch: int = option(15, "The last epoch to start from (published: 15).", minimum=0)


OPTIONS: Mapping[str, type[UtilityOptions]] = {
    "mm": MMOptions,
    "dm": DMOptions,
    "gm": GMOptions,
    "tm": TMOptions,
}
"""By the utilities' names."""


def utility_options(name: str, kind: type[UtilityOptions], options: Mapping[str, Any]) -> UtilityOptions:
    """The options of the utility ``name``, as its class ``kind`` of options; texts are parsed.

    ``options``: such as ``{"mm.runs": 8}``. Raises SettingError: there is no such option, it is another
    utility's, or a value makes no sense.
    """
    known = [field.name for field, _ in options_of(kind)]
    own = {}
    for key, value in options.items():
        owner, _, option_name = key.partition(".")
        if owner != name:
            raise SettingError(f"{key}: is an option of the utility {owner!r}, but the utility is {name!r}")
        if option_name not in known:
            near = guess(key, tuple(f"{name}.{one}" for one in known))
            raise SettingError(f"{key}: the utility {name!r} has no such option{near}")
        try:
            own[option_name] = parse_option(kind, option_name, value) if isinstance(value, str) else value
        except SettingError as error:
            raise SettingError(f"{name}.{error}") from None
    try:
        return kind(**own)
    except SettingError as error:
        raise SettingError(f"{name}.{error}") from None
