"""Lagrangian rate control: log(lmbda) follows the budget by dual ascent."""

from __future__ import annotations

import math

RESPONSE = 15
DAMPING = 0.5
LIMIT = 0.05


class RateControl:
    """Finds the lmbda of ``rate + lmbda * utility`` at which the rate is ``target``.

    lmbda grows while the rate is below the target and shrinks while it is above. The rate is smoothed over
    about ten observations. Latents answer a change of lmbda only after some ``RESPONSE`` steps of their own, so
    the ascent is as slow, the error's trend damps it, and one observation moves log(lmbda) by at most ``limit``.

    Args:
        target: rate to reach, in any unit.
        lmbda: first guess.
        chunks: observations between two steps of one latent.
    """

    def __init__(self, target: float, lmbda: float, chunks: int) -> None:
        self.target = target
        self.lmbda = lmbda
        self.gain = 1 / (RESPONSE * chunks)
        self.rate: float | None = None

    def observe(self, rate: float, steer: bool = True) -> None:
        """Take the rate of the latest iteration, in the unit of ``target``; ``steer``: and move lmbda."""
        before = self.rate if self.rate is not None else rate
        self.rate = 0.9 * before + 0.1 * rate
        if not steer:
            return
        error = math.log(self.target / max(self.rate, 1e-9))
        trend = math.log(max(before, 1e-9) / max(self.rate, 1e-9))
        move = self.gain * error + DAMPING * trend
        self.lmbda *= math.exp(max(-LIMIT, min(LIMIT, move)))
