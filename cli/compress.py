"""``rudcodec compress``: a labelled image set becomes one .rud file."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rudcodec
from rudcodec.display import ProgressView
from rudcodec.processes import is_first_process
from rudcodec.run_files import CHECKPOINT_SECONDS, checkpoints_in
from rudcodec.settings import RUN_SECTION, Settings
from rudcodec.text import clock, counted, per_class, short
from rudcodec.threads import prepare_for_images

from .commands import RareOption, closing, command, is_quiet, is_verbose
from .estimate import print_estimate
from .job import Job
from .metrics import Metrics
from .outputs import (
    STANDARD_OUTPUT,
    Destination,
    force_flag,
    send_or_keep,
    shown_output,
    staged,
    write_output,
)
from .preview import preview_png
from .reading import class_flag, reading_flags, size_flag, split_flag
from .setting_flags import setting_flags
from .values import FiniteRange, Input

if TYPE_CHECKING:
    from rudcodec.distill import CompressResult, Estimate
    from rudcodec.distill.inputs import Inputs

_SET = "A set that is distilled already"


@command("compress", "Distill an image set into a .rud file.")
@click.argument("source", metavar="SRC", type=Input())
@click.argument("out", metavar="OUT", type=Destination())
@size_flag
@reading_flags
@split_flag
@class_flag
@click.option(
    "--from-tensors",
    "distilled",
    is_flag=True,
    cls=RareOption,
    section=_SET,
    help="SRC is one: code it as it is.",
)
@click.option(
    "--real", type=Input(), metavar="SRC", cls=RareOption, section=_SET, help="The set that it stands for."
)
@setting_flags
@click.option("--dry-run", is_flag=True, help="Only say what it would take.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@force_flag
@click.option("--preview", type=Destination(), metavar="PNG", help="Write a contact sheet.")
@click.option("--log", type=Destination(), metavar="FILE", help="Write metrics as JSON lines.")
@click.option(
    "--checkpoint-every",
    "checkpoint_seconds",
    type=FiniteRange(0),
    default=CHECKPOINT_SECONDS,
    metavar="S",
    cls=RareOption,
    section=RUN_SECTION,
    help="Seconds between checkpoints (60).",
)
@click.option(
    "--tensorboard",
    type=click.Path(path_type=Path),
    metavar="DIR",
    cls=RareOption,
    section=RUN_SECTION,
    help="Write metrics for TensorBoard, too.",
)
def compress(**flags: Any) -> None:
    """Distill the image set SRC into the file OUT (- is standard output).

    SRC: class folders, an archive, arrays, tensors, or a name such as digits.
    """
    job = Job(**flags)
    job.check()
    is_first, goes_on = is_first_process(), job.files.goes_on
    with ExitStack() as stack:
        view = stack.enter_context(ProgressView(not is_first or is_quiet()))
        metrics = stack.enter_context(Metrics(view, *job.metrics_paths, append=goes_on))
        sets = job.read(view)
        prepare_for_images(os.environ, *sets.image_size)
        asked = job.settings(sets.num_classes)
        inputs = sets.resolve(asked)
        if is_first and goes_on and not job.dry_run:
            _check_goes_on(inputs, job)
        metrics.settings(inputs.settings)
        if is_first:
            _say_beforehand(view, inputs, asked)
            if job.resume and not job.dry_run:
                found = "going on with" if goes_on else "begins anew: no unfinished run in"
                view.say(f"{found} {job.files.checkpoints}")
        if job.dry_run:
            if is_first:
                expected = _estimated(inputs, metrics)
                view.stop()
                print_estimate(expected, inputs.settings, sets.num_images)
            return
        target = staged(job.out, stack)
        result = _encoded(inputs, target, job, metrics)
        if not is_first:
            return
        # the file first: what else is written may fail
        if job.is_to_standard_output:
            send_or_keep(target)
        metrics.result(result)
        if job.preview is not None:
            write_output(preview_png(rudcodec.load(target)), job.preview)
    to_standard_output = STANDARD_OUTPUT in (job.out, job.preview, job.log)
    closing(f"{shown_output(job.out)}: {_outcome(result, inputs.settings)}", err=to_standard_output)


def _say_beforehand(view: ProgressView, inputs: Inputs, asked: Settings) -> None:
    """Say what is about to be done: of settings ``asked`` for, what was left open."""
    settings = inputs.settings
    if is_verbose():
        view.say(_software(settings))
    if asked.bpc == math.inf and asked.lmbda is None:
        view.say(_default_budget(settings.bpc, inputs.num_classes))
    for note in inputs.notes:
        view.say(f"note: {note}")
    view.say(f"settings: {settings}")


def _software(settings: Settings) -> str:
    """What computes."""
    import torch

    from rudcodec.nets.device import pick_device

    device = pick_device(settings.device)
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{counted(torch.get_num_threads(), 'thread')}"
    )
    return f"rudcodec {rudcodec.__version__}, torch {torch.__version__}, {device.type}, {name}"


def _default_budget(bpc: float, num_classes: int) -> str:
    return (
        f"budget: {short(bpc)} bits per class, {bpc * num_classes / 8e3:,.1f} kB in all, to suit the set; "
        f"for more or less --bpc {short(2 * bpc)} or {short(bpc / 2)}"
    )


def _estimated(inputs: Inputs, metrics: Metrics) -> Estimate:
    """What an encode will take."""
    from rudcodec.distill.estimate import estimate

    return estimate(inputs, metrics)


def _check_goes_on(inputs: Inputs, job: Job) -> None:
    """Refuse to go on with another run, before its log is written on. Raises RudError."""
    from rudcodec.distill.encode import check_goes_on
    from rudcodec.runs import CheckpointFolder

    assert job.files.checkpoints is not None
    with CheckpointFolder(job.files.checkpoints) as folder:
        check_goes_on(inputs, folder)


def _encoded(inputs: Inputs, target: Path, job: Job, metrics: Metrics) -> CompressResult:
    """What an encode has written; an interruption says how to go on."""
    from rudcodec.distill.encode import encode

    try:
        return encode(inputs, target, job.files, metrics, replaces=job.force)
    except KeyboardInterrupt as error:
        if job.files.checkpoints is not None:
            is_kept = bool(checkpoints_in(job.files.checkpoints))
            hint = "; with --resume it goes on" if is_kept else " before there was anything to go on from"
            error.args = (f"interrupted{hint}",)
        raise


def _outcome(result: CompressResult, settings: Settings) -> str:
    """What was written."""
    used = f" ({100 * result.bpc / settings.bpc:.1f} % of the budget)" if settings.lmbda is None else ""
    return (
        f"{result.size:,} bytes, {result.bpc:,.0f} bpc{used}, {per_class(result.ipc)}, "
        f"{_fidelity(result)}, {clock(result.seconds)}"
    )


def _fidelity(result: CompressResult) -> str:
    """How near the file's images are to those that they stand for."""
    text = f"{result.psnr:.1f} dB"
    if abs(result.target_psnr - result.psnr) >= 0.05:
        text += f" ({result.target_psnr:.1f} dB to those of the joint phase)"
    return text
