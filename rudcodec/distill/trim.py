"""Near the end: latents are moved by one where that saves bits, until the file fits its budget exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from rudcodec.distill.payload_builder import LatentLevels
from rudcodec.runs import State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

PATIENCE = 10  # rounds that save nothing, in a row
TRIAL_FRACTION = 0.125  # of the latents
MIN_BITS_SAVED = 0.05


@dataclass(frozen=True)
class Move:
    """Moves of some latents of one level, each by one or not at all.

    ``price``: the squared error that a move adds for each bit it saves; infinite where it saves none.
    """

    latents: NDArray[np.int32]
    change: NDArray[np.int32]
    price: NDArray[np.float32]


def trim(encoding: Encoding, labels: State) -> bool:
    """Move latents by one where that saves bits at the least harm to the images, until the file fits.

    Returns whether it does.
    """
    encoder, budget_bits = encoding.encoder, encoding.allocation.budget_bits
    random = np.random.default_rng(encoding.run.seed)
    size = smallest = encoding.file_bytes(encoder.latents(), labels)
    rounds_without_gain = 0
    while 8 * size > budget_bits:
        if rounds_without_gain == PATIENCE:
            return False
        _trim_once(encoding, labels, random)
        size = encoding.file_bytes(encoder.latents(), labels)
        rounds_without_gain = 0 if size < smallest else rounds_without_gain + 1
        smallest = min(size, smallest)
    return True


def _trim_once(encoding: Encoding, labels: State, random: np.random.Generator) -> None:
    """Make the cheapest moves of those tried, as many as the budget asks for, or half of them."""
    budget_bits = encoding.allocation.budget_bits
    moves = _moves(encoding, random)
    prices = np.sort(np.concatenate([move.price[np.isfinite(move.price)] for move in moves]))
    if not len(prices):
        return
    high = max(1, len(prices) // 2)  # the dearer half may be cheaper among the next
    low = high
    if 8 * encoding.file_bytes(_moved(moves, prices[high - 1]), labels) <= budget_bits:
        low = 1
    while low < high:
        middle = (low + high) // 2
        fits = 8 * encoding.file_bytes(_moved(moves, prices[middle - 1]), labels) <= budget_bits
        low, high = (low, middle) if fits else (middle + 1, high)
    latents = _moved(moves, prices[low - 1])
    encoding.encoder.model.set_latents([torch.from_numpy(level) for level in latents])


def _moved(moves: list[Move], highest_price: float) -> LatentLevels:
    return [move.latents + move.change * (move.price <= highest_price) for move in moves]


def _moves(encoding: Encoding, random: np.random.Generator) -> list[Move]:
    """Moves down the gradient of the rate, of some latents of each level.

    Neighbours that move together save nothing, so few are tried at a time. Changes are the means of the
    gradients before and after: a step across the predicted value saves nothing, however steep they are.
    """
    model = encoding.encoder.model
    latents = encoding.encoder.latents()
    tried = [random.random(y.shape) < TRIAL_FRACTION for y in latents]
    rate, error = _gradients(encoding)
    changes = [
        -(np.sign(gradient) * selected).astype(np.int32)
        for gradient, selected in zip(rate, tried, strict=True)
    ]
    moved = [torch.from_numpy(y + change) for y, change in zip(latents, changes, strict=True)]
    model.set_latents(moved)
    rate_after, error_after = _gradients(encoding)
    model.set_latents([torch.from_numpy(y) for y in latents])
    moves = []
    for i, (y, change) in enumerate(zip(latents, changes, strict=True)):
        bits_saved = -change * (rate[i] + rate_after[i]) / 2
        added_error = change * (error[i] + error_after[i]) / 2
        price = np.where(
            bits_saved > MIN_BITS_SAVED, added_error / np.maximum(bits_saved, MIN_BITS_SAVED), np.inf
        )
        moves.append(Move(y, change, price))
    return moves


def _gradients(encoding: Encoding) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """How bits and squared error of the whole set grow with each latent."""
    model, targets = encoding.encoder.model, encoding.encoder.targets
    rate = model.gradients(lambda chunk, levels: model.bits(chunk, levels).sum())
    error = model.gradients(
        lambda chunk, levels: (model.images(chunk, levels) - targets[chunk.index]).square().sum()
    )
    return [gradient.cpu().numpy() for gradient in rate], [gradient.cpu().numpy() for gradient in error]
