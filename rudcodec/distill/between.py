"""What is done to a training between its stages."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rudcodec.distill import fit
from rudcodec.distill.assemble import Assembly
from rudcodec.distill.initial import refinement_for
from rudcodec.distill.integers import integer_groups, quantize_networks
from rudcodec.distill.stage import Stage, run_stage
from rudcodec.distill.training import Training

SETTLE_STEPS = 300
# Of the latents' bits, in the joint phase: what it makes loses bits where rounding and tuning keep it, and
# can't gain any. CIFAR-10 came out of joint phases at 92 to 99 % of the target, and lost 1 to 3 % in tuning.
OVERSHOOT = 1.08


def aim_high(training: Training) -> None:
    control = training.control
    control.target = min(OVERSHOOT * control.target, training.ceiling)


def decoded_images(training: Training) -> Tensor:
    """The images as the joint phase has left them: from here on they are what is to be kept, not the real
    ones, which rounding and tuning would lead back to."""
    images = torch.empty_like(training.images)
    for chunk in training.chunks:
        images[chunk.index] = training.images_of(chunk, None)
    return images


def settle(training: Training) -> None:
    """Teach the networks the initial latents, then choose the step by the rate that is left.

    An untrained context model overrates the rate ten times, which would send lmbda astray.
    """
    passes = -(-SETTLE_STEPS // len(training.chunks))
    stage = Stage("settle", passes, 2.0, start=None, train_latents=False, steer=False)
    run_stage(training, stage)
    if not training.control.fixed:
        set_step(training)


def survey(training: Training, assembly: Assembly, budget: float) -> None:
    """Write a file on trial, to learn what all but the latents will cost."""
    networks = training.model.networks
    kept = {name: value.clone() for name, value in networks.state_dict().items()}
    groups = integer_groups(training.model, quantize_networks(training))
    labels = assembly.labels(groups, fit.current(training))
    fit.aim(training, partial(assembly, groups, labels), budget)
    networks.load_state_dict(kept)
    set_step(training)


def set_step(training: Training) -> None:
    """Change the quantization step so that the rate is on target.

    Where latents are large the rate follows the step rather than lmbda, and networks learn a step slowly.
    """
    control = training.control
    assert control.rate is not None
    factor = refinement_for(training.model.unrounded(), control.target / control.rate)
    training.model.refine(factor)
    control.lmbda *= factor**2
    control.rate = control.target
