"""What a user can set, and what a running encoder tells."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from rudcodec.errors import SettingError
from rudcodec.utility import utility_names

Share = Literal["dataset", "class"]
Labels = Literal["auto", "hard", "soft", "network"]
Preset = Literal["fast", "balanced", "best"]


@dataclass(frozen=True)
class Settings:
    """Settings of one encode; the defaults are those of the preset ``balanced``.

    Attributes:
        bpc: budget in bits per class, of the whole file.
        lmbda: instead of a budget: minimises bits a pixel + lmbda * (mean squared error + utility), errors in
            grey levels. Needs ``ipc`` or a distilled set. ``bpc`` is then no bound, but what networks are
            chosen for; by default an estimate.
        ipc: images per class; ``None`` lets :func:`rudcodec.distill.budget.images_per_class` choose.
        share: one group of networks for the ``"dataset"`` or one for each ``"class"``.
        labels: ``"hard"``; ``"soft"``: probabilities of each image by a teacher; a ``"network"`` in the file
            that labels any view of the images; or ``"auto"``, as
            :func:`rudcodec.distill.budget.label_mode` has it for the budget.
        utility: of the joint phase: moment, distribution, gradient or trajectory matching (``"mm"``,
            ``"dm"``, ``"gm"``, ``"tm"``), or one that another package adds, see :mod:`rudcodec.utility`.
        experts: the folder of trajectories that ``"tm"`` matches.
        seed: of everything random; the same seed on the same machine gives the same file.
        device: ``"auto"`` (CUDA where there is one), ``"cpu"`` or ``"cuda"``.
        warmup: passes over the images of rate-distortion training.
        joint: passes of rate + lmbda * utility.
        tune: passes on the latents after the networks have become integers.
        chunk: images worked on together, which bounds memory; ``None``: as the device wants it.
        balance: weight of the utility: its gradient's norm over the distortion's, as the joint phase begins.
        utility_images: synthetic images that one evaluation of the utility sees.
        label_share: part of the budget that the label network gets, as far as its weights can use it;
            ``None``: as :func:`rudcodec.distill.budget.label_share` has it.
        label_views: views of real images that the label network, or the teacher, is trained on.
        flip: whether a mirrored image keeps its label; ``None``: colour yes, grey no.
    """

    bpc: float = math.inf
    lmbda: float | None = None
    ipc: int | None = None
    share: Share = "dataset"
    labels: Labels = "auto"
    utility: str = "mm"
    experts: str | None = None
    seed: int = 0
    device: str = "auto"
    warmup: int = 200
    joint: int = 240
    tune: int = 60
    chunk: int | None = None
    balance: float = 10.0
    utility_images: int = 500
    label_share: float | None = None
    label_views: int = 3_000_000
    flip: bool | None = None

    def __post_init__(self) -> None:
        if not self.bpc > 0:
            raise SettingError(f"bpc: {self.bpc} is not a positive number of bits")
        if self.bpc == math.inf and self.lmbda is None:
            raise SettingError("bpc: there is neither a budget nor lmbda")
        if self.lmbda is not None and not 0 < self.lmbda < math.inf:
            raise SettingError(f"lmbda: {self.lmbda} is not a positive number")
        if self.lmbda is not None and self.labels == "network":
            raise SettingError("lmbda: a label network needs a budget, bpc")
        for name in ("ipc", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name}: {value} is less than 1")
        for name in ("warmup", "tune"):
            if getattr(self, name) < 2:
                raise SettingError(f"{name}: {getattr(self, name)} passes; at least 2 are needed")
        if self.joint < 0:
            raise SettingError(f"joint: {self.joint} passes")
        if self.labels not in ("auto", "hard", "soft", "network"):
            raise SettingError(f"labels: {self.labels!r} is none of 'auto', 'hard', 'soft', 'network'")
        if self.label_share is not None and not 0 < self.label_share < 1:
            raise SettingError(f"label_share: {self.label_share} is not between 0 and 1")
        if self.label_views < 1000:
            raise SettingError(f"label_views: {self.label_views} views; at least 1000 are needed")
        if self.utility not in utility_names():
            raise SettingError(f"utility: {self.utility!r} is none of {', '.join(utility_names())}")
        if self.share not in ("dataset", "class"):
            raise SettingError(f"share: {self.share!r} is neither 'dataset' nor 'class'")

    @classmethod
    def preset(cls, preset: Preset, **settings: Any) -> Settings:
        """The settings of a preset, some of them changed."""
        return cls(**{**PRESETS[preset], **settings})

    def __str__(self) -> str:
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


def without_joint(settings: Settings) -> Settings:
    """The joint phase's passes given to warm-up: images that a network labels are kept as they are."""
    return replace(settings, warmup=settings.warmup + settings.joint, joint=0)


# How long to train. CIFAR-10 at 5e4 bpc, by --dry-run on one core of an AMD EPYC: 9 minutes, 41, 8 hours; two
# take little more than half as long. Nothing has been judged that saw more than 5,000,000 views.
PRESETS: dict[Preset, dict[str, Any]] = {
    "fast": {"warmup": 60, "joint": 60, "tune": 20, "label_views": 500_000},
    "balanced": {},
    "best": {"warmup": 1000, "joint": 1200, "tune": 200, "label_views": 30_000_000},
}


class Pace:
    """Seconds that a loop has taken, and will take at its pace since the first report; before that compilers
    may be at work."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._first: tuple[int, float] | None = None

    def at(self, step: int, steps: int) -> tuple[float, float | None]:
        """When ``step`` of ``steps`` are done; None: can't be told yet."""
        now = time.monotonic()
        if self._first is None:
            self._first = step, now
        done, since = step - self._first[0], now - self._first[1]
        return now - self._start, since / done * (steps - step) if done else None


@dataclass(frozen=True)
class Progress:
    """One report of a running encode.

    ``bpc``: estimate for the whole file, where there is one yet; ``utility`` and ``psnr`` (dB, against what
    is to be kept: the real images, after the joint phase those that it made) where the stage knows them;
    ``elapsed`` and ``remaining`` (of this stage; None at its first report) in seconds.
    """

    stage: str
    step: int
    steps: int
    bpc: float | None
    utility: float | None
    psnr: float | None
    elapsed: float
    remaining: float | None
