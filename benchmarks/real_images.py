"""Real images alone, with their classes, in as many bytes as a file has: what ``eval --baseline`` measures
beside the file, where this isn't at hand or has been measured already.

    python benchmarks/real_images.py SRC --bytes 31250 --ipc 25 --codec avif --seeds 3

Students train by the recipe for hard labels at this size, and are judged on a split of SRC.
"""

from __future__ import annotations

import click
from trials_common import Script

from rudcodec.baselines import Codec, PictureBudget, StudentTraining, best_baseline, default_counts
from rudcodec.baselines.codecs import CODECS
from rudcodec.cli.reading import SPLIT
from rudcodec.data import Split, load
from rudcodec.display import ProgressView
from rudcodec.payload import Recipe
from rudcodec.students import Panel, StudentSpec, default_recipe, hard_recipe
from rudcodec.text import percent


@click.command(cls=Script)
@click.argument("source")
@click.option("--bytes", "size", type=click.IntRange(1), required=True, help="Of the picture, at most.")
@click.option("--ipc", type=click.IntRange(1), required=True, help="About half as many are tried, and more.")
@click.option("--codec", type=click.Choice(CODECS), default="avif", help="Of the picture (avif).")
@click.option("--split", type=SPLIT, default="val", help="To judge on (val).")
@click.option("--seeds", type=click.IntRange(1), default=1, help="Students, each of a draw of its own (1).")
@click.option("--width", type=click.IntRange(1), default=128, help="Of a student (128).")
@click.option("--flip/--no-flip", default=None, help="Whether a mirrored image keeps its label.")
def main(
    source: str, size: int, ipc: int, codec: Codec, split: Split, seeds: int, width: int, flip: bool | None
) -> None:
    """Judge real images of SRC's train split as one picture."""
    train, real = load(source, "train"), load(source, split)
    usual, bpc = default_recipe(train, flip=flip), 8 * size / len(train.classes)

    def recipe_of(count: int) -> Recipe:
        return hard_recipe(usual, bpc, count * len(train.classes))

    budget = PictureBudget(codec, size, default_counts(ipc, min(train.ipc_counts())), or_fewer=True)
    training = StudentTraining(recipe_of, panel=Panel((StudentSpec("convnet", width),), range(seeds)))
    with ProgressView() as view:
        baseline = best_baseline(train, real, budget, training, view)
    for tried in baseline.candidates:
        small = "" if tried.accuracy is None else f"  {percent(tried.accuracy)} by a small student"
        print(f"{tried.candidate.count} per class{small}")
    winner, (result,) = baseline.winner, baseline.results
    print(
        f"{codec} q{winner.quality} {winner.subsampling}  {winner.size:,} bytes  {winner.count} per class  "
        f"{percent(result.mean, result.std, seeds)}  {result.seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
