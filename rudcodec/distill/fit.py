"""The last step: a file that fits its budget exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
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
TRIMS = 3


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
    return _trim(current(training), build, budget)


class LmbdaSearch:
    """Finds the lmbda of a size: pushes harder and harder one way, then interpolates between both sides."""

    def __init__(self, goal: float) -> None:
        self.goal = math.log(goal)
        self.under: tuple[float, float] | None = None
        self.over: tuple[float, float] | None = None
        self.push = 2.0

    def after(self, lmbda: float, size: float) -> float:
        """The next lmbda to try, ``lmbda`` having given ``size``."""
        found = (math.log(lmbda), math.log(size))
        if found[1] < self.goal:
            self.under = found
        else:
            self.over = found
        if self.under is not None and self.over is not None:
            (a, low), (b, high) = self.under, self.over
            return math.exp(a + (b - a) * (self.goal - low) / (high - low))
        move = self.push * (self.goal - found[1])
        self.push *= 2
        return math.exp(found[0] + max(-1.4, min(1.4, move)))


def _trim(latents: Latents, build: Build, budget: float) -> Payload:
    """Move latents towards zero by one, here and there and finest level first, until the file fits."""
    payload = build(latents)
    for level in [level for level in reversed(latents) for _ in range(TRIMS)]:
        if 8 * file_size(payload) <= budget:
            return payload
        places = np.random.default_rng(0).permutation(np.flatnonzero(level))
        original = level.copy()

        def shrink(count: int, level: Grid = level, original: Grid = original, places: Grid = places) -> bool:
            level[...] = original
            level.flat[places[:count]] -= np.sign(original.flat[places[:count]])
            return 8 * file_size(build(latents)) <= budget

        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if shrink(middle) else (middle + 1, high)
        shrink(low)
        payload = build(latents)
    if 8 * file_size(payload) > budget:
        raise BudgetError(
            f"the file still has {file_size(payload)} bytes after trimming: the budget is too small"
        )
    return payload
