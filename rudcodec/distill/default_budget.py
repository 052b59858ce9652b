"""The budget of an encode where nobody gives one."""

from __future__ import annotations

import math

import numpy as np
from PIL import features

from rudcodec.baselines.pillow_codecs import encode
from rudcodec.baselines.tiles import columns_for, tile
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError, SettingError

# A file takes at most a quarter of what the real images take as AVIF, of a distilled set a half.
AVIF_QUALITY, REAL_PART, DISTILLED_PART = 50, 1 / 4, 1 / 2
# What that is measured on.
SAMPLE_IMAGES, SAMPLE_PIXELS = 64, 1 << 18


def default_bpc(images: LabelledImages, least: float) -> float:
    """A budget in bits per class for a file that stands for real images.

    A class gets as many bytes as the square root of what its images take uncompressed: 30,000 bits for
    CIFAR-10, 810 for the digits. It gets no less than ``least``, the bits per class of the smallest file
    worth making, and no more than a quarter of what its images take as AVIF of quality 50.

    Raises:
        BudgetError: ``least`` is more than that quarter. SettingError: Pillow has no AVIF.
    """
    most = REAL_PART * _avif_bpc(images)
    if least > most:
        raise BudgetError(
            f"bpc: the set is too small for the default budget: a file takes about {math.ceil(least):,} bits "
            f"a class, and a quarter of what the images take as AVIF is {most:,.0f}; to make one all the "
            f"same, give a budget of {math.ceil(least)} bits per class or more"
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
