"""``rudcodec eval``: what students trained on a .rud file are worth, beside real images at the same bytes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import click

from rudcodec.baselines.codecs import check_codec
from rudcodec.display import ProgressView
from rudcodec.errors import BudgetError
from rudcodec.optional import TRAINING, require
from rudcodec.pace import PacedView
from rudcodec.report import JudgedFile
from rudcodec.text import average, counted, percent, points_above
from rudcodec.threads import prepare_for_images

from .commands import command, is_quiet
from .judging import CODEC, Judging, judging_flags, recipe_flag
from .outputs import check_standard_output
from .tables import print_table
from .values import Input, finite, naming, read_input, shown_input

if TYPE_CHECKING:
    from rudcodec.baselines import Baseline, Codec
    from rudcodec.comparison import Entry, Pending
    from rudcodec.data import Split
    from rudcodec.evaluation import EvalResult


@command("eval", "Train students on a file, judge them on real images.")
@click.argument("file", metavar="FILE", type=Input())
@click.option(
    "--real", "source", type=Input(), required=True, metavar="SRC", help="Real images, as for compress."
)
@click.option(
    "--baseline",
    type=CODEC,
    default="none",
    metavar="CODEC",
    help="Real images at equal bytes, too: avif, webp, jpeg, mbt2018, ...",
)
@recipe_flag("FILE's recipe")
@judging_flags()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(
    file: str,
    source: str,
    baseline: Codec | Literal["none"],
    changes: tuple[tuple[str, Any], ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Train students on FILE (- is standard input), judge them on real images.

    Each begins from scratch and follows FILE's recipe; the accuracy is that after its last step. --baseline
    does so with real images of SRC's train split, as one picture of FILE's size. Interrupted, the same
    command goes on.
    """
    with naming(file):
        judged = JudgedFile.decode(shown_input(file), read_input(file))
        data = judged.data

    check_standard_output()
    require(*TRAINING)
    if baseline != "none":
        check_codec(baseline)
    judging = Judging(changes=dict(changes), **flags)
    with ExitStack() as kept:  # what students have done, until the result is written
        with ProgressView(is_quiet()) as view:
            judging.warn_of_overlap()
            real = judging.read(source, judging.split, data, view)
            prepare_for_images(os.environ, real.height, real.width)
            train = None  # read before students take long: there may be no train split
            if baseline != "none":
                train = judging.read(source, "train", data, view)
            panel = kept.enter_context(judging.students(view, [judged.contents], source, baseline))
            paced = PacedView(view, panel.keeper.fresh_part)
            comparison = judging.comparison(judged, real, panel, paced)
            pending = comparison.of_set()
            if baseline != "none" and train is not None:
                pending += comparison.of_real_images(train, baseline)
            entries, refusals = _judge(paced.in_turn(pending, lambda one: one.work), view)
        if as_json:
            facts = {
                "file": file,
                "bytes": data.size,
                "bpc": data.bpc,
                "ipc": data.ipc,
                "classes": data.classes,
                "real": source,
                "split": judging.split,
                "changes": judging.recipe_changes(),
                "rows": [_facts(entry) for entry in entries],
                "refused": refusals,
            }
            click.echo(json.dumps(finite(facts), indent=1))
            return
        _print_entries(entries, judging.split)
        if judging.changes_text:
            click.echo(f"changed of the file's recipe: {judging.changes_text}")
        for refusal in refusals:
            click.echo(f"not judged: {refusal}")


def _judge(pending: Iterator[Pending], view: ProgressView) -> tuple[list[Entry], list[str]]:
    """All entries, each shown as soon as it is there, since the next one may take long; and why others, real
    images, could not be judged."""
    entries, refusals = [], []
    for one in pending:
        try:
            entry = one.judge()
        except BudgetError as error:
            refusals.append(f"{one.kind}: {error}")
        else:
            entries.append(entry)
            view.say(f"{entry.name}: {', '.join(_percentages(entry))}")
    return entries, refusals


def _print_entries(entries: list[Entry], split: Split) -> None:
    students = entries[0].results
    first = students[0]
    click.echo(
        f"{counted(len(first.seeds), 'student')} of each network, judged on "
        f"{counted(first.real_images, 'real image')} ({split})"
    )
    titles = [f"{one.net} w{one.width}" if one.width else one.net for one in students]
    table = []
    for number, entry in enumerate(one for one in entries if one.results):
        part = number > 0 and entry.baseline is None  # of the set in the first row
        first_result = entry.results[0]
        steps = f"{first_result.steps:,} of {first_result.batch:,}"
        row = (f"  {entry.name}" if part else entry.name, f"{entry.size:,}", average(entry.ipc), steps)
        table.append((*row, *_percentages(entry)))
    heads = ("trained on", ">bytes", ">images per class", ">steps of images")
    print_table((*heads, *(f">{title}" for title in titles)), table)
    for entry in entries:
        if not entry.results:
            click.echo(f"{entry.name} itself: {percent(entry.accuracy)}, {entry.size:,} bytes")
        if entry.baseline is not None:
            names = [f" ({title})" for title in titles] if len(titles) > 1 else [""]
            each = [
                f"{points_above(ours.mean, theirs.mean):+.1f}{name}"
                for ours, theirs, name in zip(students, entry.results, names, strict=True)
            ]
            click.echo(f"{', '.join(each)} points over {entry.name}")
    for codec, uncounted in _uncounted(entries).items():
        click.echo(f"not counted: the weights of {codec}, {uncounted:,} bytes")


def _uncounted(entries: list[Entry]) -> dict[str, int]:
    """Codecs that need weights, and how many bytes of them."""
    winners = [entry.baseline.winner for entry in entries if entry.baseline is not None]
    return {f"{one.codec} q{one.quality}": one.uncounted for one in winners if one.uncounted}


def _percentages(entry: Entry) -> list[str]:
    """The accuracy of each network's students, or that of a label network."""
    if not entry.results:
        return [percent(entry.accuracy)]
    return [percent(one.mean, one.std, len(one.seeds)) for one in entry.results]


def _facts(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": entry.name, "bytes": entry.size, "ipc": entry.ipc}
    facts["accuracy"] = entry.accuracy
    facts["results"] = [_facts_of(result) for result in entry.results]
    return facts if entry.baseline is None else facts | _baseline_facts(entry.baseline)


def _facts_of(result: EvalResult) -> dict[str, Any]:
    facts = dataclasses.asdict(result)
    del facts["confusion"]  # of many classes it would be most of the output
    facts["std"] = result.deviation
    return facts


def _baseline_facts(baseline: Baseline) -> dict[str, Any]:
    winner = baseline.winner
    return {
        "codec": winner.codec,
        "quality": winner.quality,
        "subsampling": winner.subsampling,
        "psnr": winner.psnr,
        "uncounted_bytes": winner.uncounted,
        "candidates": [
            {
                "ipc": tried.candidate.count,
                "quality": tried.candidate.quality,
                "psnr": tried.candidate.psnr,
                "accuracy": tried.accuracy,
            }
            for tried in baseline.candidates
        ],
    }
