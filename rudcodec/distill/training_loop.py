"""The loop of all training stages: minimise ``rate + lmbda * (distortion + utility)``.

Warm-up, the joint phase and the tuning of latents are this loop by different schedules: warm-up has no
utility, tuning leaves the networks alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rudcodec.distill.encoder_state import NETWORK_LR, EncoderState
from rudcodec.distill.learning_rates import cosine_decay, set_learning_rate
from rudcodec.distill.schedules import TrainingSchedule
from rudcodec.distill.utility_term import UtilityTerm
from rudcodec.errors import SettingError
from rudcodec.model.quantization import SoftRounding
from rudcodec.nets.transfer import LateNumber
from rudcodec.runs import State, restore_optimizer

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

OBSERVE_EVERY_STEPS = 3


@dataclass(frozen=True)
class Training:
    """A stage that trains by a schedule, with the utility or without."""

    schedule: TrainingSchedule
    with_utility: bool = False

    def __call__(self, encoding: Encoding) -> None:
        train(encoding.encoder, self.schedule, encoding.utility_term if self.with_utility else None)


def train(encoder: EncoderState, schedule: TrainingSchedule, term: UtilityTerm | None = None) -> None:
    """Train as a schedule says; each step works on some chunks, on one where there is no utility."""
    loop = _Loop(encoder, schedule)
    num_chunks = len(encoder.chunks)
    of_step = [[chunk] for chunk in range(num_chunks)] if term is None else term.calls
    steps = schedule.epochs * len(of_step)
    report = encoder.run.stage_report(schedule.name)
    for step in encoder.run.journal.steps(steps, loop):
        fraction_done = step / steps
        indices = of_step[step % len(of_step)]
        utility, mse = loop.compute_gradients(indices, schedule.rounding(fraction_done), term)
        loop.update(indices, fraction_done)
        if step % OBSERVE_EVERY_STEPS == 0:
            observed = step // OBSERVE_EVERY_STEPS % num_chunks  # one after another
            loop.observe_rate(observed, OBSERVE_EVERY_STEPS / len(of_step))
        encoder.report(report, step + 1, steps, utility, mse)


class _Loop:
    """The optimizers, and the rate that was observed last, as a checkpoint holds them."""

    def __init__(self, encoder: EncoderState, schedule: TrainingSchedule) -> None:
        self._encoder, self._schedule = encoder, schedule
        self._latent_optimizers = encoder.latent_optimizers()
        self._network_optimizer = encoder.network_optimizer()
        self._rate = LateNumber()

    def state(self) -> State:
        """Of all processes' shards; all of them ask for it at once."""
        shards = self._encoder.run.ranks.gather([one.state() for one in self._latent_optimizers])
        return [shards, self._network_optimizer.state_dict(), self._rate.state()]

    def restore(self, state: State) -> None:
        shards, networks, rate = state
        own = shards[self._encoder.run.ranks.rank]
        for optimizer, optimizer_state in zip(self._latent_optimizers, own, strict=True):
            optimizer.restore(optimizer_state)
        restore_optimizer(self._network_optimizer, networks)
        self._rate.restore(rate)

    def compute_gradients(
        self, indices: list[int], rounding: SoftRounding | None, term: UtilityTerm | None
    ) -> tuple[Tensor | None, Tensor]:
        """Of the loss of some chunks; returns the utility, if there is one, and the mean squared error."""
        encoder = self._encoder
        utility: Tensor | None = None
        gradients: list[Tensor | None] = [None] * len(indices)
        if term is not None:
            utility, of_chunks = term.gradients(encoder, indices, rounding)
            gradients = list(of_chunks)
        mean_mse = torch.zeros((), device=encoder.run.device)
        self._network_optimizer.zero_grad()
        for index, gradient in zip(indices, gradients, strict=True):
            self._latent_optimizers[index].zero_grad()
            chunk, shard = encoder.chunks[index], encoder.shards[index]
            decoded = encoder.decode_shard(index, rounding)
            if decoded is None:
                continue
            rate = decoded.bits.sum() / encoder.pixels_in(chunk)
            mse = (decoded.images - encoder.targets[shard.index]).square().mean()
            fraction = len(shard.index) / len(chunk.index)
            loss = (rate + encoder.control.lmbda * (mse * fraction)) / len(indices)
            if gradient is not None:
                loss = loss + encoder.control.lmbda * (decoded.images * gradient[shard.rows]).sum()
            loss.backward()
            mean_mse += mse.detach() / len(indices)
        return utility, mean_mse

    def update(self, indices: list[int], fraction_done: float) -> None:
        """Let the optimizers take a step."""
        encoder, schedule = self._encoder, self._schedule
        factor = schedule.lr_factor * cosine_decay(fraction_done)
        if schedule.train_latents:
            for index in indices:
                self._latent_optimizers[index].step(factor)
        if schedule.train_networks:
            groups = sorted({group for index in indices for group, _ in encoder.chunks[index].slices})
            networks = [encoder.model.of(group) for group in groups]  # those of other groups stay as they are
            if not schedule.train_synthesis:
                for its in networks:
                    its.synthesis.zero_grad()
            trained = [its if schedule.train_synthesis else its.context for its in networks]
            parameters = [parameter for one in trained for parameter in one.parameters()]
            encoder.run.ranks.all_reduce_gradients(parameters)
            set_learning_rate(self._network_optimizer, NETWORK_LR * factor)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            self._network_optimizer.step()

    def observe_rate(self, index: int, epochs: float) -> None:
        """Tell the rate control what a chunk costs: noise has a price of its own, the file's rate is that of
        rounded latents. Raises SettingError if that is no number any more."""
        encoder = self._encoder
        chunk = encoder.chunks[index]
        rate = self._rate.follow(encoder.coded_bits(chunk) / encoder.pixels_in(chunk))
        if rate is not None:
            if not math.isfinite(rate):
                raise SettingError(
                    f"{self._schedule.name}: the latents are no numbers any more; a utility may have no "
                    "finite gradient of some images, other options or networks of it may"
                )
            encoder.control.observe(rate, epochs, self._schedule.update_lmbda)
