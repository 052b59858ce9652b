"""What stages are expected to take, for a guess of what is left of a run before it has come to them."""

from __future__ import annotations

from rudcodec.distill.chunks import CPU_CHUNK
from rudcodec.distill.inputs import Inputs
from rudcodec.distill.schedules import PRETRAINING_STEPS, warmup_schedules
from rudcodec.utility import make_utility
from rudcodec.utility.mm import MomentMatching

# Seconds on one core of a CPU, with pictures of 32 x 32 (experiments/2026-11-cost.md); time goes with pixels.
# On another machine all are off by a factor, which the stages so far tell.
_PIXELS = 32 * 32
_VIEW = 0.0008
_NETWORK_STEP = 0.1
_WARMUP, _JOINT, _TUNING = 0.0015, 0.0022, 0.0024  # for an image and epoch
_INTEGERS = 0.14  # for an image; measured once on trial, then made


def expected_seconds(inputs: Inputs) -> dict[str, float]:
    """Of the stages that take long, by their names, in order. Only ratios are worth anything.

    Selection isn't among them: it is short, and its pace says little of the others'.
    """
    settings = inputs.settings
    images = inputs.num_classes * inputs.allocate(inputs.label_mode.shared_bits({})).ipc
    first_warmup, second_warmup = warmup_schedules(settings.warmup)
    label_stages = {stage.name: _VIEW * settings.label_views for stage in inputs.label_mode.stages()}
    seconds = {
        **label_stages,
        "utility networks": _NETWORK_STEP * _network_steps(inputs),
        "pretraining": _WARMUP * CPU_CHUNK * PRETRAINING_STEPS,
        "warm-up 1": _WARMUP * images * first_warmup.epochs,
        "overhead": _INTEGERS / 2 * images if settings.lmbda is None else 0.0,
        "warm-up 2": _WARMUP * images * second_warmup.epochs,
        "joint": _JOINT * images * settings.joint,
        "quantize 1": _INTEGERS / 2 * images,
        "tuning 1": _TUNING * images * settings.tune,
    }
    scale = inputs.real.height * inputs.real.width / _PIXELS
    return {stage: scale * value for stage, value in seconds.items() if value}


def _network_steps(inputs: Inputs) -> int:
    """Steps of the networks whose features are matched; other utilities have none of their own."""
    settings = inputs.settings
    if settings.utility != "mm":
        return 0
    utility = make_utility("mm", inputs.recipe, settings.utility_options)
    assert isinstance(utility, MomentMatching)
    pool = utility.pool(inputs.real)
    return pool.runs * pool.steps
