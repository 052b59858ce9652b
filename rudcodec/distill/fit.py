"""The last step: a file that fits its budget exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec.distill.assemble import file_size
from rudcodec.distill.stage import Stage, run_stage
from rudcodec.distill.training import Training
from rudcodec.errors import BudgetError
from rudcodec.payload import Payload

Grid = NDArray[Any]
Latents = list[NDArray[np.int32]]
Build = Callable[[Latents], Payload]

LOWEST, HIGHEST = 0.97, 1.03  # of the budget: what goes to the trim; rounds would cost more than it does
ROUNDS = 8
PASSES = 15
TRIMS = 40
TRIM_PART = 50


def current(training: Training) -> Latents:
    return [level.cpu().numpy() for level in training.model.latents()]


def aim(training: Training, build: Build, budget: float) -> int:
    """Point the rate control at the budget by the file's real size; returns the size in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    size = file_size(build(current(training)))
    estimate = sum(training.bits_of(chunk) for chunk in training.chunks)
    training.overhead = 8 * size - estimate
    training.control.target = training.target(budget)
    training.control.rate = estimate / training.pixels
    return size


def approach(training: Training, build: Build, budget: float) -> bool:
    """Tune latents in short rounds until the file has 97 to 103 % of the budget.

    Each round costs up to half a decibel: where tuning has met the budget there is none. False if the file
    ends too large for :func:`trim`: the quantization step is too fine for lmbda to help.
    """
    search = LmbdaSearch()
    for _ in range(ROUNDS):
        size = 8 * aim(training, build, budget)
        spent = size >= LOWEST * budget or training.control.target >= training.ceiling
        if spent and size <= HIGHEST * budget:
            return True
        training.control.lmbda = search.after(training.control.lmbda, size / budget)
        stage = Stage("fit", PASSES, 0.5, start=1.0, train_networks=False, steer=False)
        run_stage(training, stage)
    return 8 * aim(training, build, budget) <= HIGHEST * budget


class LmbdaSearch:
    """Finds the lmbda of a size: pushes harder and harder one way, less hard after each change of side.

    Not a bisection: latents drift as they train, so that a bound found some rounds ago may hold no more.
    """

    def __init__(self) -> None:
        self.push = 2.0
        self.error = 0.0

    def after(self, lmbda: float, ratio: float) -> float:
        """The next lmbda to try, ``lmbda`` having given a size ``ratio`` times the wanted one."""
        error = -math.log(ratio)
        if self.error != 0:
            self.push *= 2.0 if error * self.error > 0 else 0.5
        self.error = error
        return lmbda * math.exp(max(-1.4, min(1.4, self.push * error)))


def trim(training: Training, build: Build, budget: float) -> Payload:
    """Move latents by one down the slope of the rate, where it is steepest first, until the file fits.

    Raises BudgetError if it doesn't even then.
    """
    for _ in range(TRIMS):
        latents = current(training)
        payload = build(latents)
        if 8 * file_size(payload) <= budget:
            return payload
        slopes = [slope.cpu().numpy() for slope in training.model.rate_slopes()]
        steepest = np.sort(np.concatenate([abs(slope).ravel() for slope in slopes]))[::-1]

        def moved(
            count: int, start: Latents = latents, slopes: list[Grid] = slopes, order: Grid = steepest
        ) -> Latents:
            return [
                y - (np.sign(slope) * (abs(slope) >= order[count - 1])).astype(np.int32)
                for y, slope in zip(start, slopes, strict=True)
            ]

        # Moves change each other's slopes: not too many of them at a time.
        low, high = 1, max(1, len(steepest) // TRIM_PART)
        if 8 * file_size(build(moved(high))) > budget:
            low = high
        while low < high:
            middle = (low + high) // 2
            fits = 8 * file_size(build(moved(middle))) <= budget
            low, high = (low, middle) if fits else (middle + 1, high)
        training.model.set_latents([torch.from_numpy(level) for level in moved(low)])
    payload = build(current(training))
    if 8 * file_size(payload) > budget:
        raise BudgetError(
            f"the file still has {file_size(payload)} bytes after trimming: the budget is too small"
        )
    return payload
