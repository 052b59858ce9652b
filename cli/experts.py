"""``rudcodec experts``: trajectories of networks trained on the real set, which ``--utility tm`` matches."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rudcodec.data.reading import Reading
from rudcodec.data.splits import Split
from rudcodec.display import ProgressView
from rudcodec.optional import TRAINING, require
from rudcodec.text import counted
from rudcodec.threads import prepare_for_images

from .commands import closing, command, device_flag, is_quiet
from .reading import class_flag, read_images, reading_flags, size_flag, split_flag
from .values import FiniteRange, Input, Output


@command("experts", "Train the networks that --utility tm matches.")
@click.argument("source", metavar="SRC", type=Input())
@click.argument("folder", metavar="DIR", type=Output(path_type=Path))
@click.option(
    "--count", type=click.IntRange(1), default=10, metavar="N", help="How many (10; published: 100)."
)
@click.option("--epochs", type=click.IntRange(1), default=50, metavar="N", help="Of each (50).")
@click.option(
    "--width", type=click.IntRange(1), default=128, metavar="N", help="Channels of the ConvNets (128)."
)
@click.option(
    "--lr", type=FiniteRange(0, min_open=True), default=0.01, metavar="X", help="Of plain SGD (0.01)."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, metavar="N", help="Of the first (0).")
@click.option("--flip/--no-flip", default=None, help="Mirror images? (colour: yes, grey: no)")
@size_flag
@reading_flags
@split_flag
@class_flag
@device_flag
def experts(
    source: str,
    folder: Path,
    count: int,
    epochs: int,
    width: int,
    lr: float,
    seed: int,
    flip: bool | None,
    reading: Reading,
    split: Split | None,
    device: str,
) -> None:
    """Train networks on SRC, and keep their weights of every epoch in DIR.

    Experts that are in DIR already are left as they are: an interrupted command goes on, and a larger --count
    adds to them.
    """
    require(*TRAINING)
    with ProgressView(is_quiet()) as view:
        images = read_images(source, split or "train", reading, view)

        prepare_for_images(os.environ, images.height, images.width)
        from rudcodec.nets.device import pick_device
        from rudcodec.utility.experts import ExpertRecipe, ExpertTrainer

        recipe = ExpertRecipe(epochs=epochs, width=width, lr=lr, flip=flip, seed=seed)
        ExpertTrainer(images, recipe, pick_device(device), _Epochs(view)).fill(folder, count)
    closing(f"{folder}: {counted(count, 'expert')} of {counted(epochs, 'epoch')}")


class _Epochs:
    """Shows the epochs of all experts and the loss."""

    def __init__(self, view: ProgressView) -> None:
        self._view = view

    def __call__(self, done: int, total: int, loss: float) -> None:
        self._view("experts", done, total, f"loss {loss:.3f}")
