"""Label networks, and students on views of images, on trial (experiments/2026-11-label-networks.md).

    python benchmarks/label_trials.py SRC --bits 250k --layers '40p 80p 80pr 80pr' --student steps=1000,ipc=48
    python benchmarks/label_trials.py SRC --file cifar10.rud --student zoom_min=20,mixup=80 --student batch=64

Trains a label network (or takes a file's), then each student: on views of random real images as AVIF of
``bpc`` bits per class, ``ipc`` of each class (or of a file's images, unless the student has an ``ipc``). All
are judged on the last tenth of each class of the train split, which is left out of training here (a file's
network has seen it): the validation split stays untouched.

A student is a list of changes: of its recipe (steps, batch, lr, ...), of its views (zoom_min, mixup, ...),
and of ipc (25), bpc (0: not coded), net (convnet), width (128) and temperature (of labels, in 1/16).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import click
from trials_common import (
    Script,
    as_synthetic,
    check_all_taken,
    parse_pairs,
    run_of,
    split_for_trials,
    take_changes,
    train_label_network,
)

import rudcodec
from rudcodec.baselines import PictureBudget, real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.evaluation import EvalResult, evaluate, label_accuracy
from rudcodec.label_network import label_network_spec
from rudcodec.payload import LabelLayer, LabelNetwork, Recipe
from rudcodec.runs import RunContext
from rudcodec.students import default_recipe, network_views, student_views, view_recipe

UNCODED_BYTES = 10**9  # a budget that every picture fits


@dataclass(frozen=True)
class Pictures:
    """How real images are coded, and what kind of student they are for.

    Attributes:
        ipc: images per class.
        bpc: bits per class; 0: they aren't coded.
        net, width: of the student.
    """

    ipc: int = 25
    bpc: float = 0.0
    net: str = "convnet"
    width: int = 128


def parse_layers(text: str) -> tuple[LabelLayer, ...]:
    """``"40p 80pr"``: channels of each layer, ``p``: pooled, ``r``: residual."""
    return tuple(
        LabelLayer(int(word.rstrip("pr")), "mean" if "p" in word else None, "r" in word)
        for word in text.split()
    )


def new_label_network(train: LabelledImages, asked: dict[str, Any], run: RunContext) -> LabelNetwork:
    """A label network as the command line asks for it."""
    flip = "flip" in default_recipe(train).augment
    spec = label_network_spec(asked["bits"], train.image_shape, len(train.classes), int(asked["count"]))
    if asked["layers"]:
        spec = replace(spec, layers=parse_layers(asked["layers"]))
    pairs = parse_pairs(asked["views"])
    views = take_changes(network_views(train.channels, flip), pairs)
    check_all_taken(pairs)
    return train_label_network(train, spec, views, student_views(train.image_shape, flip), run)


@dataclass(frozen=True, eq=False)
class StudentTrials:
    """Students with labels of one network.

    Attributes:
        train: where real images come from.
        judge: what students are judged on.
        network: the label network.
        recipe: of students, before changes.
        pictures: a file's images to train on, instead of real ones.
    """

    train: LabelledImages
    judge: LabelledImages
    network: LabelNetwork
    recipe: Recipe
    pictures: LabelledImages | None

    def run(self, changes: str, seed: int, view: ProgressView) -> tuple[LabelledImages, EvalResult]:
        """The images of a student, and what it made of them. Raises SettingError for unknown changes."""
        pairs = parse_pairs(changes)
        use_file = self.pictures is not None and "ipc" not in pairs
        network = replace(self.network, views=take_changes(self.network.views, pairs))
        network = replace(network, temperature=int(pairs.pop("temperature", network.temperature)))
        recipe = take_changes(self.recipe, pairs)
        kind = take_changes(Pictures(), pairs)
        check_all_taken(pairs)
        images = self.pictures if self.pictures is not None and use_file else self._real_images(kind, seed)
        result = evaluate(
            as_synthetic(images, recipe, network),
            self.judge,
            seeds=[seed],
            net=kind.net,
            width=kind.width,
            progress=view,
        )
        return images, result

    def _real_images(self, kind: Pictures, seed: int) -> LabelledImages:
        size = round(kind.bpc * len(self.train.classes) / 8) or UNCODED_BYTES
        return real_images(self.train, PictureBudget("avif", size, (kind.ipc,)), seed)[0].as_set()


@click.command(cls=Script)
@click.argument("source")
@click.option("--file", help="Take this file's label network and images.")
@click.option("--images", "pictures", help="Take this file's images instead.")
@click.option("--bits", type=amount, default="250k", help="Of the label network (250k).")
@click.option("--count", type=amount, default="400k", help="Views that it is trained on (400k).")
@click.option("--layers", help="Of it, as '40p 80p 80pr 80pr'; by default those that compress would take.")
@click.option("--views", default="", help="Changes of the views it is trained on: 'zoom_min=20,mixup=80'.")
@click.option("--student", "students", multiple=True, help="Changes of a student.")
@click.option("--seed", type=int, default=0)
def main(
    source: str, file: str | None, pictures: str | None, students: tuple[str, ...], seed: int, **asked: Any
) -> None:
    """Compare students on labelled views of images of SOURCE's train split."""
    train, judge = split_for_trials(load(source, "train"))
    data = rudcodec.load(file) if file else None
    shown = rudcodec.load(pictures) if pictures else data
    own_images = None
    if shown is not None:
        own_images = LabelledImages(shown.images, shown.labels, shown.classes, str(pictures or file))
    with ProgressView() as view:
        if data is None:
            recipe = view_recipe(default_recipe(train), train.height, train.width)
            network = new_label_network(train, asked, run_of(seed, view))
        elif data.network is not None:
            recipe, network = data.recipe, data.network
        else:
            raise click.BadParameter(f"{file} has no label network")
        size = labels_size(network, train.image_shape, len(train.classes))
        print(f"label network  {size:,} bytes  {100 * label_accuracy(network, judge):.1f} %", flush=True)
        trials = StudentTrials(train, judge, network, recipe, own_images)
        for student in students:
            images, result = trials.run(student, seed, view)
            print(
                f"student {student}  {images.name}  {100 * result.mean:.1f} %  {result.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
