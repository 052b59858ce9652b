"""The last step: a file that fits its budget exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec.distill.assemble import file_size
from rudcodec.distill.stage import Stage, UtilityTerm, run_stage
from rudcodec.distill.training import Training
from rudcodec.errors import BudgetError
from rudcodec.payload import Payload

Latents = list[NDArray[np.int32]]
Build = Callable[[Latents], Payload]

GOAL = 0.99
LOWEST = 0.975
ROUNDS = 8
PASSES = 30


def current(training: Training) -> Latents:
    return [level.cpu().numpy() for level in training.model.latents()]


def aim(training: Training, build: Build, budget: float, goal: float = GOAL) -> int:
    """Point the rate control at ``goal`` times the budget, by the file's real size; returns that size in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    size = file_size(build(current(training)))
    with torch.no_grad():
        estimate = sum(float(training.decode(chunk, None).bits.sum()) for chunk in training.chunks)
    training.overhead = 8 * size - estimate
    training.control.target = max(goal * budget - training.overhead, 1.0) / training.pixels
    training.control.rate = estimate / training.pixels
    return size


def fit(training: Training, build: Build, budget: float, term: UtilityTerm | None) -> Payload:
    """Tune in short rounds until the file is between 97.5 and 100 % of the budget; trim what is left above.

    Raises BudgetError if even trimming can't make it fit.
    """
    for _ in range(ROUNDS):
        size = 8 * aim(training, build, budget)
        if LOWEST * budget <= size <= budget:
            break
        training.control.lmbda *= (GOAL * budget / size) ** 4
        run_stage(training, Stage("fit", PASSES, 0.0, 1.0, train_networks=False), term)
    return _trim(current(training), build, budget)


def _trim(latents: Latents, build: Build, budget: float) -> Payload:
    """Zero the smallest latents, finest level first, until the file fits."""
    payload = build(latents)
    for level in reversed(latents):
        for magnitude in (1, 2, 4, 32767):
            if 8 * file_size(payload) <= budget:
                return payload
            small = np.flatnonzero((level != 0) & (np.abs(level) <= magnitude))
            original = level.copy()
            low, high = 0, len(small)
            # The fewest that make it fit, or all.
            while low < high:
                middle = (low + high) // 2
                level[...] = original
                level.flat[small[:middle]] = 0
                low, high = (low, middle) if 8 * file_size(build(latents)) <= budget else (middle + 1, high)
            level[...] = original
            level.flat[small[:low]] = 0
            payload = build(latents)
    if 8 * file_size(payload) > budget:
        raise BudgetError(f"the file needs {file_size(payload)} bytes without any detail: the budget is too small")
    return payload
