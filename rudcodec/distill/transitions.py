"""What is done between training stages: step sizes, targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rudcodec.distill.encoder_state import EncoderState
from rudcodec.distill.initial_model import MIN_STEP_SIZE, scale_for_rate_ratio
from rudcodec.distill.schedules import pretraining_schedule
from rudcodec.distill.training_loop import train

if TYPE_CHECKING:
    from rudcodec.distill.encoding import Encoding

# The joint phase aims so far above the budget: what it makes loses bits while it is rounded and tuned, and
# never gains any.
TARGET_OVERSHOOT = 1.08


def pretrain_networks(encoding: Encoding) -> None:
    """Teach the networks the initial latents, then choose the step size by the rate that is left: a stage.

    An untrained context network overrates the rate ten times, which would send lmbda astray.
    """
    encoder = encoding.encoder
    train(encoder, pretraining_schedule(len(encoder.chunks)))
    if not encoder.control.fixed:
        adjust_step_size(encoder)


def adjust_step_size(encoder: EncoderState) -> None:
    """Change the quantization step size so that the rate is on target, or nearer, where that is far.

    Where latents are large the rate follows the step size rather than lmbda, and networks learn it slowly.
    """
    control = encoder.control
    assert control.rate is not None
    wanted = scale_for_rate_ratio(encoder.model.unrounded(), control.target / control.rate)
    factor = min(max(0.5, min(2.0, wanted)), encoder.step_size / MIN_STEP_SIZE)
    encoder.model.refine(factor)
    encoder.step_size /= factor
    control.scale_lmbda(factor**2)
    control.rate = control.target if factor == wanted else encoder.coded_rate()


def raise_target(encoding: Encoding) -> None:
    """Let the joint phase spend some more bits than there are, as it loses as many afterwards: a stage."""
    encoder = encoding.encoder
    encoder.control.target = min(TARGET_OVERSHOOT * encoder.control.target, encoder.max_rate)


def take_decoded_as_targets(encoding: Encoding) -> None:
    """From here on the images that the joint phase has made are what is to be kept, not the initial ones,
    which rounding and tuning would lead back to: a stage."""
    encoding.encoder.targets = encoding.encoder.decode_all()
