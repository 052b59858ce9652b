"""The last step: a file that fits its budget exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rudcodec.distill.assemble import Latents, file_size
from rudcodec.distill.stage import Stage, run_stage
from rudcodec.distill.training import Training
from rudcodec.errors import BudgetError
from rudcodec.payload import Payload

Grid = NDArray[Any]
Steps = list[tuple[NDArray[np.int32], NDArray[np.int32], Grid]]
Build = Callable[[Latents], Payload]

LOWEST, HIGHEST = 0.97, 1.1  # of the budget; nearer, the trim does less harm than another round
ROUNDS = 8
PASSES = 15
PATIENCE = 10  # rounds of trimming that save nothing, in a row
TRIED = 0.125  # of the latents
LEAST_SAVED = 0.05  # bits


def current(training: Training) -> Latents:
    return [level.cpu().numpy() for level in training.model.latents()]


def aim(training: Training, build: Build, budget: float) -> int:
    """Point the rate control at the budget by the file's real size; returns the size in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    size = file_size(build(current(training)))
    estimate = sum(float(training.bits_of(chunk)) for chunk in training.chunks)
    training.overhead = 8 * size - estimate
    training.control.target = training.target(budget)
    training.control.rate = estimate / training.pixels
    return size


def approach(training: Training, build: Build, budget: float, real: Tensor) -> bool:
    """Tune latents in short rounds until the file has 97 to 110 % of the budget.

    Each round costs up to half a decibel: where tuning has met the budget there is none. A file that is too
    small takes up more of the images that are to be kept; if it stays too small it has all that is in them,
    and takes up details of the ``real`` ones.
    False if the file ends too large for :func:`trim`: the quantization step is too fine for lmbda to help.
    """
    part = training.journal.part
    search = LmbdaSearch()
    stage = Stage("fit", PASSES, 0.5, start=1.0, train_networks=False, steer=False)
    filled = False
    for _ in range(ROUNDS):
        ratio, spent = part(partial(_spending, training, build, budget))
        if spent and ratio <= HIGHEST:
            return True
        if filled and not spent:
            training.images = real
        filled = filled or not spent
        part(partial(training.control.scale, search.factor(ratio)))
        part(partial(run_stage, training, stage), everywhere=True)
    ratio, _ = part(partial(_spending, training, build, budget))
    return ratio <= HIGHEST


def _spending(training: Training, build: Build, budget: float) -> tuple[float, bool]:
    """Aim; the file's part of the budget, and whether that is enough (or all that is of use)."""
    ratio = 8 * aim(training, build, budget) / budget
    return ratio, ratio >= LOWEST or training.control.target >= training.ceiling


class LmbdaSearch:
    """Finds the lmbda of a size: pushes harder and harder one way, less hard after each change of side.

    Not a bisection: latents drift as they train, so that a bound found some rounds ago may hold no more.
    """

    def __init__(self) -> None:
        self.push = 2.0
        self.error = 0.0

    def factor(self, ratio: float) -> float:
        """What to multiply lmbda by, when it has given a size ``ratio`` times the wanted one."""
        error = -math.log(ratio)
        if self.error != 0:
            self.push *= 2.0 if error * self.error > 0 else 0.5
        self.error = error
        return math.exp(max(-1.4, min(1.4, self.push * error)))


def trim(training: Training, build: Build, budget: float) -> None:
    """Move latents by one where that saves bits at the least harm to the images, until the file fits.

    Raises BudgetError if it doesn't even then.
    """
    random = np.random.default_rng(0)
    size = smallest = file_size(build(current(training)))
    idle = 0
    while 8 * size > budget:
        if idle == PATIENCE:
            raise BudgetError(f"the file still has {size} bytes after trimming: the budget is too small")
        _trim_once(training, build, budget, random)
        size = file_size(build(current(training)))
        idle = 0 if size < smallest else idle + 1
        smallest = min(size, smallest)


def _trim_once(training: Training, build: Build, budget: float, random: np.random.Generator) -> None:
    """Make the cheapest moves of those tried, as many as the budget asks for, or half of them."""
    steps = _moves(training, current(training), random)
    prices = np.sort(np.concatenate([price[np.isfinite(price)] for _, _, price in steps]))
    if not len(prices):
        return

    def moved(count: int) -> Latents:
        return [y + move * (price <= prices[count - 1]) for y, move, price in steps]

    high = max(1, len(prices) // 2)  # the dearer half may be cheaper among the next
    low = 1 if 8 * file_size(build(moved(high))) <= budget else high
    while low < high:
        middle = (low + high) // 2
        fits = 8 * file_size(build(moved(middle))) <= budget
        low, high = (low, middle) if fits else (middle + 1, high)
    training.model.set_latents([torch.from_numpy(level) for level in moved(low)])


def _moves(training: Training, latents: Latents, random: np.random.Generator) -> Steps:
    """Latents, moves down the slope of the rate for some of them, and their prices: error for bits saved.

    Neighbours that move together save nothing, so few are tried at a time. Changes are the means of the
    slopes before and after: a step across the predicted value saves nothing, however steep the slopes are.
    """
    model = training.model
    tried = [random.random(y.shape) < TRIED for y in latents]
    rate, error = _slopes(training)
    moves = [-(np.sign(slope) * mine).astype(np.int32) for slope, mine in zip(rate, tried, strict=True)]
    model.set_latents([torch.from_numpy(y + move) for y, move in zip(latents, moves, strict=True)])
    rate_there, error_there = _slopes(training)
    model.set_latents([torch.from_numpy(y) for y in latents])
    steps = []
    for i, (y, move) in enumerate(zip(latents, moves, strict=True)):
        saved = -move * (rate[i] + rate_there[i]) / 2
        harm = move * (error[i] + error_there[i]) / 2
        price = np.where(saved > LEAST_SAVED, harm / np.maximum(saved, LEAST_SAVED), np.inf)
        steps.append((y, move, price))
    return steps


def _slopes(training: Training) -> tuple[list[Grid], list[Grid]]:
    """How bits and squared error of the whole set grow with each latent."""
    model, images = training.model, training.images
    rate = model.slopes(lambda chunk, levels: model.bits(chunk, levels).sum())
    error = model.slopes(
        lambda chunk, levels: (model.images(chunk, levels) - images[chunk.index]).square().sum()
    )
    return [slope.cpu().numpy() for slope in rate], [slope.cpu().numpy() for slope in error]
