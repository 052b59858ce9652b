"""Short rounds of tuning, by one lmbda and another, until the file is near its budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rudcodec.distill.acceptance import NOTHING_LEFT, is_lost
from rudcodec.distill.quality import file_quality
from rudcodec.distill.schedules import meet_budget_schedule
from rudcodec.distill.training_loop import Training
from rudcodec.runs import Stage, State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

IsNeeded = Callable[["Encoding"], bool]

LOWEST, HIGHEST = 0.97, 1.1  # of the budget; nearer, trimming does less harm than another round
ROUNDS = 8
OPEN, MET, LOST = "open", "met", "lost"


def update_target(encoding: Encoding, labels: State) -> int:
    """Point the rate control at the budget by the file's real size; returns that in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    encoder = encoding.encoder
    size = encoding.file_bytes(encoder.latents(), labels)
    estimated_bits = encoder.all_coded_bits()
    encoder.overhead_bits = 8 * size - estimated_bits
    encoder.control.target = encoder.target_rate(encoding.allocation.budget_bits)
    encoder.control.rate = estimated_bits / encoder.num_pixels
    return size


class Measurement(NamedTuple):
    """What a round has measured, and concluded.

    Attributes:
        ratio: of the file's size to the budget.
        is_large_enough: it can't or needn't be larger.
        overhead_bits: the file's.
        outcome: ``MET`` where the file meets the budget, ``LOST`` where more rounds are in vain, or ``OPEN``.
    """

    ratio: float
    is_large_enough: bool
    overhead_bits: float
    outcome: str


@dataclass(frozen=True)
class Rounds:
    """The rounds of one attempt.

    Attributes:
        attempt: its number.
        is_needed: whether an encoding needs this attempt.
        with_utility: whether tuning heeds the utility; without it, it undoes in part what that has made.
    """

    attempt: int
    is_needed: IsNeeded
    with_utility: bool

    def stages(self) -> list[Stage]:
        """All of them, in order."""
        return [stage for each in self._each() for stage in each.stages()]

    def measurements(self, encoding: Encoding) -> list[Measurement]:
        """The rounds' measurements so far."""
        names = [each.measure_name for each in self._each()]
        return [Measurement(**encoding.results[name]) for name in names if name in encoding.results]

    def last(self, encoding: Encoding) -> Measurement | None:
        """The last measurement; None where no round has measured the file."""
        return next(reversed(self.measurements(encoding)), None)

    def is_tuned_on(self, encoding: Encoding) -> bool:
        """Whether no round of this attempt has met the budget yet, nor shown that it won't do."""
        measurements = self.measurements(encoding)
        return self.is_needed(encoding) and all(each.outcome == OPEN for each in measurements)

    def _each(self) -> list[Round]:
        return [Round(self, number) for number in range(1, ROUNDS + 2)]


@dataclass(frozen=True)
class Round:
    """One round of an attempt: measure the file, and if need be, tune by another lmbda.

    Each round of tuning costs up to half a decibel: where the first tuning has met the budget there is none.
    A file that is too small takes up more of the targets, until nothing is left of them: with a utility these
    are the images that it has made, and details of the initial ones would undo what it has changed.
    """

    rounds: Rounds
    number: int

    @property
    def measure_name(self) -> str:
        return f"measure {self.rounds.attempt}.{self.number}"

    def stages(self) -> list[Stage]:
        """Measure; and tune, but for the last round."""
        stages = [Stage(self.measure_name, self.measure, is_needed=self.rounds.is_tuned_on)]
        if self.number <= ROUNDS:
            schedule = meet_budget_schedule(f"meet budget {self.rounds.attempt}.{self.number}")
            training = Training(schedule, with_utility=self.rounds.with_utility)
            stages.append(Stage(schedule.name, training, shared=True, is_needed=self.rounds.is_tuned_on))
        return stages

    def measure(self, encoding: Encoding) -> State:
        """Measure the file; where the outcome is ``OPEN``, change lmbda for the tuning of another round.

        Returns a :class:`Measurement` by names.
        """
        return self._measurement(encoding)._asdict()

    def _measurement(self, encoding: Encoding) -> Measurement:
        encoder = encoding.encoder
        ratio = 8 * update_target(encoding, encoding.labels) / encoding.allocation.budget_bits
        is_large_enough = ratio >= LOWEST or encoder.control.target >= encoder.max_rate
        if self.number == 1 or not is_large_enough:
            payload = encoding.payload(encoder.latents(), encoding.labels)
            quality = file_quality(encoding, payload)
            is_large_enough = is_large_enough or quality.targets >= NOTHING_LEFT
            if self.number == 1 and is_lost(encoding, quality):
                return Measurement(ratio, is_large_enough, encoder.overhead_bits, LOST)
        is_small_enough = ratio <= HIGHEST
        if self.number > ROUNDS:
            outcome = MET if is_small_enough else LOST
            return Measurement(ratio, is_large_enough, encoder.overhead_bits, outcome)
        is_met = is_large_enough and is_small_enough
        if not is_met:
            earlier = self.rounds.measurements(encoding)
            encoder.control.scale_lmbda(lmbda_factor([*(each.ratio for each in earlier), ratio]))
        return Measurement(ratio, is_large_enough, encoder.overhead_bits, MET if is_met else OPEN)


def lmbda_factor(ratios: Sequence[float]) -> float:
    """What to multiply lmbda by, when the rounds so far have given sizes ``ratios`` times the wanted one.

    It pushes harder and harder one way, less hard after each change of side. Not a bisection: latents drift
    as they train, so that a bound found some rounds ago may hold no more.
    """
    push, error = 2.0, 0.0
    for ratio in ratios:
        previous, error = error, -math.log(ratio)
        if previous != 0:
            push *= 2.0 if error * previous > 0 else 0.5
    return math.exp(max(-1.4, min(1.4, push * error)))
