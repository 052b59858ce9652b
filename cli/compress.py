"""``rudcodec compress``: a labelled image set becomes one .rud file."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from rudcodec.files import check_writable

from .metrics import Metrics
from .preview import write_preview
from .progress import ProgressView
from .tables import print_table
from .values import amount, byte_amount, clock, setting

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages, Split
    from rudcodec.distill import Estimate, Settings
    from rudcodec.distill.settings import Preset


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--bpc", type=amount, metavar="N", help="Budget in bits per class, such as 50k.")
@click.option("--bytes", "size_bytes", type=byte_amount, metavar="N", help="Or in bytes, such as 62kB.")
@click.option("--lmbda", type=float, metavar="X", help="Or none: minimise bits a pixel + X * error.")
@click.option("--ipc", type=int, metavar="N", help="Images per class (else chosen to suit).")
@click.option(
    "--share",
    type=click.Choice(["dataset", "class"]),
    help="Networks for all, or for each (dataset).",
)
@click.option(
    "--labels",
    type=click.Choice(["auto", "hard", "soft", "network"]),
    metavar="MODE",
    help="hard, soft, network or auto (auto).",
)
@click.option(
    "--utility",
    metavar="NAME",
    help="mm (default), dm, gm, tm, or a plug-in.",
)
@click.option("--experts", metavar="DIR", help="What rudcodec experts has made, for tm.")
@click.option("--flip/--no-flip", default=None, help="Mirror images? (colour: yes, grey: no)")
@click.option("--size", type=int, metavar="N", help="Resize the images to N x N pixels.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default="train",
    help="Part of SRC (train).",
)
@click.option(
    "--from-tensors",
    "distilled",
    is_flag=True,
    help="SRC is distilled: code it as it is.",
)
@click.option("--real", metavar="SRC", help="With that: the set it stands for.")
@click.option("--dry-run", is_flag=True, help="Only say what it would take.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option(
    "--checkpoint-every",
    "every",
    type=float,
    default=60.0,
    metavar="S",
    help="Seconds between checkpoints (60).",
)
@click.option(
    "--preset",
    type=click.Choice(["fast", "balanced", "best"]),
    default="balanced",
    help="How long to train (balanced).",
)
@click.option(
    "--set",
    "overrides",
    type=setting,
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one of the settings it prints.",
)
@click.option("--seed", type=int, metavar="N", help="Same seed, same machine: same file.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute (auto).")
@click.option("--preview", type=click.Path(path_type=Path), metavar="PNG", help="Write a contact sheet.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Write metrics as JSON lines.")
@click.option("--tensorboard", type=click.Path(path_type=Path), metavar="DIR", help="Write them there, too.")
def compress(
    source: str,
    out: Path,
    bpc: float | None,
    size_bytes: int | None,
    size: int | None,
    split: Split,
    distilled: bool,
    real: str | None,
    preview: Path | None,
    log: Path | None,
    tensorboard: Path | None,
    dry_run: bool,
    resume: bool,
    every: float,
    preset: Preset,
    overrides: tuple[tuple[str, Any], ...],
    **options: Any,
) -> None:
    """Distill the image set SRC into the file OUT (- is standard output).

    SRC: class folders (below train/, val/, test/ or not), a .zip or .tar, .npz, IDX, tensors, or a name
    (digits, ...). OUT.run holds checkpoints.
    """
    if sum(given is not None for given in (bpc, size_bytes, options["lmbda"])) != 1:
        raise click.UsageError("give a budget, either --bpc or --bytes, or --lmbda")
    if real is not None and not distilled:
        raise click.UsageError("--real goes with --from-tensors")
    if distilled and real is None and options["utility"] is not None:
        raise click.UsageError("--utility needs --real, the set that the distilled one stands for")
    if distilled and options["utility"] is None and dict(overrides).get("joint"):
        raise click.UsageError("--set joint needs --utility, which is what such passes minimise")
    for path in filter(None, (out if str(out) != "-" else None, preview, log)):
        check_writable(path)

    import rudcodec
    from rudcodec.distill import Settings, estimate
    from rudcodec.distill.settings import without_joint

    # of several processes (torchrun) the first speaks
    first = os.environ.get("RANK", "0") == "0"
    with ExitStack() as stack:
        # for -, a file that is copied to standard output when it is complete
        target = Path(stack.enter_context(TemporaryDirectory())) / "out.rud" if str(out) == "-" else out
        folder = Path(f"{out}.run") if target is out else None
        view = stack.enter_context(ProgressView(quiet=not first))
        logs = (log, tensorboard) if first else (None, None)
        metrics = stack.enter_context(Metrics(view, *logs, append=resume))
        images, start = _read(real if distilled else source, source if distilled else None, split, size, view)
        given_set = images or start
        assert given_set is not None
        if size_bytes is not None:
            bpc = 8 * size_bytes / len(given_set.classes)

        given = {name: value for name, value in {"bpc": bpc, **options}.items() if value is not None}
        settings = Settings.preset(preset, **{**given, **dict(overrides)})
        if distilled and "utility" not in given:
            settings = without_joint(settings)
        if first:
            click.echo(f"settings: {settings}", err=True)
        metrics.settings(settings)
        if dry_run:
            _print_estimate(estimate(images, settings, metrics, start), settings, len(given_set))
            return
        try:
            result = rudcodec.compress(
                images,
                target,
                settings,
                start=start,
                report=metrics,
                checkpoints=folder,
                resume=resume,
                every=every,
            )
        except KeyboardInterrupt as error:
            hint = "; with --resume it goes on" if folder is not None and folder.is_dir() else ""
            raise KeyboardInterrupt(f"interrupted{hint}") from error
        if not first:
            return
        if preview is not None:
            write_preview(rudcodec.load(target), preview)
        if target is not out:
            sys.stdout.buffer.write(target.read_bytes())
    used = f"{100 * result.bpc / settings.bpc:.1f} % of the budget; " if settings.lmbda is None else ""
    click.echo(
        f"{out}: {result.size:,} bytes, {result.bpc:,.0f} bpc ({used}"
        f"estimate {metrics.bpc:,.0f}), {result.ipc} images a class, {clock(result.seconds)}",
        err=str(out) == "-",
    )


def _read(
    real: str | None, distilled: str | None, split: Split, size: int | None, view: ProgressView
) -> tuple[LabelledImages | None, LabelledImages | None]:
    """The real set and the distilled one, where they are given."""
    from rudcodec.data import load

    images = load(real, split, size, lambda *steps: view("reading", *steps)) if real else None
    start = (
        load(distilled, "all", size, lambda *steps: view("reading distilled", *steps)) if distilled else None
    )
    return images, start


def _print_estimate(expected: Estimate, settings: Settings, images: int) -> None:
    total = sum(expected.seconds.values())
    guess = " or so" if settings.lmbda is not None else ""
    stages = ", ".join(f"{stage} {clock(seconds)}" for stage, seconds in expected.seconds.items())
    rows = [
        ("images", f"{expected.images:,} ({expected.ipc:,} a class), from {images:,}"),
        ("latents", f"{expected.latents:,}"),
        ("weights", f"{expected.weights:,} of synthesis and context networks"),
        (
            "teacher" if settings.labels == "soft" else "label network",
            f"{expected.label_weights:,} weights" if expected.label_weights else "none",
        ),
        ("budget", f"{expected.bpc:,.0f} bpc{guess}; for so many images at least {expected.least:,.0f}"),
        ("memory", f"{expected.memory / 1e9:.1f} GB" if expected.memory else "unknown"),
        ("time", f"{clock(total)} ({stages})"),
    ]
    print_table(("", "expected"), rows)
