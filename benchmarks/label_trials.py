"""Label networks, and students on views of images, on trial: what docs/views.md compares.

    python benchmarks/label_trials.py SRC --bits 250k --layers '40p 80p 80pr 80pr' --student steps=1000,ipc=48
    python benchmarks/label_trials.py SRC --file cifar10.rud --student zoom_min=20,mixup=80 --student batch=64

Trains a label network (or takes a file's), then each student: on views of random real images as AVIF of
``bpc`` bits a class, ``ipc`` of each class (or of a file's images, unless ``ipc`` is told). All are judged on
the last tenth of each class of the train split, which is left out of training here (a file's network has seen
it): the validation split stays untouched.

A student is a list of changes: of its recipe (steps, batch, lr, ...), of its views (zoom_min, mixup, ...),
and of ipc (25), bpc (0: not coded), net (convnet), width (128) and temperature (of labels, in 1/16).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import click

import rudcodec
from rudcodec.baselines import real_images
from rudcodec.bitstream import labels_size
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.data.splits import Part, rows_of
from rudcodec.evaluation import evaluate, label_accuracy
from rudcodec.labels import plan_for, train_label_network
from rudcodec.payload import LabelLayer
from rudcodec.student import default_recipe, network_views, pick_device, student_views, view_recipe

UNCODED = 10**9  # bytes


def parts(data: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """To train on, and to judge by."""
    train_only: tuple[Part, ...] = ("train",)
    train = rows_of("train", data.labels, train_only, data.classes, data.name)
    judge = rows_of("val", data.labels, train_only, data.classes, data.name)
    return data.take(train), data.take(judge)


def layers_of(text: str) -> tuple[LabelLayer, ...]:
    """``40p``: 40 channels, pooled; ``r``: residual."""
    return tuple(LabelLayer(int(word.rstrip("pr")), "p" in word, "r" in word) for word in text.split())


def pairs_of(text: str) -> dict[str, str]:
    """``zoom_min=20,mixup=80``."""
    return {name: value for name, _, value in (word.partition("=") for word in text.split(",") if word)}


def changed(what: Any, pairs: dict[str, str]) -> Any:
    """A dataclass with those of its fields changed that ``pairs`` name, which are taken out of them."""
    own = {field.name: type(getattr(what, field.name)) for field in fields(what)}
    return replace(what, **{name: own[name](pairs.pop(name)) for name in own if name in pairs})


@click.command()
@click.argument("source")
@click.option("--file", help="Network and images to take.")
@click.option("--images", "pictures", help="A file whose images to take, instead of those.")
@click.option("--bits", type=amount, default="250k", help="Of the label network (250k).")
@click.option("--count", type=amount, default="400k", help="Views that it is trained on (400k).")
@click.option("--layers", help="Of it, as '40p 80p 80pr 80pr'; those that compress would take.")
@click.option("--views", default="", help="Changes of the views it is trained on: 'zoom_min=20,mixup=80'.")
@click.option("--student", "students", multiple=True, help="Changes of a student.")
@click.option("--seed", type=int, default=0)
def main(
    source: str, file: str | None, pictures: str | None, students: tuple[str, ...], seed: int, **how: Any
) -> None:
    train, judge = parts(load(source, "train"))
    height, width, channels = train.images.shape[1:]
    recipe = view_recipe(default_recipe(train), height, width)
    gentle = network_views(channels, "flip" in recipe.augment)
    data = rudcodec.load(file) if file else None
    shown = rudcodec.load(pictures) if pictures else data
    with ProgressView() as view:
        if data is not None:
            network, recipe = data.network, data.recipe
            assert network is not None, f"{file} has no label network"
        else:
            plan = plan_for(how["bits"], height, width, int(how["count"]))
            if how["layers"]:
                plan = replace(plan, layers=layers_of(how["layers"]))
            network = train_label_network(
                train,
                plan,
                changed(gentle, pairs_of(how["views"])),
                seed,
                pick_device(),
                tell=lambda step, steps, *_: view("label network", step, steps),
                students=student_views((height, width, channels), gentle.flip),
            )
        taken = labels_size(network, (height, width, channels), len(train.classes))
        print(f"label network  {taken:,} bytes  {100 * label_accuracy(network, judge):.1f} %", flush=True)
        for student in students:
            pairs = pairs_of(student)
            taught = replace(network, views=changed(network.views, pairs))
            followed = changed(recipe, pairs)
            taught = replace(taught, temperature=int(pairs.pop("temperature", taught.temperature)))
            net, wide = pairs.pop("net", "convnet"), int(pairs.pop("width", 128))
            if shown is not None and "ipc" not in pairs:
                images = LabelledImages(shown.images, shown.labels, shown.classes, str(pictures or file))
            else:
                bpc, ipc = float(pairs.pop("bpc", 0)), int(pairs.pop("ipc", 25))
                budget = round(bpc * len(train.classes) / 8) or UNCODED
                images = real_images(train, budget, "avif", seed, (ipc,))[0].as_set()
            assert not pairs, f"no such setting: {', '.join(pairs)}"
            result = evaluate(
                images,
                judge,
                recipe=followed,
                network=taught,
                seeds=1,
                first_seed=seed,
                net=net,
                width=wide,
                progress=view,
            )
            print(
                f"student {student}  {images.name}  {100 * result.mean:.1f} %  {result.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
