"""How a budget is best split between label network and images.

    python benchmarks/label_split.py SRC --bpc 10k --bpc 30k --share 0.3 --share 0.5 --share 0.7

For each budget and share of the label network: trains one as ``compress`` does, takes random real images as
AVIF in the bits that are left, as many as ``compress`` would, and trains one student on views. All are judged
on the last tenth of each class of the train split, which is left out of training.
"""

from __future__ import annotations

from itertools import product

import click
from label_trials import parts

from rudcodec.baselines import real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.distill import Settings
from rudcodec.distill.begin import label_network, planned_network
from rudcodec.distill.budget import images_per_class
from rudcodec.evaluation import evaluate, label_accuracy
from rudcodec.runs import Journal
from rudcodec.student import default_recipe, pick_device, view_recipe


def tried(
    train: LabelledImages,
    judge: LabelledImages,
    settings: Settings,
    steps: int,
    width: int,
    view: ProgressView,
) -> tuple[str, ...]:
    """A row of the table."""
    classes, (height, columns, channels) = len(train.classes), train.images.shape[1:]
    bpc, share = settings.bpc, settings.label_share
    name = f"{bpc:,.0f} bpc, share {share:g}"
    recipe = default_recipe(train, flip=settings.flip)
    network = label_network(
        train,
        planned_network(train, settings)[0],
        settings,
        recipe,
        pick_device(),
        lambda progress: view(f"{name}: {progress.stage}", progress.step, progress.steps),
        Journal(),
    )
    spent = labels_size(network, (height, columns, channels), classes)
    left = bpc * classes / 8 - spent
    ipc = images_per_class(left * 8 / classes, height, columns, min(train.ipc_counts()), views=True)
    student = evaluate(
        real_images(train, int(left), "avif", settings.seed, (ipc,))[0].as_set(),
        judge,
        recipe=view_recipe(recipe, height, columns, bpc),
        network=network,
        seeds=1,
        first_seed=settings.seed,
        steps=steps,
        width=width,
        progress=lambda stage, step, total: view(f"{name}: {stage}", step, total),
    )
    accuracies = (label_accuracy(network, judge), student.mean)
    return (f"{bpc:,.0f}", f"{share:g}", f"{spent:,}", f"{ipc}", *(f"{100 * a:.1f} %" for a in accuracies))


@click.command()
@click.argument("source")
@click.option("--bpc", "budgets", type=amount, multiple=True, required=True)
@click.option("--share", "shares", type=float, multiple=True, required=True)
@click.option("--count", type=amount, default="300k", help="Views that a label network is trained on (300k).")
@click.option("--steps", type=int, default=3200, help="Of a student (3,200).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--flip/--no-flip", default=None)
@click.option("--seed", type=int, default=0)
def main(
    source: str,
    budgets: tuple[float, ...],
    shares: tuple[float, ...],
    count: float,
    steps: int,
    width: int,
    flip: bool | None,
    seed: int,
) -> None:
    train, judge = parts(load(source, "train"))
    rows = []
    with ProgressView() as view:
        for bpc, share in product(budgets, shares):
            settings = Settings(bpc=bpc, label_share=share, label_views=int(count), flip=flip, seed=seed)
            rows.append(tried(train, judge, settings, steps, width, view))
            click.echo("  ".join(rows[-1]), err=True)
    print_table((">bpc", ">share", ">network's bytes", ">images a class", ">network", ">student"), rows)


if __name__ == "__main__":
    main()
