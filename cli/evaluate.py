"""``rudcodec eval``: what students trained on a .rud file are worth, beside real images at the same bytes."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

import click

from .progress import ProgressView
from .tables import print_table
from .values import finite, naming

if TYPE_CHECKING:
    from rudcodec.baselines import Baseline, Codec
    from rudcodec.data import LabelledImages, Split
    from rudcodec.evaluation import EvalResult


@click.command("eval")
@click.argument("file", metavar="FILE")
@click.option(
    "--real", "source", required=True, metavar="SRC", help="The real images: a source as for compress."
)
@click.option(
    "--split", type=click.Choice(["val", "test"]), default="val", help="Part of SRC to judge on (val)."
)
@click.option(
    "--baseline",
    type=click.Choice(["avif", "webp", "jpeg", "none"]),
    default="none",
    help="Real images at equal bytes, too.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, metavar="N", help="Number of students (3).")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Instead of the steps in FILE's recipe.")
@click.option(
    "--width", type=click.IntRange(1), default=128, metavar="N", help="Channels of a student (128)."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute (auto)."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate(
    file: str,
    source: str,
    split: Split,
    baseline: Codec | Literal["none"],
    steps: int | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Train ConvNets from scratch on FILE, judge them on real images.

    Each student follows FILE's recipe; the accuracy is that after its last step. --baseline does the same
    with random real images of SRC's train split, coded as one picture of at most FILE's size: of several
    counts per class the best is taken.
    """
    import rudcodec

    with naming(file):
        data = rudcodec.load(file)
    recipe = data.recipe if steps is None else dataclasses.replace(data.recipe, steps=steps)
    other: Baseline | None = None
    with ProgressView() as view:
        real = _read(source, split, data, view)
        result = rudcodec.evaluate(data, real, recipe=recipe, progress=view, **how)
        if baseline != "none":
            from rudcodec.baselines import best_baseline

            train = _read(source, "train", data, view)
            other = best_baseline(
                train,
                real,
                recipe,
                data.size,
                baseline,
                ipc=data.ipc,
                progress=lambda stage, *steps: view(f"baseline: {stage}", *steps),
                **how,
            )
    if as_json:
        facts = {
            "file": file,
            "bytes": data.size,
            "bpc": data.bpc,
            "ipc": data.ipc,
            "real": source,
            "split": split,
        }
        facts |= {"result": dataclasses.asdict(result), "baseline": _baseline_facts(other)}
        click.echo(json.dumps(finite(facts), indent=1))
        return
    click.echo(
        f"{result.net} of width {result.width}, {len(result.seeds)} student(s), {result.steps} steps of "
        f"{result.batch}; judged on {result.real_images:,} real images ({split})"
    )
    rows = [(file, f"{data.size:,}", f"{data.ipc:g}", _percent(result))]
    if other is not None:
        won = other.winner
        name = f"real images, {won.codec} q{won.quality} {won.subsampling}"
        rows.append((name, f"{won.size:,}", f"{won.count}", _percent(other.result)))
    print_table(("trained on", ">bytes", ">images a class", ">accuracy"), rows)
    if other is not None:
        click.echo(f"{100 * (result.mean - other.result.mean):+.1f} points over the baseline")


def _read(source: str, split: Split, data: Any, view: ProgressView) -> LabelledImages:
    from rudcodec.data import load

    height, width = data.images.shape[1:3]
    size = height if height == width else None
    return load(source, split, size, lambda done, total: view(f"reading {split}", done, total))


def _percent(result: EvalResult) -> str:
    return f"{100 * result.mean:.1f} ± {100 * result.std:.1f} %"


def _baseline_facts(baseline: Baseline | None) -> dict[str, Any] | None:
    if baseline is None:
        return None
    won = baseline.winner
    return {
        "codec": won.codec,
        "quality": won.quality,
        "subsampling": won.subsampling,
        "ipc": won.count,
        "bytes": won.size,
        "psnr": won.psnr,
        "result": dataclasses.asdict(baseline.result),
        "trials": [
            {
                "ipc": t.candidate.count,
                "quality": t.candidate.quality,
                "psnr": t.candidate.psnr,
                "accuracy": t.accuracy,
            }
            for t in baseline.trials
        ],
    }
