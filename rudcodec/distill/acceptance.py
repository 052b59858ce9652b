"""Whether a file is as good as what was trained, with regard to its size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rudcodec.distill.quality import Quality, mean_colour_psnr

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

# In dB, of the PSNR against the initial images: what a file may lose against the model that was trained, and
# for each doubling of the rate that the model had over the file's.
MAX_LOSS, LOSS_PER_DOUBLING = 5.0, 4.0
MEAN_COLOUR_SLACK = 0.3  # dB
NOTHING_LEFT = 48.0  # dB: errors are of a grey level here and there
LITTLE_LEFT = 40.0  # dB


def is_as_good_as_trained(encoding: Encoding, quality: Quality) -> bool:
    """Whether a file has lost little against the model that was trained; where there is no utility, which
    wants other images, against the initial model and the images' mean colours, too."""
    if "training" not in encoding.results:
        return True
    if loss(encoding, quality) > MAX_LOSS:
        return False
    if encoding.has_utility:
        return True
    floor = min(mean_colour_psnr(encoding), NOTHING_LEFT)
    return quality.initial >= max(_initial(encoding) - 2 * MAX_LOSS, floor - MEAN_COLOUR_SLACK)


def leaves_too_much(encoding: Encoding, quality: Quality) -> bool:
    """Whether a file of less than the budget, which can't grow, should: other means may hold more."""
    return not encoding.has_utility and quality.initial < LITTLE_LEFT


def is_lost(encoding: Encoding, quality: Quality) -> bool:
    """Whether a file has lost so much that tuning it on is in vain."""
    if loss(encoding, quality) > 2 * MAX_LOSS:
        return True
    return not encoding.has_utility and quality.initial < _initial(encoding) - 3 * MAX_LOSS


def _initial(encoding: Encoding) -> float:
    """PSNR of the initial model's file, in dB, as far as more counts."""
    return min(encoding.results["initial quality"], NOTHING_LEFT)


def loss(encoding: Encoding, quality: Quality) -> float:
    """What a file has lost against the model that was trained, in dB beyond what its rate explains."""
    training = encoding.results["training"]
    explained = LOSS_PER_DOUBLING * math.log2(max(training["rate_ratio"], 1.0))
    return min(training["psnr"], NOTHING_LEFT) - quality.initial - explained
