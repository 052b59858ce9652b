"""From a budget in bits per class to images, networks, and what is left for latents."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from rudcodec.bitstream import check_limits
from rudcodec.bitstream.files import LARGEST_FILE
from rudcodec.bitstream.limits import parameters
from rudcodec.distill.payload_builder import segment_sizes
from rudcodec.errors import BudgetError, FormatError
from rudcodec.model.architecture import default_architecture, default_architectures
from rudcodec.payload import Architecture, ImageShape
from rudcodec.text import per_class

# What an image that must say its class is given, for two sides in pixels; other sides by a power of the side.
BITS_PER_IMAGE = (8, 128.0), (32, 300.0)
# For each pixel of the side: students that train on views want fewer, better images.
BITS_PER_VIEWED_IMAGE = 32.0
BITS_PER_PARAMETER = 5.0
MIN_BITS_PER_IMAGE = 8.0
# A finished file has at least this part of the bits left to latents: they pay for the work of decoding it.
PAYING_FRACTION = 0.9
ROUNDING_ERROR = 1e-6  # of a budget in bits per class, from which a label network's have been subtracted


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
        metadata_bytes: what the file says of itself.
    """

    class_names: tuple[str, ...]
    image_shape: ImageShape
    smallest_class: int
    share: str = "dataset"
    for_views: bool = False
    bits_per_label: float = 0.0
    metadata_bytes: int = 0

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
        budget_bits: of the file, without its label network; ``overhead_bits``: of them, all that is not
            latents, estimated.
    """

    ipc: int
    architecture: Architecture
    budget_bits: float
    overhead_bits: float


def allocate(demand: Demand, bpc: float, ipc: int | None) -> ImageAllocation:
    """What fits a budget of ``bpc`` bits per class; ``ipc``: images per class, None: what suits it.

    Where the budget is too small for the networks or the number of images that suit its size, networks are
    smaller, then images fewer.

    Raises:
        BudgetError: it is less than :func:`smallest_images_bpc`, or more than any file has, or a file of this
            size may not hold so many images. FormatError: no file may hold such images.
    """
    budget_bits = bpc * demand.num_classes
    if budget_bits > 8 * LARGEST_FILE:
        most = 8 * LARGEST_FILE // demand.num_classes
        raise BudgetError(f"bpc: {bpc:.4g} is more than any file has; at most {most:,} is possible")
    architectures = _allowed_architectures(demand, budget_bits, 1)
    if ipc is None:
        allowed = _most_allowed(demand, architectures[0], budget_bits, images_per_class(demand, bpc))
    else:
        try:
            architectures = _allowed_architectures(demand, budget_bits, ipc)
        except FormatError:
            most = max(_most_allowed(demand, each, budget_bits, ipc) for each in architectures)
            raise BudgetError(f"ipc: a file of {bpc:.0f} bpc may hold {per_class(most)}, not {ipc}") from None
        allowed = ipc
    smallest = smallest_images_bpc(demand, ipc or 1)
    if bpc < smallest - ROUNDING_ERROR:
        raise too_small(bpc, smallest, ipc)
    budget_bits = max(budget_bits, smallest * demand.num_classes)
    fitting = [a for a in architectures if _smallest_bits(demand, a, allowed) <= budget_bits]
    architecture = (fitting or architectures[-1:])[0]
    if not fitting:
        numbers = range(1, allowed + 1)
        allowed = bisect_right(numbers, budget_bits, key=lambda n: _smallest_bits(demand, architecture, n))
    overhead_bits = _overhead_bits(demand, architecture, allowed)
    return ImageAllocation(allowed, architecture, budget_bits, overhead_bits)


def smallest_images_bpc(demand: Demand, ipc: int) -> float:
    """The smallest budget for ``ipc`` images per class, a label network apart, in bits per class.

    It pays for the smallest networks and a few bits of each image, and is as large as the format wants a file
    of so many images. Raises FormatError if there may be no such file.
    """
    architecture = default_architectures(*demand.image_shape, 0)[-1]
    bits = _smallest_bits(demand, architecture, ipc)

    def is_allowed(size: int) -> bool:
        return _is_allowed(demand, architecture, ipc, 8 * size)

    if not is_allowed(0):
        _check_allowed(demand, architecture, ipc, 8 * LARGEST_FILE)
        bits = max(bits, 8 * bisect_left(range(LARGEST_FILE), True, key=is_allowed))
    return bits / demand.num_classes


def too_small(bpc: float, smallest: float, ipc: int | None) -> BudgetError:
    """The error of a budget that is less than the smallest one, in bits per class."""
    images = "any image" if ipc is None else "an image" if ipc == 1 else f"{ipc} images"
    return BudgetError(
        f"bpc: {bpc:.0f} is too small for {images} per class; at least {math.ceil(smallest)} is needed"
    )


def images_per_class(demand: Demand, bpc: float) -> int:
    """Images of ``BITS_PER_IMAGE``, or for views of ``BITS_PER_VIEWED_IMAGE``, that ``bpc`` pays for."""
    return max(1, min(demand.smallest_class, round(bpc / bits_per_image(demand))))


def bits_per_image(demand: Demand) -> float:
    """What an image takes that carries its label, or is there for views."""
    side = math.sqrt(demand.image_shape.height * demand.image_shape.width)
    if demand.for_views:
        return BITS_PER_VIEWED_IMAGE * side
    (small, few), (large, many) = BITS_PER_IMAGE
    return few * (side / small) ** (math.log(many / few) / math.log(large / small))


def bpc_for_latent_bits(demand: Demand, latent_bits: float, ipc: int) -> float:
    """Bits per class of a file of ``ipc`` images per class whose latents take ``latent_bits``."""
    latent_bits = max(latent_bits, MIN_BITS_PER_IMAGE * ipc * demand.num_classes)
    architecture = default_architecture(*demand.image_shape, latent_bits / demand.num_groups)
    return (latent_bits + _overhead_bits(demand, architecture, ipc)) / demand.num_classes


def _allowed_architectures(demand: Demand, budget_bits: float, ipc: int) -> list[Architecture]:
    """Those that suit a file of the budget, and may be in one with so many images per class, large to small.

    Raises FormatError if there is none.
    """
    architectures = default_architectures(*demand.image_shape, budget_bits / demand.num_groups)
    allowed = [a for a in architectures if _is_allowed(demand, a, ipc, budget_bits)]
    if not allowed:
        _check_allowed(demand, architectures[-1], ipc, budget_bits)
    return allowed


def _most_allowed(demand: Demand, architecture: Architecture, budget_bits: float, wanted: int) -> int:
    """The largest number of images per class, up to ``wanted``, that a file of the budget may hold."""
    numbers = range(1, wanted + 1)
    return bisect_left(numbers, True, key=lambda ipc: not _is_allowed(demand, architecture, ipc, budget_bits))


def _is_allowed(demand: Demand, architecture: Architecture, ipc: int, budget_bits: float) -> bool:
    try:
        _check_allowed(demand, architecture, ipc, budget_bits)
    except FormatError:
        return False
    return True


def _check_allowed(demand: Demand, architecture: Architecture, ipc: int, budget_bits: float) -> None:
    """Raise FormatError if the format doesn't allow a file of the budget so many images per class."""
    counts = tuple((size,) * demand.num_classes for size in segment_sizes(ipc))
    latent_bits = max(0.0, budget_bits - _overhead_bits(demand, architecture, ipc))
    size = math.floor(PAYING_FRACTION * latent_bits / 8)
    check_limits(architecture, counts, demand.num_groups, size, math.ceil(demand.bits_per_label))


def _smallest_bits(demand: Demand, architecture: Architecture, ipc: int) -> float:
    """Of a file with these networks and so many images per class."""
    latent_bits = MIN_BITS_PER_IMAGE * ipc * demand.num_classes
    return _overhead_bits(demand, architecture, ipc) + latent_bits


def _overhead_bits(demand: Demand, architecture: Architecture, ipc: int) -> float:
    """Bits of head, networks and images' labels, estimated."""
    names = sum(len(name.encode()) + 1 for name in demand.class_names)
    head = 8 * (64 + names + demand.metadata_bytes + len(segment_sizes(ipc)) * 20)
    networks = demand.num_groups * parameters(architecture) * BITS_PER_PARAMETER
    return head + networks + demand.bits_per_label * ipc * demand.num_classes
