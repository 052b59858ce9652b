"""How a budget is best split between label network and images.

    python benchmarks/label_split.py SRC --split 10k:0.3,0.5,0.7,0.9 --split 30k:0.3,0.5,0.7,0.9

For each budget, in bits per class, and fraction for the label network: trains one as ``compress`` does (once
for all budgets of which it takes as many bits), takes random real images as AVIF in the bits that are left,
as many as ``compress`` would, and trains one student on views. All are judged on the last tenth of each class
of the train split, which is left out of training.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import click
from trials_common import Script, as_synthetic, run_of, split_for_trials, train_label_network

from rudcodec.baselines import PictureBudget, real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.tables import print_table
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.distill.allocation import Demand, images_per_class
from rudcodec.evaluation import evaluate, label_accuracy
from rudcodec.label_network import label_network_spec
from rudcodec.payload import LabelNetwork, Recipe
from rudcodec.progress import Within
from rudcodec.students import default_recipe, network_views, student_views, view_recipe
from rudcodec.views import recipe_of

COLUMNS = (">bpc", ">fraction", ">layers", ">network's bytes", ">images per class", ">network", ">student")


@dataclass(frozen=True)
class Effort:
    """How long everything is trained.

    Attributes:
        num_views: of real images, that a label network is trained on.
        steps, width: of a student.
        seed: of everything random.
    """

    num_views: int
    steps: int
    width: int
    seed: int


@dataclass(frozen=True, eq=False)
class Splits:
    """Trains label networks, of which it keeps those of each size, and students.

    Attributes:
        train: real images to train on.
        judge: real images to judge on.
        recipe: of students with hard labels.
        effort: how long everything is trained.
        view: shows progress.
    """

    train: LabelledImages
    judge: LabelledImages
    recipe: Recipe
    effort: Effort
    view: ProgressView
    _networks: dict[int, tuple[LabelNetwork, float]] = field(default_factory=dict, init=False)

    def row(self, bpc: float, fraction: float) -> tuple[str, ...]:
        """The table's row of one split."""
        train, num_classes, shape = self.train, len(self.train.classes), self.train.image_shape
        network, accuracy = self._network(round(fraction * bpc * num_classes))
        flips = recipe_of(network).flip
        network = replace(network, views=student_views(shape, flips, bpc))
        network_bytes = labels_size(network, shape, num_classes)
        image_bytes = int(bpc * num_classes / 8 - network_bytes)
        demand = Demand(train.classes, shape, min(train.ipc_counts()), for_views=True)
        ipc = images_per_class(demand, image_bytes * 8 / num_classes)
        budget = PictureBudget("avif", image_bytes, (ipc,))
        images = real_images(train, budget, self.effort.seed)[0].as_set()
        recipe = view_recipe(self.recipe, train.height, train.width)
        student = evaluate(
            as_synthetic(images, recipe, network),
            self.judge,
            seeds=[self.effort.seed],
            steps=self.effort.steps,
            width=self.effort.width,
            progress=Within(self.view, f"{bpc:,.0f} bpc, fraction {fraction:g}"),
        )
        layers = " ".join(f"{layer.out_channels}" for layer in network.layers)
        accuracies = (f"{100 * value:.1f} %" for value in (accuracy, student.mean))
        return (f"{bpc:,.0f}", f"{fraction:g}", layers, f"{network_bytes:,}", f"{ipc}", *accuracies)

    def _network(self, bits: int) -> tuple[LabelNetwork, float]:
        """A label network of so many bits, and its accuracy."""
        if bits not in self._networks:
            train, flip = self.train, "flip" in self.recipe.augment
            network = train_label_network(
                train,
                label_network_spec(bits, train.image_shape, len(train.classes), self.effort.num_views),
                network_views(train.channels, flip),
                student_views(train.image_shape, flip),
                run_of(self.effort.seed, self.view),
            )
            self._networks[bits] = network, label_accuracy(network, self.judge)
        return self._networks[bits]


def split(text: str) -> tuple[float, tuple[float, ...]]:
    """``30k:0.3,0.5``: a budget, and fractions for the label network. Raises click.BadParameter."""
    budget, _, fractions = text.partition(":")
    try:
        return amount(budget), tuple(float(fraction) for fraction in fractions.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not BPC:FRACTION,FRACTION,...") from error


@click.command(cls=Script)
@click.argument("source")
@click.option("--split", "splits", type=split, multiple=True, required=True, help="BPC:FRACTION,FRACTION,...")
@click.option("--count", type=amount, default="200k", help="Views that a label network is trained on (200k).")
@click.option("--steps", type=int, default=1600, help="Of a student (1,600).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--flip/--no-flip", default=None, help="Whether a mirrored image keeps its label.")
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
    """Compare splits of budgets on images of SOURCE's train split."""
    train, judge = split_for_trials(load(source, "train"))
    recipe = default_recipe(train, flip=flip)
    rows = []
    with ProgressView() as view:
        trials = Splits(train, judge, recipe, Effort(int(count), steps, width, seed), view)
        for bpc, fraction in ((bpc, fraction) for bpc, fractions in splits for fraction in fractions):
            rows.append(trials.row(bpc, fraction))
            view.say("  ".join(rows[-1]))
    print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
