"""Lagrangian rate control: log(lmbda) follows the budget by dual ascent."""

from __future__ import annotations

import math

RESPONSE_EPOCHS = 15
TREND_DAMPING = 0.5
MAX_LOG_CHANGE = 0.05


class RateControl:
    """Finds the lmbda of ``rate + lmbda * (distortion + utility)`` at which the rate is ``target``.

    lmbda grows while the rate is below the target and shrinks while it is above. The rate is smoothed over
    about ten observations. Latents answer a change of lmbda only after some ``RESPONSE_EPOCHS`` epochs, so
    the ascent is as slow, the error's trend damps it, and one observation moves log(lmbda) by at most
    ``MAX_LOG_CHANGE``.

    ``target`` and observed rates are in any one unit; ``lmbda`` is the first guess, or ``fixed``; it grows
    no further than ``max_lmbda``, beyond which distortion is all that counts.
    """

    def __init__(self, target: float, lmbda: float, fixed: bool = False, max_lmbda: float = math.inf) -> None:
        self.target = target
        self.lmbda = lmbda
        self.fixed = fixed
        self.max_lmbda = max_lmbda
        self.rate: float | None = None

    def scale_lmbda(self, factor: float) -> None:
        """Multiply lmbda."""
        self.lmbda = min(self.lmbda * factor, max(self.lmbda, self.max_lmbda))

    def observe(self, rate: float, epochs: float, update_lmbda: bool) -> None:
        """Take a rate, observed ``epochs`` after the last one; ``update_lmbda``: and move lmbda."""
        before = self.rate if self.rate is not None else rate
        self.rate = 0.9 * before + 0.1 * rate
        if self.fixed or not update_lmbda:
            return
        error = math.log(self.target / max(self.rate, 1e-9))
        trend = math.log(max(before, 1e-9) / max(self.rate, 1e-9))
        move = epochs / RESPONSE_EPOCHS * error + TREND_DAMPING * trend
        self.scale_lmbda(math.exp(max(-MAX_LOG_CHANGE, min(MAX_LOG_CHANGE, move))))
