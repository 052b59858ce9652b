"""How each kind of training stage trains."""

from __future__ import annotations

from dataclasses import dataclass

from rudcodec.model.quantization import SoftRounding

# The last part of a stage with noise, at most so many epochs, rounds straight through: for longer, latents
# drift to where they flip, and the rate runs away, unless steps are as small as in tuning with a utility.
STRAIGHT_FRACTION, MAX_STRAIGHT_EPOCHS = 0.2, 90
FIRST_WARMUP_FRACTION = 0.6
PRETRAINING_STEPS = 300
# Epochs of the warm-up of a safe attempt, and of a round while meeting the budget.
SAFE_WARMUP_EPOCHS, MEET_BUDGET_EPOCHS = 60, 15


@dataclass(frozen=True)
class TrainingSchedule:
    """How a stage trains.

    Attributes:
        name: of the stage, for reports.
        epochs: passes over all images.
        lr_factor: of the learning rates.
        rounding_start: where in 0..1 the schedule of soft rounding begins (0: much noise, 1: little); None:
            rounding straight through from the first step.
        train_latents, train_networks: which of the two move.
        train_synthesis: of the networks, whether the synthesis networks move, too.
        update_lmbda: whether the rate control moves lmbda.
    """

    name: str
    epochs: int
    lr_factor: float
    rounding_start: float | None
    train_latents: bool = True
    train_networks: bool = True
    train_synthesis: bool = True
    update_lmbda: bool = True

    def rounding(self, fraction_done: float) -> SoftRounding | None:
        """Soft rounding first, then straight through (None) at the end."""
        soft = 1 - min(STRAIGHT_FRACTION, MAX_STRAIGHT_EPOCHS / self.epochs)
        if self.rounding_start is None or fraction_done >= soft:
            return None
        start = self.rounding_start
        return SoftRounding.at(start + (1 - start) * fraction_done / soft)


def warmup_schedules(epochs: int) -> tuple[TrainingSchedule, TrainingSchedule]:
    """Rate and distortion; between the two, a trial file tells what it will take."""
    first = round(FIRST_WARMUP_FRACTION * epochs)
    return (
        TrainingSchedule("warm-up 1", first, 1.0, rounding_start=0.0),
        TrainingSchedule("warm-up 2", epochs - first, 0.5, rounding_start=0.3),
    )


def pretraining_schedule(
    num_chunks: int, name: str = "pretraining", train_synthesis: bool = True
) -> TrainingSchedule:
    """Of the networks, on the initial latents: as many steps, however many chunks these are in."""
    return TrainingSchedule(
        name,
        -(-PRETRAINING_STEPS // num_chunks),
        2.0,
        rounding_start=None,
        train_latents=False,
        train_synthesis=train_synthesis,
        update_lmbda=False,
    )


def joint_schedule(epochs: int) -> TrainingSchedule:
    """Rate, distortion and utility."""
    return TrainingSchedule("joint", epochs, 0.5, rounding_start=0.5)


def tuning_schedule(epochs: int, name: str, *, with_utility: bool) -> TrainingSchedule:
    """Of the latents, after the networks have become integers.

    With a utility there is no noise, under which latents would lose what it has made of them; then steps are
    small, since large ones make latents flip from one integer to the next.
    """
    lr_factor, start = (0.1, None) if with_utility else (0.5, 0.8)
    return TrainingSchedule(name, epochs, lr_factor, rounding_start=start, train_networks=False)


def safe_warmup_schedule(name: str) -> TrainingSchedule:
    """Rate and distortion, where the synthesis stays as it is."""
    return TrainingSchedule(name, SAFE_WARMUP_EPOCHS, 0.5, rounding_start=0.3, train_synthesis=False)


def meet_budget_schedule(name: str) -> TrainingSchedule:
    """Of the latents, by another lmbda."""
    return TrainingSchedule(
        name, MEET_BUDGET_EPOCHS, 0.5, rounding_start=1.0, train_networks=False, update_lmbda=False
    )
