"""How a budget is best split between label network and images.

    python benchmarks/label_split.py SRC --split 10k:0.3,0.5,0.7,0.9 --split 30k:0.3,0.5,0.7,0.9

For each budget, in bits per class, and share of the label network: trains one as ``compress`` does (once
for all budgets of which it takes as many bits), takes random real images as AVIF in the bits that are left,
as many as ``compress`` would, and trains one student on views. All are judged on the last tenth of each class
of the train split, which is left out of training.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import click
from label_trials import parts

from rudcodec.baselines import PictureBudget, real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.distill.budget import images_per_class
from rudcodec.evaluation import evaluate, label_accuracy
from rudcodec.labels import plan_for, train_label_network
from rudcodec.nets.device import pick_device
from rudcodec.payload import LabelNetwork
from rudcodec.students import default_recipe, network_views, student_views, view_recipe


class Splits:
    """Trains and judges; keeps the networks."""

    def __init__(self, data: LabelledImages, flip: bool | None, seed: int, view: ProgressView) -> None:
        self.train, self.judge = parts(data)
        self.recipe = default_recipe(self.train, flip=flip)
        self.seed, self.view = seed, view
        self.networks: dict[int, tuple[LabelNetwork, float]] = {}

    def network(self, bits: int, count: int) -> tuple[LabelNetwork, float]:
        """Of so many bits, trained on ``count`` views; and its accuracy."""
        if bits not in self.networks:
            data = self.train
            network = train_label_network(
                data,
                plan_for(bits, data.height, data.width, count),
                network_views(data.channels, "flip" in self.recipe.augment),
                self.seed,
                pick_device(),
                tell=lambda step, steps, *_: self.view(f"label network of {bits:,} bits", step, steps),
            )
            self.networks[bits] = network, label_accuracy(network, self.judge)
        return self.networks[bits]

    def row(self, bpc: float, share: float, count: int, steps: int, width: int) -> tuple[str, ...]:
        """Of the table."""
        data, classes = self.train, len(self.train.classes)
        shape = data.images.shape[1:]
        network, accuracy = self.network(round(share * bpc * classes), count)
        network = replace(network, views=student_views(shape, network.views.flip, bpc))
        spent = labels_size(network, shape, classes)
        left = bpc * classes / 8 - spent
        ipc = images_per_class(
            left * 8 / classes, data.height, data.width, min(data.ipc_counts()), views=True
        )
        student = evaluate(
            real_images(data, PictureBudget("avif", int(left), (ipc,)), self.seed)[0].as_set(),
            self.judge,
            recipe=view_recipe(self.recipe, data.height, data.width, bpc),
            network=network,
            seeds=1,
            first_seed=self.seed,
            steps=steps,
            width=width,
            progress=partial(self._tell, f"{bpc:,.0f} bpc, share {share:g}"),
        )
        found = (f"{100 * value:.1f} %" for value in (accuracy, student.mean))
        layers = " ".join(f"{layer.out_channels}" for layer in network.layers)
        return (f"{bpc:,.0f}", f"{share:g}", layers, f"{spent:,}", f"{ipc}", *found)

    def _tell(self, name: str, stage: str, step: int, steps: int) -> None:
        self.view(f"{name}: {stage}", step, steps)


def split(text: str) -> tuple[float, tuple[float, ...]]:
    """``30k:0.3,0.5``: a budget, and shares of the label network. Raises click.BadParameter."""
    budget, _, shares = text.partition(":")
    try:
        return amount(budget), tuple(float(share) for share in shares.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not BPC:SHARE,SHARE,...") from error


@click.command()
@click.argument("source")
@click.option("--split", "splits", type=split, multiple=True, required=True, help="BPC:SHARE,SHARE,...")
@click.option("--count", type=amount, default="200k", help="Views that a label network is trained on (200k).")
@click.option("--steps", type=int, default=1600, help="Of a student (1,600).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--flip/--no-flip", default=None)
@click.option("--seed", type=int, default=0)
def main(
    source: str,
    splits: tuple[tuple[float, tuple[float, ...]], ...],
    count: float,
    steps: int,
    width: int,
    flip: bool | None,
    seed: int,
) -> None:
    rows = []
    with ProgressView() as view:
        trials = Splits(load(source, "train"), flip, seed, view)
        for bpc, share in ((bpc, share) for bpc, shares in splits for share in shares):
            rows.append(trials.row(bpc, share, int(count), steps, width))
            view.say("  ".join(rows[-1]))
    print_table(
        (">bpc", ">share", ">layers", ">network's bytes", ">images a class", ">network", ">student"), rows
    )


if __name__ == "__main__":
    main()
