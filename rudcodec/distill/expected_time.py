"""What stages are expected to take, for a guess of what is left of a run before it has come to them."""

from __future__ import annotations

from rudcodec.distill.chunks import CPU_CHUNK
from rudcodec.distill.inputs import Inputs
from rudcodec.distill.quantize_networks import BATCH_SIZE, training_steps
from rudcodec.distill.schedules import PRETRAINING_STEPS, warmup_schedules
from rudcodec.settings import NO_UTILITY
from rudcodec.utility.mm import MomentMatching

# Seconds on one core of a CPU, with pictures of 32 x 32 (experiments/2026-11-cost.md); time goes with pixels.
# On another machine all are off by a factor, which the stages so far tell.
_PIXELS = 32 * 32
_VIEW = 0.0007
_NETWORK_STEP = 0.06
_MOMENTS = 0.00027  # of a real image, for a network
_WARMUP, _JOINT, _TUNING = 0.0012, 0.0018, 0.0017  # for an image and epoch
_INTEGERS, _INTEGER_STEP = 0.005, 0.06  # for an image and a step; they are made once on trial, then again


def expected_seconds(inputs: Inputs, processes: int = 1) -> dict[str, float]:
    """Of the stages that take long, by their names, and of real images' "moments" before the joint phase; in
    order. Only ratios are worth anything.

    Selection isn't among them: it is short, and its pace says little of the others'. What the first one of
    several ``processes`` does alone takes so many times as long beside what they share.
    """
    settings = inputs.settings
    images = inputs.num_classes * inputs.planned_allocation.ipc
    first_warmup, second_warmup = warmup_schedules(settings.warmup)
    label_stages = {stage.name: _VIEW * settings.label_views for stage in inputs.label_mode.stages()}
    integers = processes * _integers(images, inputs.demand().num_groups)
    networks, moments = _moment_matching(inputs, images // inputs.num_classes)
    seconds = {
        **label_stages,
        "utility networks": networks,
        "pretraining": _WARMUP * CPU_CHUNK * PRETRAINING_STEPS,
        "warm-up 1": _WARMUP * images * first_warmup.epochs,
        "overhead": integers if settings.lmbda is None else 0.0,
        "warm-up 2": _WARMUP * images * second_warmup.epochs,
        "moments": processes * moments,
        "joint": _JOINT * images * settings.joint,
        "quantize 1": integers,
        "tuning 1": _TUNING * images * settings.tune,
    }
    scale = inputs.real.height * inputs.real.width / _PIXELS
    return {stage: scale * value for stage, value in seconds.items() if value}


def _integers(images: int, groups: int) -> float:
    """Of making the networks of all groups integers."""
    steps = training_steps(images // groups // BATCH_SIZE)
    return _INTEGERS * images + _INTEGER_STEP * steps * groups


def _moment_matching(inputs: Inputs, ipc: int) -> tuple[float, float]:
    """Of training the networks whose features are matched, and of taking real images' moments; other
    utilities have neither."""
    if inputs.settings.utility == NO_UTILITY:
        return 0.0, 0.0
    utility, real = inputs.new_utility(), inputs.real
    if not isinstance(utility, MomentMatching):
        return 0.0, 0.0
    pool = utility.pool(real)
    labels = inputs.num_classes * inputs.num_clusters(utility, ipc)
    seen = pool.runs * pool.snapshots * min(len(real), labels * utility.options.real_batch)
    return _NETWORK_STEP * pool.runs * pool.steps, _MOMENTS * seen
