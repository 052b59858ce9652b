"""How much images are alike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def psnr(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of uint8 images, from the mean squared error over all of them and
    their channels; infinite where they are equal."""
    difference = np.subtract(images, others, dtype=np.int32)
    error = float(np.mean(difference * difference))
    return 10 * math.log10(255**2 / error) if error else math.inf
