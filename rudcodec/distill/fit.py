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

GOAL = 0.99
LOWEST = 0.975
ROUNDS = 8
PASSES = 15
TRIMS = 200
TRIM_PARTS = (50, 5)  # moves one latent in so many at a time; the latter where the file is FAR too large
FAR = 1.1


def current(training: Training) -> Latents:
    return [level.cpu().numpy() for level in training.model.latents()]


def aim(training: Training, build: Build, budget: float) -> int:
    """Point the rate control at 99 % of the budget by the file's real size; returns the size in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    size = file_size(build(current(training)))
    estimate = sum(training.bits_of(chunk) for chunk in training.chunks)
    training.overhead = 8 * size - estimate
    training.control.target = max(GOAL * budget - training.overhead, 1.0) / training.pixels
    training.control.rate = estimate / training.pixels
    return size


def fit(training: Training, build: Build, budget: float) -> Payload:
    """Tune latents in short rounds until the file has 97.5 to 100 % of the budget; trim what is above.

    Raises BudgetError if even trimming can't make it fit.
    """
    search = LmbdaSearch(GOAL * budget)
    for _ in range(ROUNDS):
        size = 8 * aim(training, build, budget)
        if LOWEST * budget <= size <= budget:
            break
        training.control.lmbda = search.after(training.control.lmbda, size)
        stage = Stage("fit", PASSES, 0.5, start=1.0, train_networks=False, steer=False)
        run_stage(training, stage)
    return _trim(training, build, budget)


class LmbdaSearch:
    """Finds the lmbda of a size: pushes harder and harder one way, less hard after each change of side.

    Not a bisection: latents drift as they train, so that a bound found some rounds ago may hold no more.
    """

    def __init__(self, goal: float) -> None:
        self.goal = math.log(goal)
        self.push = 2.0
        self.error = 0.0

    def after(self, lmbda: float, size: float) -> float:
        """The next lmbda to try, ``lmbda`` having given ``size``."""
        error = self.goal - math.log(size)
        if self.error != 0:
            self.push *= 2.0 if error * self.error > 0 else 0.5
        self.error = error
        return lmbda * math.exp(max(-1.4, min(1.4, self.push * error)))


def _trim(training: Training, build: Build, budget: float) -> Payload:
    """Move latents by one down the slope of the rate, where it is steepest first, until the file fits."""
    for _ in range(TRIMS):
        latents = current(training)
        payload = build(latents)
        size = 8 * file_size(payload)
        if size <= budget:
            return payload
        part = TRIM_PARTS[size > FAR * budget]
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
        low, high = 1, max(1, len(steepest) // part)
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
