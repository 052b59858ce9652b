"""From a budget in bits per class to images, networks, and what is left for latents."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from rudcodec.bitstream import check_limits
from rudcodec.bitstream.limits import parameters
from rudcodec.distill.payload_builder import segment_sizes
from rudcodec.errors import BudgetError, FormatError
from rudcodec.model.architecture import default_architecture
from rudcodec.payload import Architecture, ImageShape

# Bits of an image that carries its label, by its side in pixels; a power between and beyond.
BITS_PER_IMAGE = (8, 128.0), (32, 300.0)
# For each pixel of the side. Views want fewer, better images.
BITS_PER_VIEWED_IMAGE = 32.0
BITS_PER_PARAMETER = 5.0
MIN_BITS_PER_IMAGE = 8.0
# Of a budget: files are measured on the way to it, and what a file may ask a decoder for goes by its size.
INTERMEDIATE_FRACTION = 0.5


@dataclass(frozen=True)
class Demand:
    """What a budget is to be spent on.

    Attributes:
        class_names: their bytes count.
        image_shape: of each image.
        smallest_class: number of images of the smallest class, which bounds the images per class.
        share: of networks, ``"dataset"`` or ``"class"``.
        for_views: the images are there to be seen through views.
        bits_per_label: what the label of one image takes.
    """

    class_names: tuple[str, ...]
    image_shape: ImageShape
    smallest_class: int
    share: str = "dataset"
    for_views: bool = False
    bits_per_label: float = 0.0

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_groups(self) -> int:
        return self.num_classes if self.share == "class" else 1


@dataclass(frozen=True)
class ImageAllocation:
    """How a budget is spent.

    Attributes:
        ipc: images per class.
        architecture: of the networks.
        budget_bits: of the file; ``overhead_bits``: of them, all that is not latents, estimated.
        num_classes: for reports.
    """

    ipc: int
    architecture: Architecture
    budget_bits: float
    overhead_bits: float
    num_classes: int

    @property
    def minimum_bpc(self) -> float:
        """The smallest budget for so many images, in bits per class."""
        latent_bits = MIN_BITS_PER_IMAGE * self.ipc * self.num_classes
        return (self.overhead_bits + latent_bits) / self.num_classes


def allocate(demand: Demand, bpc: float, ipc: int | None) -> ImageAllocation:
    """What fits a budget of ``bpc`` bits per class; ``ipc``: images per class, None: what suits it.

    Raises:
        BudgetError: head and networks leave too little for latents, or a file of this size may not hold so
            many images. FormatError: it may hold none.
    """
    budget_bits = bpc * demand.num_classes
    architecture = default_architecture(*demand.image_shape, budget_bits / demand.num_groups)
    wanted = ipc or images_per_class(demand, bpc)
    allowed = _most_allowed(demand, architecture, budget_bits, wanted)
    if ipc is not None and ipc > allowed:
        raise BudgetError(f"ipc: a file of {bpc:.0f} bpc may hold {allowed} images per class, not {ipc}")
    overhead_bits = _overhead_bits(demand, architecture, allowed)
    overhead_bits += demand.bits_per_label * allowed * demand.num_classes
    allocation = ImageAllocation(allowed, architecture, budget_bits, overhead_bits, demand.num_classes)
    if allocation.minimum_bpc > bpc:
        raise BudgetError(
            f"bpc: {bpc:.0f} is too small for {allowed} images per class; at least "
            f"{math.ceil(allocation.minimum_bpc)} is needed"
        )
    return allocation


def images_per_class(demand: Demand, bpc: float) -> int:
    """Images of ``BITS_PER_IMAGE``, or for views of ``BITS_PER_VIEWED_IMAGE``, that ``bpc`` pays for."""
    side = math.sqrt(demand.image_shape.height * demand.image_shape.width)
    if demand.for_views:
        bits = BITS_PER_VIEWED_IMAGE * side
    else:
        (small, few), (large, many) = BITS_PER_IMAGE
        bits = few * (side / small) ** (math.log(many / few) / math.log(large / small))
    return max(1, min(demand.smallest_class, round(bpc / bits)))


def bpc_for_latent_bits(demand: Demand, latent_bits: float, ipc: int) -> float:
    """Bits per class of a file of ``ipc`` images per class whose latents take ``latent_bits``."""
    latent_bits = max(latent_bits, MIN_BITS_PER_IMAGE * ipc * demand.num_classes)
    architecture = default_architecture(*demand.image_shape, latent_bits / demand.num_groups)
    return (latent_bits + _overhead_bits(demand, architecture, ipc)) / demand.num_classes


def _most_allowed(demand: Demand, architecture: Architecture, budget_bits: float, wanted: int) -> int:
    """The largest number of images per class, up to ``wanted``, that the format allows a file of the budget.

    Raises FormatError if not even one is.
    """
    file_bytes = math.ceil(INTERMEDIATE_FRACTION * budget_bits / 8)

    def check(ipc: int) -> None:
        counts = tuple((size,) * demand.num_classes for size in segment_sizes(ipc))
        check_limits(architecture, counts, demand.num_groups, file_bytes, math.ceil(demand.bits_per_label))

    def is_refused(ipc: int) -> bool:
        try:
            check(ipc)
        except FormatError:
            return True
        return False

    check(1)
    return bisect_left(range(1, wanted + 1), True, key=is_refused)


def _overhead_bits(demand: Demand, architecture: Architecture, ipc: int) -> float:
    """Bits of head and networks, estimated."""
    names = sum(len(name.encode()) + 1 for name in demand.class_names)
    head = 8 * (64 + names + len(segment_sizes(ipc)) * 20)
    return head + demand.num_groups * parameters(architecture) * BITS_PER_PARAMETER
