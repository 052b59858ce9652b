"""Settings of an encode: one schema for the command line, the Python API, checks and documentation.

Needs no torch, so that the command line can refuse a wrong setting at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from rudcodec.devices import check_device
from rudcodec.errors import FormatError, SettingError
from rudcodec.options import check_options, option, parse_option, plain_number
from rudcodec.plugins import LABEL_MODES, UTILITIES
from rudcodec.utility_options import OPTIONS, utility_options

AUTO = "auto"
NO_UTILITY = "none"
DEFAULT_UTILITY = "mm"

_LARGEST = 1e30  # of what gradients are multiplied by, in float32
_TABLES = ("utility_options", "metadata")

RUN_SECTION = "How it is computed"
"""The heading of rare flags in the command's help."""

# How long to train.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"warmup": 60, "joint": 60, "tune": 20, "label_views": 500_000},
    "balanced": {},
    "best": {"warmup": 1000, "joint": 1200, "tune": 200, "label_views": 30_000_000},
}


def _label_modes() -> tuple[str, ...]:
    return (AUTO, *LABEL_MODES.names())


def _utilities() -> tuple[str, ...]:
    return (AUTO, NO_UTILITY, *UTILITIES.names())


@dataclass(frozen=True)
class Settings:
    """Settings of one encode; the defaults are those of the preset ``balanced``.

    ``utility_options`` are the utility's own: ``{"mm.runs": 8}``, or ``--set mm.runs=8`` on the command line.
    Texts are parsed as there. ``metadata`` is what the file is to say of itself: ``{"licence": "CC0"}``, or
    ``--meta licence=CC0``.

    Raises:
        SettingError: a value makes no sense; the message begins with the setting's name.
    """

    bpc: float = option(
        math.inf,
        "Budget in bits per class, such as 50k.",
        short="Budget in bits per class, such as 50k (suits the set).",
        flag="--bpc",
        metavar="N",
        above=0.0,
        unit="bits per class",
        shown="by the set, see below",
    )
    lmbda: float | None = option(
        None,
        "Instead of a budget: minimise bits a pixel + X * (squared error in grey levels + utility).",
        short="No budget: minimise bits a pixel + X * (error + utility).",
        flag="--lmbda",
        section=RUN_SECTION,
        metavar="X",
        above=0.0,
        below=_LARGEST,
    )
    ipc: int | None = option(
        None,
        "Images per class.",
        short="Images per class (else chosen to suit).",
        flag="--ipc",
        metavar="N",
        minimum=1,
        shown="what suits the budget",
    )
    share: str = option(
        "dataset",
        "Which images share networks.",
        short="Networks for the dataset, or each class (dataset).",
        flag="--share",
        section=RUN_SECTION,
        choices=("dataset", "class"),
    )
    labels: str = option(
        AUTO,
        "What labels the file carries: hard, soft, network, or a plug-in's.",
        short="hard, soft, network or auto (auto).",
        flag="--labels",
        metavar="MODE",
        choices=_label_modes,
        shown="`auto`: hard or network, by the budget",
    )
    utility: str = option(
        AUTO,
        "What the joint phase matches: mm, dm, gm, tm, a plug-in's, or none.",
        short="mm, dm, gm, tm, none or auto (auto).",
        flag="--utility",
        metavar="NAME",
        choices=_utilities,
        shown="`auto`: `mm`; none for a distilled set and under a label network",
    )
    seed: int = option(
        0,
        "Same seed, same machine: same file.",
        flag="--seed",
        section=RUN_SECTION,
        metavar="N",
        minimum=0,
        below=2.0**32,
    )
    device: str = option(
        AUTO,
        "Where to compute: auto, cpu, cuda, or another of torch's devices.",
        short="auto, cpu, cuda, mps, ... (auto).",
        flag="--device",
        section=RUN_SECTION,
        metavar="NAME",
        shown="`auto`: CUDA where there is one",
    )
    flip: bool | None = option(
        None,
        "Whether a mirrored image keeps its label.",
        short="Mirror images? (colour: yes, grey: no)",
        flag="--flip/--no-flip",
        section=RUN_SECTION,
        shown="colour yes, grey no",
    )
    warmup: int = option(200, "Epochs of rate and distortion.", minimum=2)
    joint: int = option(
        240,
        "Epochs of rate, distortion and utility; without a utility, they are added to warm-up.",
        minimum=0,
    )
    tune: int = option(60, "Epochs of the latents, once the networks are integers.", minimum=2)
    chunk: int | None = option(
        None,
        "Images whose latents train together, at most utility_images; it bounds memory.",
        minimum=1,
        shown="what suits the device",
    )
    balance: float = option(
        10.0,
        "How many times as large as the distortion's gradient the utility's is at first.",
        above=0.0,
        below=_LARGEST,
    )
    utility_images: int = option(500, "Synthetic images that one evaluation of the utility sees.", minimum=1)
    label_fraction: float | None = option(
        None,
        "Fraction of the budget for the label network.",
        above=0.0,
        below=1.0,
        shown="by the budget",
    )
    label_views: int = option(
        3_000_000, "Views of real images that the label network, or the teacher, trains on.", minimum=1000
    )
    utility_options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(self.device))  # torch has devices that are no texts
        check_options(self)
        check_device(self.device)
        if not isinstance(self.utility_options, Mapping) or not all(
            isinstance(name, str) for name in self.utility_options
        ):
            raise SettingError(f"utility_options must be a dictionary by names, not {self.utility_options!r}")
        options = {name: plain_number(value) for name, value in self.utility_options.items()}
        object.__setattr__(self, "utility_options", options)
        utility = DEFAULT_UTILITY if self.utility == AUTO else self.utility
        if utility in OPTIONS:  # those of other packages' are checked when it is loaded
            utility_options(utility, OPTIONS[utility], self.utility_options)
        if not isinstance(self.metadata, Mapping):
            raise SettingError(f"metadata must be a dictionary of texts, not {self.metadata!r}")
        object.__setattr__(self, "metadata", dict(self.metadata))
        if self.metadata:
            _check_metadata(self.metadata)

    def __str__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _TABLES}
        values |= {**self.utility_options, **{f"meta.{key}": text for key, text in self.metadata.items()}}
        return " ".join(f"{name}={value}" for name, value in values.items())

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, as JSON knows them."""
        return asdict(self)

    @classmethod
    def preset(cls, preset: str, distilled: bool = False, **overrides: Any) -> Settings:
        """The settings of a preset, with some overridden, for a set that is ``distilled`` already or not.

        Raises:
            SettingError: as above; or ``joint`` epochs are asked for a distilled set, which is coded as it is
                unless a utility says what they are to match.
        """
        if preset not in PRESETS:
            raise SettingError(f"preset: {preset!r} is none of {', '.join(PRESETS)}")
        settings = cls(**{**PRESETS[preset], **overrides})
        if distilled and settings.utility == AUTO and overrides.get("joint"):
            raise SettingError(
                "joint: a distilled set is coded as it is; --utility says what such epochs are to match"
            )
        return settings


def _check_metadata(metadata: Mapping[str, str]) -> None:
    from rudcodec.bitstream.ancillary import pack_metadata

    try:
        pack_metadata(metadata)
    except FormatError as error:
        raise SettingError(f"metadata: {error.reason}") from None


def parse_settings(texts: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What ``--set NAME=TEXT`` changes, as arguments of :class:`Settings`. Raises SettingError."""
    settings: dict[str, Any] = {}
    for name, text in texts:
        if "." in name:
            settings.setdefault("utility_options", {})[name] = text
        else:
            settings[name] = parse_option(Settings, name, text)
    return settings


def without_joint_phase(settings: Settings) -> Settings:
    """The joint phase's epochs given to warm-up: images are then coded as they are."""
    warmup = settings.warmup + settings.joint
    return replace(settings, utility=NO_UTILITY, warmup=warmup, joint=0)
