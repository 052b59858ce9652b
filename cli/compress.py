"""``rudcodec compress``: a labelled image set becomes one .rud file."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rudcodec
from rudcodec.data.reading import Reading
from rudcodec.display import ProgressView
from rudcodec.processes import is_first_process
from rudcodec.progress import activity
from rudcodec.settings import PRESETS, RUN_SECTION, Settings
from rudcodec.text import clock, short, shown
from rudcodec.threads import prepare_for_images

from .commands import RareOption, closing, command, is_quiet, is_verbose
from .estimate import print_estimate
from .metrics import Metrics, is_unfinished
from .outputs import STANDARD_OUTPUT, check_outputs, force_flag, send, shown_output, staged, write_output
from .preview import check_preview, preview_png
from .reading import READING_SECTION, SPLIT, read_images, reading_flags, size_flag
from .setting_flags import given_settings, setting_flags
from .values import FiniteRange, OutputFile, byte_amount, key_value, require

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages, Split
    from rudcodec.data.reading import Mode
    from rudcodec.distill import CompressResult, Estimate
    from rudcodec.distill.inputs import Inputs

_SET = "A set that is distilled already"


@command("compress", "Distill an image set into a .rud file.")
@click.argument("source", metavar="SRC")
@click.argument("out", metavar="OUT", type=OutputFile())
@setting_flags
@click.option(
    "--bytes", "budget_bytes", type=byte_amount, metavar="N", help="Or budget in bytes, such as 62kB."
)
@click.option(
    "--preset",
    type=click.Choice([*PRESETS]),
    metavar="NAME",
    help="Training time: fast, balanced, best (balanced).",
)
@size_flag
@reading_flags
@click.option(
    "--split",
    type=SPLIT,
    metavar="NAME",
    cls=RareOption,
    section=READING_SECTION,
    help="Which part: train, val, test or all (train).",
)
@click.option(
    "--from-tensors",
    "distilled",
    is_flag=True,
    cls=RareOption,
    section=_SET,
    help="SRC is one: code it as it is.",
)
@click.option("--real", metavar="SRC", cls=RareOption, section=_SET, help="The set that it stands for.")
@click.option("--dry-run", is_flag=True, help="Only say what it would take.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@force_flag
@click.option("--preview", type=OutputFile(), metavar="PNG", help="Write a contact sheet.")
@click.option("--log", type=OutputFile(), metavar="FILE", help="Write metrics as JSON lines.")
@click.option("--config", metavar="FILE", help="Take settings from FILE: TOML, or what --log wrote.")
@click.option(
    "--set",
    "overrides",
    type=key_value,
    multiple=True,
    metavar="KEY=VALUE",
    help="Change any setting, or mm.runs=8 of a utility.",
)
@click.option(
    "--meta",
    "metadata",
    type=key_value,
    multiple=True,
    metavar="KEY=VALUE",
    cls=RareOption,
    section=RUN_SECTION,
    help="What the file says of itself: licence=CC0, name, source, ...",
)
@click.option(
    "--checkpoint-every",
    "checkpoint_seconds",
    type=FiniteRange(0),
    default=60.0,
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
def compress(
    source: str,
    out: Path,
    budget_bytes: int | None,
    preset: str | None,
    size: int | None,
    mode: Mode,
    background: str | None,
    skip_bad: bool,
    split: Split | None,
    distilled: bool,
    real: str | None,
    dry_run: bool,
    resume: bool,
    force: bool,
    preview: Path | None,
    log: Path | None,
    config: str | None,
    overrides: tuple[tuple[str, str], ...],
    metadata: tuple[tuple[str, str], ...],
    checkpoint_seconds: float,
    tensorboard: Path | None,
    **flags: Any,
) -> None:
    """Distill the image set SRC into the file OUT (- is standard output).

    SRC: class folders, an archive, arrays, tensors, or a name such as digits.
    """
    given, preset = given_settings(config, preset, overrides, metadata, flags, budget_bytes)
    if real is not None and not distilled:
        raise click.UsageError("--real goes with --from-tensors")
    if distilled and real is None and split is not None:
        raise click.UsageError("--split is of --real; of a distilled set all images are coded")
    if resume and out == STANDARD_OUTPUT:
        raise click.UsageError("--resume needs a file as OUT: a run to standard output keeps no checkpoints")
    # every setting but the budget is checked before anything is read, and before torch is imported
    settings = Settings.preset(preset, distilled, **({"bpc": 1.0} if budget_bytes else {}), **given)
    if distilled and real is None and settings.utility not in ("auto", "none"):
        raise click.UsageError("--utility needs --real, the set that the distilled one stands for")
    reading = Reading(size, mode, background, skip_bad)
    # of several processes (torchrun) the first one writes and speaks
    is_first = is_first_process()
    goes_on = resume and _has_checkpoint(out)
    if is_first:
        known = (out if goes_on else None, log if goes_on or is_unfinished(log) else None) if resume else ()
        check_outputs(() if dry_run else (out, preview, log), force, known, (source, real, config))
    check_preview(preview)
    require("torch", "safetensors", "filelock", "threadpoolctl")
    if tensorboard is not None:
        require("tensorboard", advice="pip install tensorboard")

    with ExitStack() as stack:
        view = stack.enter_context(ProgressView(not is_first or is_quiet()))
        logs = (log, tensorboard) if is_first and not dry_run else (None, None)
        metrics = stack.enter_context(Metrics(view, *logs, append=goes_on))
        real_source, distilled_source = (real, source) if distilled else (source, None)
        sets = _Sets(
            read_images(real_source, split or "train", reading, view) if real_source is not None else None,
            read_images(distilled_source, "all", reading, view) if distilled_source is not None else None,
        )
        prepare_for_images(os.environ, *sets.image_size)
        if budget_bytes is not None:
            bpc = 8 * budget_bytes / sets.num_classes
            settings = Settings.preset(preset, distilled, **{**given, "bpc": bpc})
        inputs = sets.resolve(settings)
        resolved = inputs.settings
        metrics.settings(resolved)
        if is_first:
            if is_verbose():
                view.say(_software(resolved))
            if settings.bpc == math.inf and settings.lmbda is None:
                view.say(_default_budget(resolved.bpc, sets.num_classes))
            if limit := inputs.limiting_class:
                name, count = limit
                view.say(f"note: {count} images per class, since class {shown(name)} has no more")
            view.say(f"settings: {resolved}")
            if resume and not dry_run:
                found = "going on with" if goes_on else "begins anew: no unfinished run in"
                view.say(f"{found} {shown_output(out)}.run")
        if dry_run:
            if not is_first:
                return
            expected = _estimated(inputs, metrics)
            view.stop()
            print_estimate(expected, resolved, sets.num_images)
            return
        dash = out == STANDARD_OUTPUT
        target = staged(out, stack)
        run = {"resume": resume, "checkpoint_seconds": checkpoint_seconds}
        folder = None if dash else Path(f"{out}.run")
        result = _encoded(inputs, target, report=metrics, checkpoints=folder, **run)
        metrics.result(result)
        if not is_first:
            return
        if preview is not None:
            write_output(preview_png(rudcodec.load(target)), preview)
        if dash:
            send(target)
    used = f" ({100 * result.bpc / resolved.bpc:.1f} % of the budget)" if settings.lmbda is None else ""
    closing(
        f"{shown_output(out)}: {result.size:,} bytes, {result.bpc:,.0f} bpc{used}, "
        f"{result.ipc} images per class, {_fidelity(result)}, {clock(result.seconds)}",
        err=STANDARD_OUTPUT in (out, preview, log),
    )


def _software(settings: Settings) -> str:
    """What computes."""
    import torch

    from rudcodec.nets.device import pick_device

    device = pick_device(settings.device)
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    return f"rudcodec {rudcodec.__version__}, torch {torch.__version__}, {device.type}, {name}"


def _has_checkpoint(out: Path) -> bool:
    """Whether there is an unfinished run, which was allowed to write OUT."""
    return any(Path(f"{out}.run").glob("checkpoint-*.safetensors"))


def _default_budget(bpc: float, num_classes: int) -> str:
    return (
        f"budget: {short(bpc)} bits per class, {bpc * num_classes / 8e3:,.1f} kB in all, to suit the set; "
        f"for more or less --bpc {short(2 * bpc)} or {short(bpc / 2)}"
    )


def _fidelity(result: CompressResult) -> str:
    """How near the file's images are to those that they stand for."""
    text = f"{result.psnr:.1f} dB"
    if abs(result.target_psnr - result.psnr) >= 0.05:
        text += f" ({result.target_psnr:.1f} dB to those of the joint phase)"
    return text


def _estimated(inputs: Inputs, metrics: Metrics) -> Estimate:
    """What an encode will take."""
    from rudcodec.distill.estimate import estimate

    return estimate(inputs, metrics)


def _encoded(inputs: Inputs, target: Path, **run: Any) -> CompressResult:
    """What an encode has written; an interruption says how to go on."""
    from rudcodec.distill.encode import encode

    try:
        return encode(inputs, target, **run)
    except KeyboardInterrupt as error:
        folder = run["checkpoints"]
        hint = "; with --resume it goes on" if folder is not None and folder.is_dir() else ""
        error.args = (f"interrupted{hint}",)
        raise


@dataclass(frozen=True)
class _Sets:
    """What is encoded: a real set, a distilled one, or both."""

    real: LabelledImages | None
    distilled: LabelledImages | None

    @property
    def num_images(self) -> int:
        return len(self._some)

    @property
    def num_classes(self) -> int:
        return len(self._some.classes)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self._some.height, self._some.width

    @property
    def _some(self) -> LabelledImages:
        some = self.real or self.distilled
        assert some is not None
        return some

    def resolve(self, settings: Settings) -> Inputs:
        """What goes into an encode, its settings with nothing left open."""
        with activity("loading torch"):
            from rudcodec.distill.inputs import resolve_inputs

        return resolve_inputs(self.real, self.distilled, settings)
