"""``rudcodec eval``: what students trained on a .rud file are worth, beside real images at the same bytes."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Literal

import click

from rudcodec.baselines.codecs import CODECS, check_codec
from rudcodec.data.reading import Reading
from rudcodec.display import ProgressView
from rudcodec.threads import prepare_for_images

from .commands import command, device_flag, is_quiet
from .reading import read_images, reading_flags
from .tables import print_table
from .values import finite, naming, network_names, read_input, recipe_change, require, shown_input

if TYPE_CHECKING:
    from rudcodec.baselines import Baseline, Codec
    from rudcodec.comparison import Comparison, Entry
    from rudcodec.data import LabelledImages, Split
    from rudcodec.data.reading import Mode
    from rudcodec.synthetic import SyntheticSet


@command("eval", "Train students on a file, judge them on real images.")
@click.argument("file", metavar="FILE")
@click.option("--real", "source", required=True, metavar="SRC", help="Real images, as for compress.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default="val",
    metavar="NAME",
    help="Of SRC, to judge on: train, val, test or all (val).",
)
@click.option(
    "--baseline",
    type=click.Choice([*CODECS, "none"]),
    default="none",
    metavar="CODEC",
    help="Real images at equal bytes, too: avif, webp, jpeg, mbt2018, ...",
)
@click.option("--seeds", type=click.IntRange(1), default=3, metavar="N", help="Number of students (3).")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Instead of those in the recipe.")
@click.option(
    "--set",
    "changes",
    type=recipe_change,
    multiple=True,
    metavar="KEY=VALUE",
    help="Change FILE's recipe: steps, batch, lr, ...",
)
@click.option(
    "--nets",
    type=network_names,
    default="convnet",
    metavar="NET,...",
    help="Students: convnet, alexnet, vgg11, resnet18, ...",
)
@click.option(
    "--width", type=click.IntRange(1), default=128, metavar="N", help="Channels of a ConvNet (128)."
)
@device_flag
@reading_flags
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(
    file: str,
    source: str,
    split: Split,
    baseline: Codec | Literal["none"],
    seeds: int,
    steps: int | None,
    changes: tuple[tuple[str, Any], ...],
    nets: tuple[str, ...],
    width: int,
    device: str,
    mode: Mode,
    background: str | None,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Train students on FILE (- is standard input), judge them on real images.

    Each begins from scratch and follows FILE's recipe; the accuracy is that after its last step. --baseline
    does the same with random real images of SRC's train split, as one picture of FILE's size.
    """
    from rudcodec.loading import load

    with naming(file):
        data = load(read_input(file))

    require("torch")
    if baseline != "none":
        check_codec(baseline)
    shape = data.images.shape[1:]
    reading = Reading(shape[0] if shape[0] == shape[1] else None, mode, background, skip_bad)
    with ProgressView(is_quiet()) as view:
        real = _read(source, split, reading, data, view)
        prepare_for_images(os.environ, real.height, real.width)

        from rudcodec.comparison import Comparison
        from rudcodec.students import Panel, StudentSpec

        comparison = Comparison(
            shown_input(file),
            data,
            real,
            Panel(tuple(StudentSpec(net, width, device) for net in nets), range(seeds)),
            dict(changes) | ({} if steps is None else {"steps": steps}),
            view,
        )
        entries = _judge(comparison, (source, reading), baseline, view)
    if as_json:
        facts = {
            "file": file,
            "bytes": data.size,
            "bpc": data.bpc,
            "ipc": data.ipc,
            "real": source,
            "split": split,
            "rows": [_facts(entry) for entry in entries],
        }
        click.echo(json.dumps(finite(facts), indent=1))
        return
    _print_entries(entries, split)


def _judge(
    comparison: Comparison, real: tuple[str, Reading], baseline: Codec | Literal["none"], view: ProgressView
) -> list[Entry]:
    """All entries, each shown as soon as it is there, since the next one may take long."""
    entries = []
    for entry in comparison.judge_set():
        entries.append(entry)
        view.say(f"{entry.name}: {', '.join(_percentages(entry))}")
    if baseline != "none":
        source, reading = real
        train = _read(source, "train", reading, comparison.data, view)
        for entry in comparison.judge_real_images(train, baseline):
            entries.append(entry)
            view.say(f"{entry.name}: {', '.join(_percentages(entry))}")
    return entries


def _read(
    source: str, split: Split, reading: Reading, data: SyntheticSet, view: ProgressView
) -> LabelledImages:
    """Real images as the set has them: of its size, with its class numbers."""
    from rudcodec.data.matching import matching

    real = read_images(source, split, reading, view)
    return matching(real, split, data.images.shape[1:], data.classes)


def _print_entries(entries: list[Entry], split: Split) -> None:
    students = entries[0].results
    first = students[0]
    click.echo(
        f"{len(first.seeds)} student(s) of each network, {first.steps} steps of {first.batch}; "
        f"judged on {first.real_images:,} real images ({split})"
    )
    titles = [f"{one.net} w{one.width}" if one.width else one.net for one in students]
    table = []
    for number, entry in enumerate(entries):
        part = number > 0 and entry.baseline is None  # of the set in the first row
        cells = _percentages(entry)
        cells += [""] * (len(titles) - len(cells))
        ipc = f"{entry.ipc:g}" if entry.ipc else ""
        table.append((f"  {entry.name}" if part else entry.name, f"{entry.size:,}", ipc, *cells))
    print_table(("trained on", ">bytes", ">images a class", *(f">{title}" for title in titles)), table)
    for entry in entries:
        if entry.baseline is not None:
            points = 100 * (entries[0].accuracy - entry.accuracy)
            click.echo(f"{points:+.1f} points over {entry.name}")
    for codec, uncounted in _uncounted(entries).items():
        click.echo(f"not counted: the weights of {codec}, {uncounted:,} bytes")


def _uncounted(entries: list[Entry]) -> dict[str, int]:
    """Codecs that need weights, and how many bytes of them."""
    winners = [entry.baseline.winner for entry in entries if entry.baseline is not None]
    return {f"{one.codec} q{one.quality}": one.uncounted for one in winners if one.uncounted}


def _percentages(entry: Entry) -> list[str]:
    """The accuracy of each network's students, or that of a label network."""
    if not entry.results:
        return [f"{100 * entry.accuracy:.1f} %"]
    return [f"{100 * one.mean:.1f} ± {100 * one.std:.1f} %" for one in entry.results]


def _facts(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": entry.name, "bytes": entry.size, "ipc": entry.ipc}
    facts["accuracy"] = entry.accuracy
    if entry.results:
        facts["results"] = [dataclasses.asdict(result) for result in entry.results]
    return facts if entry.baseline is None else facts | _baseline_facts(entry.baseline)


def _baseline_facts(baseline: Baseline) -> dict[str, Any]:
    winner = baseline.winner
    return {
        "codec": winner.codec,
        "quality": winner.quality,
        "subsampling": winner.subsampling,
        "psnr": winner.psnr,
        "uncounted_bytes": winner.uncounted,
        "trials": [
            {
                "ipc": trial.candidate.count,
                "quality": trial.candidate.quality,
                "psnr": trial.candidate.psnr,
                "accuracy": trial.accuracy,
            }
            for trial in baseline.trials
        ],
    }
