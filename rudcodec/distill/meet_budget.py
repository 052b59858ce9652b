"""From trained networks and latents to a file that meets its budget: stages in attempts and rounds.

An attempt makes the networks integers, tunes the latents, then tunes in short rounds until the file has 97 to
110 % of the budget; trimming does the rest. Where lmbda alone can't get there, the next attempt begins with
another quantization step size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rudcodec.distill.quantize_networks import quantize_networks
from rudcodec.distill.training_loop import TrainingSchedule, train, tuning_schedule
from rudcodec.distill.transitions import adjust_step_size
from rudcodec.distill.trim import trim
from rudcodec.runs import Stage, State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

LOWEST, HIGHEST = 0.97, 1.1  # of the budget; nearer, trimming does less harm than another round
ATTEMPTS = 4
ROUNDS = 8
EPOCHS = 15


def budget_stages(fixed_lmbda: bool, tuning_epochs: int) -> list[Stage]:
    """Stages that end with a file of the budget; where lmbda is fixed there is none to meet."""
    if fixed_lmbda:
        return [*Attempt(1).tuning_stages(tuning_epochs), Stage("labels", label_images)]
    stages: list[Stage] = []
    for number in range(1, ATTEMPTS + 1):
        attempt = Attempt(number)
        stages += attempt.tuning_stages(tuning_epochs)
        stages += attempt.round_stages()
    return [*stages, Stage("labels", label_images), Stage("trim", trim_to_budget)]


def measure_overhead(encoding: Encoding) -> None:
    """Quantize networks on trial, to learn what all but the latents will cost in the file: a stage."""
    encoder = encoding.encoder
    networks = encoder.model.networks
    saved = {name: value.clone() for name, value in networks.state_dict().items()}
    encoding.exponents = quantize_networks(encoder)
    update_target(encoding, encoding.label_images())
    networks.load_state_dict(saved)
    adjust_step_size(encoder)


def update_target(encoding: Encoding, labels: State) -> int:
    """Point the rate control at the budget by the file's real size; returns that in bytes.

    What the float model's estimate misses, and all that isn't latents, counts as overhead.
    """
    encoder = encoding.encoder
    size = encoding.file_bytes(encoder.latents(), labels)
    estimated_bits = sum(float(encoder.coded_bits(chunk)) for chunk in encoder.chunks)
    encoder.overhead_bits = 8 * size - estimated_bits
    encoder.control.target = encoder.target_rate(encoding.allocation.budget_bits)
    encoder.control.rate = estimated_bits / encoder.num_pixels
    return size


@dataclass(frozen=True)
class Attempt:
    """One attempt at a file of the budget."""

    number: int

    def tuning_stages(self, epochs: int) -> list[Stage]:
        """Make the networks integers, then tune the latents."""
        schedule = tuning_schedule(epochs, self._name("tuning"))
        return [
            Stage(self._name("quantize"), self._quantize, is_needed=self._is_needed),
            Stage(
                schedule.name,
                Training(schedule, with_utility=True),
                shared=True,
                timed=self.number == 1,
                is_needed=self._is_needed,
            ),
        ]

    def round_stages(self) -> list[Stage]:
        """Measure the file, and tune its latents by another lmbda, until it has the right size."""
        stages: list[Stage] = []
        for number in range(1, ROUNDS + 2):
            this = Round(self, number)
            stages.append(Stage(this.measure_name, this.measure, is_needed=self._is_needed))
            if number <= ROUNDS:
                schedule = TrainingSchedule(
                    f"meet budget {self.number}.{number}",
                    EPOCHS,
                    0.5,
                    rounding_start=1.0,
                    train_networks=False,
                    update_lmbda=False,
                )
                stages.append(
                    Stage(schedule.name, Training(schedule), shared=True, is_needed=self._is_needed)
                )
        return stages

    def measurements(self, encoding: Encoding) -> list[list[Any]]:
        """The rounds' measurements so far, see :meth:`Round.measure`."""
        rounds = [Round(self, number) for number in range(1, ROUNDS + 2)]
        return [encoding.results[r.measure_name] for r in rounds if r.measure_name in encoding.results]

    def _is_needed(self, encoding: Encoding) -> bool:
        """Whether no round has met the budget yet, in this attempt or an earlier one."""
        attempts = [Attempt(number) for number in range(1, self.number + 1)]
        return not any(is_met for attempt in attempts for _, _, is_met in attempt.measurements(encoding))

    def _quantize(self, encoding: Encoding) -> State:
        """Exponents of the integer networks, and labels of the images."""
        if self.number > 1:
            adjust_step_size(encoding.encoder)
        encoding.exponents = quantize_networks(encoding.encoder)
        labels = encoding.label_images()
        update_target(encoding, labels)
        return [encoding.exponents, labels]

    def _name(self, stage: str) -> str:
        return f"{stage} {self.number}"


@dataclass(frozen=True)
class Round:
    """One round of an attempt: measure, and if need be, tune by another lmbda.

    Each round of tuning costs up to half a decibel: where the first tuning has met the budget there is none.
    A file that is too small takes up more of the targets; if it stays too small it has all that is in them,
    and takes up details of the initial images.
    """

    attempt: Attempt
    number: int

    @property
    def measure_name(self) -> str:
        return f"measure {self.attempt.number}.{self.number}"

    def measure(self, encoding: Encoding) -> State:
        """[the file's part of the budget; whether it can't or needn't be larger; whether the budget is met].

        If it isn't met, lmbda is changed for the round's tuning.
        """
        encoder = encoding.encoder
        ratio = 8 * update_target(encoding, encoding.labels) / encoding.allocation.budget_bits
        is_large_enough = ratio >= LOWEST or encoder.control.target >= encoder.max_rate
        if self.number > ROUNDS:
            return [ratio, is_large_enough, ratio <= HIGHEST]
        is_met = is_large_enough and ratio <= HIGHEST
        if not is_met:
            earlier = self.attempt.measurements(encoding)
            if not is_large_enough and any(not large_enough for _, large_enough, _ in earlier):
                encoder.targets = encoder.initial_images
            encoder.control.scale_lmbda(lmbda_factor([*(r for r, _, _ in earlier), ratio]))
        return [ratio, is_large_enough, is_met]


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


@dataclass(frozen=True)
class Training:
    """A stage that trains by a schedule, with the utility or without."""

    schedule: TrainingSchedule
    with_utility: bool = False

    def __call__(self, encoding: Encoding) -> None:
        train(encoding.encoder, self.schedule, encoding.utility_term if self.with_utility else None)


def label_images(encoding: Encoding) -> State:
    """Labels of the images as they are now: a stage."""
    return encoding.label_images()


def trim_to_budget(encoding: Encoding) -> None:
    """Trim the file to its budget: a stage."""
    trim(encoding, encoding.results["labels"])
