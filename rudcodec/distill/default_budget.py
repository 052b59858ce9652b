"""The budget of an encode where nobody gives one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import features

from rudcodec.baselines.pillow_codecs import encode
from rudcodec.baselines.tiles import columns_for, tile
from rudcodec.data import LabelledImages
from rudcodec.distill.allocation import bits_per_image, bpc_for_latent_bits
from rudcodec.distill.label_choice import demand_of, smallest_bpc
from rudcodec.errors import BudgetError, SettingError
from rudcodec.labels import LabelMode
from rudcodec.payload import Recipe
from rudcodec.plugins import LABEL_MODES
from rudcodec.settings import AUTO, Settings

# A file takes at most a quarter of what the real images take as AVIF, of a distilled set a half.
AVIF_QUALITY, REAL_PART, DISTILLED_PART = 50, 1 / 4, 1 / 2
# What that is measured on.
SAMPLE_IMAGES, SAMPLE_PIXELS = 64, 1 << 18


def with_default_budget(
    images: LabelledImages, settings: Settings, recipe: Recipe, *, are_distilled: bool
) -> Settings:
    """Settings with a budget that suits a set of real images, or of distilled ones where there are no others.

    Raises as :func:`default_bpc`.
    """
    ipc = settings.ipc or 1
    demand = demand_of(images, settings)
    worthwhile = bpc_for_latent_bits(demand, ipc * demand.num_classes * bits_per_image(demand), ipc)
    trial = replace(settings, bpc=worthwhile, labels="hard" if settings.labels == AUTO else settings.labels)
    mode: LabelMode = LABEL_MODES.load_class(trial.labels, LabelMode)(images, trial, recipe)
    smallest = smallest_bpc(demand_of(images, trial, mode), trial, mode, ipc)
    least = max(worthwhile, smallest)
    bpc = default_distilled_bpc(images, least) if are_distilled else default_bpc(images, least, smallest)
    return replace(settings, bpc=bpc)


def default_bpc(images: LabelledImages, least: float, smallest: float) -> float:
    """A budget in bits per class for a file that stands for real images.

    A class gets as many bytes as the square root of what its images take uncompressed: 30,000 bits for
    CIFAR-10, 810 for the digits. It gets no less than ``least``, the bits per class of the smallest file
    worth making, and no more than a quarter of what its images take as AVIF of quality 50. ``smallest``: of
    the smallest file that there can be.

    Raises:
        BudgetError: ``least`` is more than that quarter. SettingError: Pillow has no AVIF.
    """
    most = REAL_PART * _avif_bpc(images)
    if least > most:
        raise BudgetError(
            "bpc: the set is too small for the default budget: a file worth making takes about "
            f"{math.ceil(least):,} bits per class, and a quarter of what the images take as AVIF is "
            f"{most:,.0f}; to make one all the same, give a budget of {math.ceil(smallest)} bits per class, "
            "the smallest that a file can have, or more"
        )
    raw_bytes = images.images.size / len(images.classes)
    return math.floor(min(most, max(math.ceil(least), _rounded(8 * math.sqrt(raw_bytes)))))


def default_distilled_bpc(images: LabelledImages, least: float) -> float:
    """A budget in bits per class for distilled images as they are, where there are no real ones: half of what
    they take as AVIF of quality 50, or ``least``. Raises SettingError if Pillow has no AVIF."""
    return max(math.ceil(least), _rounded(DISTILLED_PART * _avif_bpc(images)))


def _avif_bpc(images: LabelledImages) -> float:
    """Bits per class that all images take as AVIF, by those of a sample in one picture."""
    if not features.check("avif"):
        raise SettingError("bpc: this Pillow was built without AVIF, by which a budget is found; give one")
    height, width = images.height, images.width
    count = max(1, min(len(images), SAMPLE_IMAGES, SAMPLE_PIXELS // (height * width)))
    rows = np.linspace(0, len(images) - 1, count).round().astype(np.intp)
    picture = tile(images.images[rows], 1, columns_for(count, height, width, 1))
    data = encode(picture, "avif", AVIF_QUALITY, quick=True)
    return 8 * len(data) / count * len(images) / len(images.classes)


def _rounded(bits: float) -> float:
    """To two digits, as people would say it."""
    return float(f"{bits:.2g}")
