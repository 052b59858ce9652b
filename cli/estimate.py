"""What ``rudcodec compress --dry-run`` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rudcodec.settings import Settings
from rudcodec.text import clock

from .tables import print_table

if TYPE_CHECKING:
    from rudcodec.distill import Estimate


def print_estimate(expected: Estimate, settings: Settings, num_images: int) -> None:
    """Print a table; ``num_images``: of the set that is encoded."""
    total = sum(expected.seconds.values())
    guess, smallest = " or so" if settings.lmbda is not None else "", math.ceil(expected.smallest_bpc)
    stages = ", ".join(f"{stage} {clock(seconds)}" for stage, seconds in expected.seconds.items())
    rows = [
        ("images", f"{expected.images:,} ({expected.ipc:,} per class), from {num_images:,}"),
        ("latents", f"{expected.latents:,}"),
        ("weights", f"{expected.weights:,} of synthesis and context networks"),
        (
            "teacher" if settings.labels == "soft" else "label network",
            f"{expected.label_weights:,} weights" if expected.label_weights else "none",
        ),
        ("budget", f"{expected.bpc:,.0f} bpc{guess}; for so many images at least {smallest:,}"),
        ("memory", f"{expected.memory / 1e9:.1f} GB" if expected.memory else "unknown"),
        ("time", f"{clock(total)} ({stages})"),
    ]
    print_table(("", "expected"), rows)
