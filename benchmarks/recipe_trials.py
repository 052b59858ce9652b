"""Recipes for hard labels on trial: students of a file's images, and of real ones, by changed recipes.

    python benchmarks/recipe_trials.py SRC --file cifar10.rud --recipe '' --recipe steps=4000,cutmix=255

Each recipe is a list of changes of the file's own (``''``: none). All students are judged on the last tenth
of each class of the train split: the validation split stays untouched. The file has been made from these
images too, so that its accuracies are a little high; those of real images (``--avif N``, of each class, drawn
from the rest, in as many bytes) aren't.
"""

from __future__ import annotations

import click
from trials_common import Script, check_all_taken, parse_pairs, split_for_trials, take_changes

import rudcodec
from rudcodec.baselines import PictureBudget, real_images
from rudcodec.data import LabelledImages, load
from rudcodec.display import ProgressView
from rudcodec.evaluation import evaluate
from rudcodec.text import percent


@click.command(cls=Script)
@click.argument("source")
@click.option("--file", required=True, help="Its images, with their classes alone, and its recipe.")
@click.option("--avif", type=click.IntRange(0), default=0, help="Real images of each class beside it (none).")
@click.option("--recipe", "recipes", multiple=True, default=("",), help="'' or steps=2000,cutmix=128, ...")
@click.option("--net", default="convnet", help="What students are (convnet).")
@click.option("--width", type=int, default=64, help="Of a student (64).")
@click.option("--seeds", type=int, default=1, help="Students of each trial (1).")
def main(
    source: str, file: str, avif: int, recipes: tuple[str, ...], net: str, width: int, seeds: int
) -> None:
    """Compare recipes of students with hard labels on the images of FILE."""
    train, judge = split_for_trials(load(source, "train"))
    data = rudcodec.load(file)
    sets = [LabelledImages(data.images, data.labels, data.classes, file)]
    if avif:
        sets.append(real_images(train, PictureBudget("avif", data.size, (avif,)), 0)[0].as_set())
    with ProgressView() as view:
        for text in recipes:
            pairs = parse_pairs(text)
            recipe = take_changes(data.recipe, pairs)
            check_all_taken(pairs)
            for images in sets:
                result = evaluate(
                    images, judge, recipe=recipe, seeds=seeds, net=net, width=width, progress=view
                )
                print(
                    f"{images.name}  {text or 'its recipe'}  {percent(result.mean, result.std, seeds)}"
                    f"  {result.seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
