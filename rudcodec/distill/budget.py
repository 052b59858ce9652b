"""From a budget in bits per class to images, networks, and what is left for latents."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rudcodec.bitstream import check_limits
from rudcodec.bitstream.limits import parameters
from rudcodec.distill.assemble import segment_sizes
from rudcodec.distill.settings import Labels
from rudcodec.errors import BudgetError, FormatError
from rudcodec.model.architecture import default_architecture
from rudcodec.payload import Architecture

# Bits of an image that carries its label, by its side in pixels; a power between and beyond. Matched moments
# want more and plainer images than real ones do: docs/utilities.md (250 to 330 bits on CIFAR-10, more or less
# alike; digits: 128 rather than 64).
IMAGE_BITS = (8, 128.0), (32, 300.0)
# For each pixel of the side. Views want fewer, better images, though it matters little: docs/views.md.
VIEWED_IMAGE_BITS = 32.0
BITS_PER_PARAMETER = 5.0
LEAST_BITS_PER_IMAGE = 8.0
# Of a budget: files are measured on the way to it, and what a file may ask a decoder for goes by its size.
ON_THE_WAY = 0.5
# Bits of a file from which half of them are better spent on a label network. CIFAR-10 at 1.5e5: 68.7 % with
# it; real images as AVIF with hard labels 52.7 at 4.7e5. Digits at 8e3: hard labels do (93.9 %). Nothing has
# been measured in between.
NETWORK_FROM = 1e5


# The label network's share of a file, by log10 of its bits: more of small files, half of large ones.
# docs/views.md has what students of other shares reach.
LABEL_SHARE = (5.0, 0.7), (5.5, 0.5)


LabelMode = Literal["hard", "soft", "network"]


def label_mode(labels: Labels, budget: float) -> LabelMode:
    """``labels`` where it says; else what makes the better students of a file of ``budget`` bits."""
    if labels == "auto":
        return "network" if budget >= NETWORK_FROM else "hard"
    return labels


def label_share(budget: float) -> float:
    """The label network's part of a file of ``budget`` bits, if it can use so many: ``LABEL_SHARE``."""
    (small, most), (large, least) = LABEL_SHARE
    way = (math.log10(budget) - small) / (large - small)
    return most + (least - most) * min(1.0, max(0.0, way))


@dataclass(frozen=True)
class Plan:
    """``budget`` of the file and ``overhead`` (all but latents, estimated), in bits; ``least``: the smallest
    budget for so many images, in bits per class."""

    ipc: int
    architecture: Architecture
    budget: float
    overhead: float
    least: float


def images_per_class(bpc: float, height: int, width: int, fewest: int, views: bool) -> int:
    """Images of ``IMAGE_BITS``, or for ``views`` of ``VIEWED_IMAGE_BITS``; at most ``fewest``, the number of
    images of the smallest class."""
    side = math.sqrt(height * width)
    if views:
        bits = VIEWED_IMAGE_BITS * side
    else:
        (small, few), (large, many) = IMAGE_BITS
        bits = few * (side / small) ** (math.log(many / few) / math.log(large / small))
    return max(1, min(fewest, round(bpc / bits)))


def plan(
    bpc: float,
    classes: tuple[str, ...],
    shape: tuple[int, int, int],
    ipc: int | None,
    fewest: int,
    share: str,
    views: bool = False,
    label_bits: float = 0.0,
) -> Plan:
    """What fits the budget; ``shape`` is (height, width, channels), ``views`` what the images are for,
    ``label_bits`` what the label of one takes.

    Raises BudgetError if head and networks leave too little for latents, or a file of this size may not hold
    so many images; FormatError if it may hold none.
    """
    height, width, channels = shape
    budget = bpc * len(classes)
    groups = len(classes) if share == "class" else 1
    architecture = default_architecture(height, width, channels, budget / groups)

    def check(ipc: int) -> None:
        counts = tuple((size,) * len(classes) for size in segment_sizes(ipc))
        check_limits(architecture, counts, share, math.ceil(ON_THE_WAY * budget / 8), label_bits > 0)

    most = _most(ipc or images_per_class(bpc, height, width, fewest, views), check)
    if ipc is not None and ipc > most:
        raise BudgetError(f"ipc: a file of {bpc:.0f} bpc may hold {most} images per class, not {ipc}")
    ipc = most
    overhead = _overhead(architecture, groups, classes, ipc) + label_bits * ipc * len(classes)
    least = (overhead + LEAST_BITS_PER_IMAGE * ipc * len(classes)) / len(classes)
    if least > bpc:
        raise BudgetError(
            f"bpc: {bpc:.0f} is too small for {ipc} images per class; at least {least:.0f} is needed"
        )
    return Plan(ipc, architecture, budget, overhead, least)


def _most(wanted: int, check: Callable[[int], None]) -> int:
    """The largest number up to ``wanted`` that passes a check. Raises FormatError as that does, of 1."""
    check(1)

    def refused(count: int) -> bool:
        try:
            check(count)
        except FormatError:
            return True
        return False

    return bisect_left(range(1, wanted + 1), True, key=refused)


def budget_for(
    bits: float, classes: tuple[str, ...], shape: tuple[int, int, int], ipc: int, share: str
) -> float:
    """Bits per class of a file whose latents take ``bits``; other arguments as for :func:`plan`."""
    groups = len(classes) if share == "class" else 1
    bits = max(bits, LEAST_BITS_PER_IMAGE * ipc * len(classes))
    architecture = default_architecture(*shape, bits / groups)
    return (bits + _overhead(architecture, groups, classes, ipc)) / len(classes)


def _overhead(architecture: Architecture, groups: int, classes: tuple[str, ...], ipc: int) -> float:
    """Bits of head and networks, estimated."""
    names = sum(len(name.encode()) + 1 for name in classes)
    head = 8 * (64 + names + len(segment_sizes(ipc)) * 20)
    return head + groups * parameters(architecture) * BITS_PER_PARAMETER
