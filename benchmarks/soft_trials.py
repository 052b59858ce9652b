"""Soft labels on trial: temperature, classes kept and step against bits an image and a student's accuracy.

    python benchmarks/soft_trials.py SRC --file cifar10.rud --labels '' --labels kept=1,step=64

The label network of a file labels random real images as AVIF of ``bpc`` bits per class, or the images of the
file ``--of``, whose students are then trained as ``eval`` trains them. ``--labels ''`` stands for hard ones;
else kept (3), step (32), temperature (32, in 1/16) and own (0.5), the part of each label that is its image's
class in any case, may be changed. All are judged on the last tenth of each class of the train split, which
the file's network has seen, as have the images of ``--of``; real images are drawn from the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from trials_common import Script, as_synthetic, check_all_taken, parse_pairs, split_for_trials, take_changes

import rudcodec
from rudcodec.baselines import PictureBudget, real_images
from rudcodec.bitstream.coder import Meter
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.soft import code_soft, restored
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.evaluation import evaluate
from rudcodec.label_network.teacher import LOG_ODDS_STEP, NUM_NAMED_CLASSES, OWN_PART, soft_labels_of
from rudcodec.payload import LabelNetwork, SoftScale
from rudcodec.students import default_recipe

TEMPERATURE = 32


def soft_labels(
    images: LabelledImages, network: LabelNetwork, scale: SoftScale, own: float
) -> tuple[NDArray[np.float32], float]:
    """Probabilities as a file would give them back, and bits an image. Images are ordered by class."""
    teacher = replace(network, temperature=scale.temperature)
    labels = soft_labels_of(teacher, images.images, images.labels, scale, own)
    meter = Meter()
    code_soft(meter, scale, images.labels, len(images.classes), labels, Place("segment"))
    probs = restored(labels, images.labels, scale, len(images.classes))
    return probs.astype(np.float32), meter.bits / len(images)


@click.command(cls=Script)
@click.argument("source")
@click.option("--file", required=True, help="Its label network is the teacher.")
@click.option("--bpc", type=amount, default="50k", help="Of the real images (50k).")
@click.option("--ipc", type=int, default=50, help="Of the real images (50).")
@click.option("--of", "images_of", help="File whose images are labelled, instead of real ones.")
@click.option("--labels", "trials", multiple=True, default=("",), help="'' or kept=3,step=32,temperature=32.")
@click.option("--steps", type=int, default=500, help="Of a student (500).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--seeds", type=int, default=1, help="Students of each trial (1).")
def main(
    source: str,
    file: str,
    bpc: float,
    ipc: int,
    images_of: str | None,
    trials: tuple[str, ...],
    steps: int,
    **students: Any,
) -> None:
    """Compare soft labels of images of SOURCE's train split."""
    train, judge = split_for_trials(load(source, "train"))
    network = rudcodec.load(file).network
    if network is None:
        raise click.BadParameter(f"{file} has no label network")
    if images_of is None:
        budget = PictureBudget("avif", round(bpc * len(train.classes) / 8), (ipc,))
        images, recipe = real_images(train, budget, 0)[0].as_set(), default_recipe(train)
    else:
        synthetic = rudcodec.load(images_of)
        images = LabelledImages(synthetic.images, synthetic.labels, synthetic.classes, images_of)
        recipe = synthetic.recipe
    recipe = replace(recipe, steps=steps)
    with ProgressView() as view:
        for trial in trials:
            synthetic = as_synthetic(images, recipe)
            bits = 0.0
            if trial:
                pairs = parse_pairs(trial)
                scale = take_changes(SoftScale(NUM_NAMED_CLASSES, LOG_ODDS_STEP, TEMPERATURE), pairs)
                own = float(pairs.pop("own", OWN_PART))
                check_all_taken(pairs)
                probs, bits = soft_labels(images, network, scale, own)
                synthetic = replace(synthetic, probs=probs, temperature=scale.softmax_temperature)
            result = evaluate(synthetic, judge, progress=view, **students)
            spread = f" +- {100 * result.std:.1f}" if len(result.seeds) > 1 else ""
            print(
                f"{trial or 'hard'}  {bits:.1f} bits an image  {100 * result.mean:.1f}{spread} %  "
                f"{result.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
