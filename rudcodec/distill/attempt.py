"""One attempt at a file of the budget: integer networks, tuned latents, rounds, trimming, a check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rudcodec.distill.acceptance import is_as_good_as_trained, leaves_too_much
from rudcodec.distill.coarse_images import take_coarse_images
from rudcodec.distill.quality import Quality, file_quality
from rudcodec.distill.quantize_networks import quantize_networks
from rudcodec.distill.rounds import HIGHEST, LOWEST, OPEN, Rounds, update_target
from rudcodec.distill.schedules import pretraining_schedule, safe_warmup_schedule, tuning_schedule
from rudcodec.distill.training_loop import Training, train
from rudcodec.distill.transitions import adjust_step_size
from rudcodec.distill.trim import trim
from rudcodec.runs import Stage, State

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

FIRST_SAFE, ATTEMPTS = 3, 6
LAST_RESORT = ATTEMPTS + 1
# Factor, from one attempt to the next, of the weight of distortion against weights' bits when integers are
# chosen; its inverse where those bits take more than half of the file.
FINER = 4.0


class Check(NamedTuple):
    """What has become of an attempt.

    Attributes:
        fits: the file is within the budget.
        psnr: of the file's images against the initial ones; ``target_psnr``: against the targets.
        good: it fits, and hasn't lost too much.
        accepted: it is good, and large enough.
        state: what the attempt has ended with: a ``snapshot``, ``exponents`` of the integer networks and
            ``labels``; None where it is accepted: nothing comes after it.
    """

    fits: bool
    psnr: float
    target_psnr: float
    good: bool
    accepted: bool
    state: State

    @property
    def quality(self) -> Quality:
        """Of the file's images."""
        return Quality(self.psnr, self.target_psnr)


@dataclass(frozen=True)
class Attempt:
    """One attempt at a file of the budget."""

    number: int

    @property
    def is_safe(self) -> bool:
        """Whether it begins with the initial model, and leaves its synthesis networks as they are."""
        return self.number >= FIRST_SAFE

    def stages(self, tuning_epochs: int) -> list[Stage]:
        """All of them, in order."""
        stages = []
        if self.number > 1:
            stages.append(Stage(self._name("start"), self._start, is_needed=self._is_needed))
        if self.is_safe:
            stages += self._safe_stages()
        stages += self.tuning_stages(tuning_epochs)
        stages += self.rounds.stages()
        stages.append(Stage(self._name("labels"), label_images, is_needed=self._is_trimmed))
        stages.append(Stage(self._name("trim"), self._trim, is_needed=self._is_trimmed))
        stages.append(Stage(self._name("check"), self.check, is_needed=self._is_trimmed))
        return stages

    def last_stages(self) -> list[Stage]:
        """Of the last resort, where no attempt has made a file that is accepted: images without training."""
        return [
            Stage(self._name("coarse images"), take_coarse_images, is_needed=self._is_needed),
            Stage(self._name("check"), self.check, is_needed=self._is_needed),
        ]

    def tuning_stages(self, epochs: int) -> list[Stage]:
        """Make the networks integers, then tune the latents."""
        tune = partial(self._tune, epochs)
        first = self.number == 1
        return [
            Stage(self._name("quantize"), self._quantize, is_needed=self._is_needed),
            Stage(self._name("tuning"), tune, shared=True, timed=first, is_needed=self._is_needed),
        ]

    def check_of(self, encoding: Encoding) -> Check | None:
        """What the check has found, None if there was none."""
        result = encoding.results.get(self._name("check"))
        return None if result is None else Check(**result)

    @property
    def rounds(self) -> Rounds:
        """Those in which its file is tuned to the budget."""
        return Rounds(self.number, self._is_needed, with_utility=not self.is_safe)

    def _is_needed(self, encoding: Encoding) -> bool:
        """Whether no earlier attempt was accepted; with a utility, a safe one is worse than a small file."""
        small_will_do = self.is_safe and encoding.has_utility
        earlier = [Attempt(number).check_of(encoding) for number in range(1, self.number)]
        return not any(
            check.accepted or (small_will_do and check.good) for check in earlier if check is not None
        )

    def _is_trimmed(self, encoding: Encoding) -> bool:
        """Whether the file is near enough its budget, be it good or bad."""
        last = self.rounds.last(encoding)
        is_met = last is not None and last.ratio <= HIGHEST and last.outcome != OPEN
        return is_met and self._is_needed(encoding)

    def _start(self, encoding: Encoding) -> None:
        """Begin anew, with what the attempt before has shown of the file's size."""
        encoder = encoding.encoder
        measurements = Attempt(self.number - 1).rounds.measurements(encoding)
        encoding.go_back(encoding.results["training"]["snapshot"])
        overhead_bits = measurements[0].overhead_bits
        # less than nothing: latents so large that they took far less than they were estimated, not for long
        encoder.overhead_bits = overhead_bits if overhead_bits > 0 else encoding.allocation.overhead_bits
        encoder.control.target = encoder.target_rate(encoding.allocation.budget_bits)
        if self.is_safe:
            encoding.reset_model(encoder.control.target * encoder.num_pixels * self._correction(encoding))
        elif not LOWEST <= measurements[-1].ratio <= HIGHEST:
            adjust_step_size(encoder)

    def _correction(self, encoding: Encoding) -> float:
        """What the safe attempts so far say that the initial model's bits are to be multiplied by."""
        factor, budget_bits = 1.0, encoding.allocation.budget_bits
        for number in range(FIRST_SAFE, self.number):
            last = Attempt(number).rounds.measurements(encoding)[-1]
            bits = last.ratio * budget_bits - last.overhead_bits
            wanted = budget_bits - last.overhead_bits
            step = max(0.25, min(4.0, wanted / max(bits, 1.0)))
            factor *= step if step > 1 else step**2  # at low rates most of the bits are zeros' own
        return max(factor, 0.001)

    def _safe_stages(self) -> list[Stage]:
        warmup = safe_warmup_schedule(self._name("warm-up"))
        return [
            Stage(self._name("pretraining"), self._pretrain, shared=True, is_needed=self._is_needed),
            Stage(warmup.name, Training(warmup), shared=True, is_needed=self._is_needed),
        ]

    def _pretrain(self, encoding: Encoding) -> None:
        """Teach the context networks the initial latents."""
        num_chunks = len(encoding.encoder.chunks)
        train(
            encoding.encoder,
            pretraining_schedule(num_chunks, self._name("pretraining"), train_synthesis=False),
        )

    def _quantize(self, encoding: Encoding) -> State:
        """Make the networks integers; returns their ``exponents``, and ``labels`` of the images."""
        encoder = encoding.encoder
        crowded = encoder.overhead_bits > 0.5 * encoding.allocation.budget_bits
        fineness = FINER ** ((1 - self.number) if crowded else (self.number - 1))
        encoding.exponents = quantize_networks(encoder, fineness)
        encoding.labels = encoding.label_images()
        update_target(encoding, encoding.labels)
        return {"exponents": encoding.exponents, "labels": encoding.labels}

    def _tune(self, epochs: int, encoding: Encoding) -> None:
        """Tune the latents, with the utility where there is one."""
        with_utility = encoding.has_utility and not self.is_safe
        schedule = tuning_schedule(epochs, self._name("tuning"), with_utility=with_utility)
        Training(schedule, with_utility)(encoding)

    def _trim(self, encoding: Encoding) -> bool:
        """Trim the file; whether it fits then."""
        encoding.labels = encoding.results[self._name("labels")]
        return trim(encoding, encoding.labels)

    def check(self, encoding: Encoding) -> State:
        """Compare the file with what was trained; returns a :class:`Check` by names."""
        if self.number == LAST_RESORT:
            coarse = encoding.results[self._name("coarse images")]
            encoding.exponents, encoding.labels = coarse["exponents"], coarse["labels"]
            fits = coarse["fits"]
        else:
            encoding.labels = encoding.results[self._name("labels")]
            fits = encoding.results.get(self._name("trim"), True)
        encoder = encoding.encoder
        quality = file_quality(encoding, encoding.payload(encoder.latents(), encoding.labels))
        last = self.rounds.last(encoding)
        is_large_enough = last is None or (
            last.is_large_enough and (last.ratio >= LOWEST or not leaves_too_much(encoding, quality))
        )
        good = fits and is_as_good_as_trained(encoding, quality)
        accepted = good and is_large_enough
        state = None
        if not accepted:
            state = {
                "snapshot": encoding.snapshot(),
                "exponents": encoding.exponents,
                "labels": encoding.labels,
            }
        return Check(fits, quality.initial, quality.targets, good, accepted, state)._asdict()

    def _name(self, stage: str) -> str:
        return f"{stage} {self.number}"


def label_images(encoding: Encoding) -> State:
    """Labels of the images as they are now: a stage."""
    return encoding.label_images()
