"""How a budget is best split between label network and images: the table of docs/views.md.

    python benchmarks/label_split.py SRC --bpc 10k --bpc 30k --share 0.3 --share 0.5 --share 0.7

For each budget and share of the label network: trains one, takes random real images as AVIF in the bits that
are left, as many as ``compress`` would, and trains one student on views. All are judged on the last tenth of
each class of the train split, which is left out of training.
"""

from __future__ import annotations

import click
from label_trials import parts

from rudcodec.baselines import real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import load
from rudcodec.distill.budget import images_per_class
from rudcodec.evaluation import evaluate, label_accuracy
from rudcodec.labels import plan_for, train_label_network
from rudcodec.payload import ViewRecipe
from rudcodec.student import default_recipe, pick_device, student_views, view_recipe


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
    size = height, columns, _ = train.images.shape[1:]
    recipe = view_recipe(default_recipe(train, flip=flip))
    mirrored = "flip" in recipe.augment
    device, fewest = pick_device(), min(train.ipc_counts())
    rows = []
    with ProgressView() as view:
        for bpc in budgets:
            for share in shares:
                name = f"{bpc:,.0f} bpc, share {share:g}"
                network = train_label_network(
                    train,
                    plan_for(share * bpc * len(train.classes), height, columns, int(count)),
                    ViewRecipe(flip=mirrored),
                    seed,
                    device,
                    tell=lambda step, total, *_, name=name: view(f"{name}: network", step, total),
                    students=student_views(height, columns, mirrored),
                )
                spent = labels_size(network, size, len(train.classes))
                left = bpc * len(train.classes) / 8 - spent
                ipc = images_per_class(left * 8 / len(train.classes), height, columns, fewest, views=True)
                images = real_images(train, int(left), "avif", seed, (ipc,))[0].as_set()
                result = evaluate(
                    images,
                    judge,
                    recipe=recipe,
                    network=network,
                    seeds=1,
                    first_seed=seed,
                    steps=steps,
                    width=width,
                    progress=lambda stage, step, total, name=name: view(f"{name}: {stage}", step, total),
                )
                facts = (f"{bpc:,.0f}", f"{share:g}", f"{spent:,}", f"{ipc}")
                percents = (f"{100 * label_accuracy(network, judge):.1f} %", f"{100 * result.mean:.1f} %")
                rows.append((*facts, *percents))
                click.echo("  ".join(rows[-1]), err=True)
    titles = (">bpc", ">share", ">network's bytes", ">images a class", ">network", ">student")
    print_table(titles, rows)


if __name__ == "__main__":
    main()
