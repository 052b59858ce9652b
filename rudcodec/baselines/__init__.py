"""What a user would pick instead of a ``.rud`` file, at equal bytes: real images, coded as pictures. Choosing
them by students needs torch, learned codecs need compressai; the rest needs numpy and Pillow only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rudcodec.baselines.picture_codec import Codec
from rudcodec.baselines.real import (
    Candidate,
    PictureBudget,
    default_counts,
    real_images,
    with_more_images,
)

if TYPE_CHECKING:
    from rudcodec.baselines.best import Baseline, StudentTraining, TriedCandidate, best_baseline

__all__ = [
    "Baseline",
    "Candidate",
    "Codec",
    "PictureBudget",
    "StudentTraining",
    "TriedCandidate",
    "best_baseline",
    "default_counts",
    "real_images",
    "with_more_images",
]


def __getattr__(name: str) -> Any:
    if name in ("Baseline", "StudentTraining", "TriedCandidate", "best_baseline"):
        from rudcodec.baselines import best

        return getattr(best, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
