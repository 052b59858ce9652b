"""Soft labels on trial: temperature, classes kept and step against bits an image and a student's accuracy.

    python benchmarks/soft_trials.py SRC --file cifar10.rud --labels '' --labels kept=1,step=64

The label network of a file labels random real images as AVIF of ``bpc`` bits a class, whose students are
then trained as ``eval`` trains them. ``--labels ''`` stands for hard ones; else kept (3), step (32) and
temperature (32, in 1/16) may be told. All are judged on the last tenth of each class of the train split,
which the file's network has seen; real images are drawn from the rest.
"""

from __future__ import annotations

from dataclasses import replace

import click
import numpy as np
from label_trials import changed, pairs_of, parts

import rudcodec
from rudcodec.baselines import PictureBudget, real_images
from rudcodec.bitstream.coder import Meter
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.soft import code_soft, restored
from rudcodec.cli.progress import ProgressView
from rudcodec.cli.values import amount
from rudcodec.data import LabelledImages, load
from rudcodec.evaluation import evaluate
from rudcodec.labels.soft import seen_by
from rudcodec.payload import LabelNetwork, SoftScale
from rudcodec.students import default_recipe
from rudcodec.synthetic import SyntheticSet


def softened(images: LabelledImages, network: LabelNetwork, scale: SoftScale) -> tuple[np.ndarray, float]:
    """Probabilities as a file would give them back, and bits an image. Images are ordered by class."""
    warm = replace(network, temperature=scale.temperature)
    soft = seen_by(warm, images.images, images.labels, scale)
    meter = Meter()
    code_soft(meter, scale, images.ipc_counts(), soft, Place("segment"))
    found = restored(soft, images.labels, scale, len(images.classes))
    return found.astype(np.float32), meter.bits / len(images)


@click.command()
@click.argument("source")
@click.option("--file", required=True, help="Whose label network is the teacher.")
@click.option("--bpc", type=amount, default="50k", help="Of the real images (50k).")
@click.option("--ipc", type=int, default=50, help="Of the real images (50).")
@click.option("--labels", "trials", multiple=True, default=("",), help="'' or kept=3,step=32,temperature=32.")
@click.option("--steps", type=int, default=500, help="Of a student (500).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--seeds", type=int, default=1, help="Students of each (1).")
def main(
    source: str, file: str, bpc: float, ipc: int, trials: tuple[str, ...], steps: int, width: int, seeds: int
) -> None:
    train, judge = parts(load(source, "train"))
    network = rudcodec.load(file).network
    assert network is not None, f"{file} has no label network"
    recipe = replace(default_recipe(train), steps=steps)
    budget = PictureBudget("avif", round(bpc * len(train.classes) / 8), (ipc,))
    found = real_images(train, budget, 0)[0].as_set()
    images = found.take(np.argsort(found.labels, kind="stable"))
    with ProgressView() as view:
        for trial in trials:
            probs, bits, temperature = None, 0.0, 1.0
            if trial:
                scale = changed(SoftScale(3, 32, 32), pairs_of(trial))
                (probs, bits), temperature = softened(images, network, scale), scale.temperature / 16
            synthetic = SyntheticSet(
                images.images,
                images.labels,
                images.classes,
                0,
                recipe,
                probs=probs,
                temperature=temperature,
            )
            result = evaluate(synthetic, judge, seeds=seeds, width=width, progress=view)
            spread = f" +- {100 * result.std:.1f}" if seeds > 1 else ""
            print(
                f"{trial or 'hard'}  {bits:.1f} bits an image  {100 * result.mean:.1f}{spread} %  "
                f"{result.seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
