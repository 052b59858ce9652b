"""``rudcodec curve``: what files of several sizes are worth, beside real images, as a picture and a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import rudcodec
from rudcodec.baselines.codecs import check_codec
from rudcodec.display import ProgressView
from rudcodec.optional import TRAINING, require
from rudcodec.report import JudgedFile, Ledger
from rudcodec.settings import PRESETS, Settings, parse_settings
from rudcodec.text import average, percent, short
from rudcodec.threads import prepare_for_images

from .budgets import Budgets
from .commands import closing, command, is_quiet
from .judging import CODEC, Judging, RealImages, judging_flags, resumable
from .outputs import force_flag
from .reading import read_images, size_flag
from .report_outputs import ReportOutputs
from .tables import print_table
from .values import (
    Input,
    Output,
    amounts,
    is_recipe_field,
    key_value,
    naming,
    read_input,
    recipe_change,
    shown_input,
)

if TYPE_CHECKING:
    from rudcodec.baselines import Codec
    from rudcodec.report.measuring import Task
    from rudcodec.report.page import Report


@command("curve", "Draw accuracy by size, beside real images: a report.")
@click.argument("files", metavar="FILE...", type=Input(), nargs=-1, required=True)
@click.option("--real", "source", type=Input(), metavar="SRC", help="Real images, as for compress.")
@click.option(
    "--bpc",
    "budgets",
    type=amounts,
    metavar="N,N,...",
    help="FILE is a set: compress it first, to 5k,30k,... bits.",
)
@click.option(
    "--preset",
    type=click.Choice([*PRESETS]),
    metavar="NAME",
    help="For --bpc: fast, balanced, best (balanced).",
)
@click.option(
    "--baseline",
    "baselines",
    type=CODEC,
    multiple=True,
    default=("avif",),
    metavar="CODEC",
    help="Real images at equal bytes, by a codec or none (avif).",
)
@click.option(
    "--set",
    "changes",
    type=key_value,
    multiple=True,
    metavar="KEY=VALUE",
    help="Change recipes (lr=.01), for --bpc settings (ipc=9).",
)
@judging_flags(rare=True)
@size_flag
@click.option(
    "-o",
    "--out",
    "outs",
    type=Output(),
    multiple=True,
    default=("curve",),
    metavar="OUT",
    help="A folder, .html, .png, .svg or .tsv (curve/).",
)
@force_flag
def curve(
    files: tuple[str, ...],
    source: str | None,
    budgets: tuple[float, ...] | None,
    preset: str | None,
    baselines: tuple[Codec | Literal["none"], ...],
    changes: tuple[tuple[str, str], ...],
    outs: tuple[str, ...],
    force: bool,
    **flags: Any,
) -> None:
    """Draw what FILEs are worth, as eval judges it, by their bits per class.

    What is measured is kept beside OUT: the same command goes on where it was interrupted.
    """
    outputs = ReportOutputs.of(outs)
    codecs = [name for name in dict.fromkeys(baselines) if name != "none"]
    recipe = [f"{name}={value}" for name, value in changes if is_recipe_field(name) or budgets is None]
    judging = Judging(changes=dict(map(recipe_change, recipe)), **flags)
    encodes = None
    if budgets is not None:
        if len(files) > 1:
            raise click.UsageError("with --bpc one set is compressed: give one SRC, not several FILEs")
        if outputs.folder is None:
            raise click.UsageError("--bpc makes files: give a folder for them, such as -o curve/")
        pairs = [(name, value) for name, value in changes if not is_recipe_field(name)]
        settings = _settings(preset, pairs, judging.device)
        encodes = _Encodes(files[0], settings, budgets, outputs.folder, force)
        source = source or files[0]
    elif preset is not None or judging.reading.size is not None:
        raise click.UsageError("--preset and --size go with --bpc, for sets that are to be compressed")
    if source is None:
        raise click.UsageError("Missing option '--real'")
    outputs.check(force, (source, *files))
    judged = (
        [] if budgets is not None else _decoded([(shown_input(file), read_input(file)) for file in files])
    )
    require(*TRAINING)
    for codec in codecs:
        check_codec(codec)
    ledger = Ledger(outputs.ledger)
    with ProgressView(is_quiet()) as view:
        judging.warn_of_overlap()
        job = _Curve(judging, RealImages(judging, source, view), codecs, outputs, ledger, view)
        with resumable():
            if encodes is not None:
                judged = job.encoded(encodes)
            report = job.measured(judged)
        outputs.write(report)
    _print(report)
    for path in outputs.files:
        closing(f"written: {path}")


@dataclass(frozen=True)
class _Encodes:
    """What files are to be made of: a source, into a folder."""

    source: str
    settings: Settings
    budgets: Sequence[float]
    folder: Path
    force: bool


@dataclass(frozen=True)
class _Curve:
    """Judges files as ``judging`` says, on real images and beside those that ``codecs`` store, and keeps what
    is measured in a ledger beside the outputs."""

    judging: Judging
    real_images: RealImages
    codecs: Sequence[Codec]
    outputs: ReportOutputs
    ledger: Ledger
    view: ProgressView

    def encoded(self, encodes: _Encodes) -> list[JudgedFile]:
        """The files of all budgets, made where they aren't there yet."""
        judging = self.judging
        train = read_images(encodes.source, "train", judging.reading, self.view)
        prepare_for_images(os.environ, train.height, train.width)
        budgets = Budgets(train, encodes.settings, encodes.budgets, encodes.folder)
        budgets.check(encodes.force)
        judging.check(train.without_empty_classes(), self.codecs != [], self.real_images)
        self.outputs.make_folder()
        return _decoded([(path.name, path.read_bytes()) for path in budgets.encode(self.view)])

    def measured(self, files: Sequence[JudgedFile]) -> Report:
        """What is known of the files once all is measured."""
        judging, real_images = self.judging, self.real_images
        sets = real_images.of_all(files)
        train = [real_images.of(file.data, "train") if self.codecs else None for file in files]
        prepare_for_images(os.environ, max(real.height for real in sets), max(real.width for real in sets))

        from rudcodec.report.measuring import Measuring, tasks_of
        from rudcodec.report.page import Report

        tasks: list[Task] = []
        contents = [file.contents for file in files]
        with judging.students(self.view, contents, real_images.source, self.codecs) as panel:
            measuring = Measuring(self.ledger, self.view, panel.keeper)
            for file, judges, pictures in zip(files, sets, train, strict=True):
                comparison = judging.comparison(file, judges, panel, measuring.progress)
                with naming(file.name):
                    tasks += tasks_of(file, comparison, pictures, self.codecs)
            self.outputs.make_folder()
            points = tuple(measuring.run(tasks))
        return Report(
            tuple(files),
            points,
            sets[0].name,
            judging.split,
            rudcodec.__version__,
            tuple(measuring.refusals),
            judging.changes_text,
        )


def _settings(preset: str | None, changes: Sequence[tuple[str, str]], device: str) -> Settings:
    """Settings of all encodes, the budget apart."""
    given = parse_settings(changes)
    for name in ("bpc", "lmbda"):
        if name in given:
            raise click.UsageError(f"--set {name}: the budgets are those of --bpc")
    return Settings.preset(preset or "balanced", **{"device": device, **given, "bpc": 1.0})


def _decoded(contents: Sequence[tuple[str, bytes]]) -> list[JudgedFile]:
    """Files by name, smallest first; of equal ones the first."""
    files: dict[bytes, JudgedFile] = {}
    for name, data in contents:
        if data not in files:
            with naming(name):
                files[data] = JudgedFile.decode(name, data)
    return sorted(files.values(), key=lambda file: file.data.bpc)


def _print(report: Report) -> None:
    """The points as a table, and what they say."""
    from rudcodec.report.curves import curve_name, verdicts

    rows = [
        (
            point.file,
            curve_name(point),
            short(point.bpc),
            f"{point.size:,}",
            average(point.ipc) if point.ipc else "",
            point.student,
            percent(point.mean, point.std, len(point.seeds)),
        )
        for point in report.points
    ]
    print_table(("file", "of what", ">bpc", ">bytes", ">images per class", "student", ">accuracy"), rows)
    if report.changes:
        click.echo(f"changed of the files' recipes: {report.changes}")
    for sentence in (*verdicts(report.points), *report.refusals):
        click.echo(sentence)
