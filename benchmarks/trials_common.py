"""What the trials share: which images they use, how their command lines are read, what they show."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import click

from rudcodec.cli.metrics import Metrics
from rudcodec.data import LabelledImages, Split
from rudcodec.data.splits import SourceSplit, split_rows
from rudcodec.display import ProgressView
from rudcodec.errors import RudError, SettingError
from rudcodec.label_network import LabelNetworkSpec
from rudcodec.label_network.training import label_network_from, label_network_weights
from rudcodec.payload import LabelNetwork, Recipe, ViewRecipe
from rudcodec.runs import RunContext
from rudcodec.synthetic import SyntheticSet

T = TypeVar("T")


class Script(click.Command):
    """A command whose failures that a user can cause are one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RudError as error:
            raise click.ClickException(str(error)) from error


def split_for_trials(train: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """The images of a train split to work with, and its last tenth of each class to judge by.

    The validation split stays untouched, so that what the trials decide can still be tested on it.
    """
    return _split(train, "train"), _split(train, "val")


def _split(train: LabelledImages, split: Split) -> LabelledImages:
    parts: tuple[SourceSplit, ...] = ("train",)
    return train.take(split_rows(split, train.labels, parts, train.classes, train.name))


def as_synthetic(images: LabelledImages, recipe: Recipe, network: LabelNetwork | None = None) -> SyntheticSet:
    """Images as a set that a file has brought, with a recipe and, if one is given, a label network."""
    return SyntheticSet(images.images, images.labels, images.classes, 0, recipe, network)


def run_of(seed: int, view: ProgressView) -> RunContext:
    """A run without checkpoints whose progress is shown."""
    return RunContext(seed=seed, reporter=Metrics(view, log=None, board=None, append=False))


def train_label_network(
    train: LabelledImages,
    spec: LabelNetworkSpec,
    training_views: ViewRecipe,
    student_views: ViewRecipe,
    run: RunContext,
) -> LabelNetwork:
    """A label network that was trained on views of ``train``, as an encode trains one.

    Args:
        train: real images.
        spec: of the network.
        training_views: recipe of the views that it is trained on.
        student_views: recipe of the views that students are to draw.
        run: device, seed, reporter.
    """
    weights = label_network_weights(train, spec, training_views, run)
    return label_network_from(weights, spec, student_views)


def parse_pairs(text: str) -> dict[str, str]:
    """``"zoom_min=20,mixup=80"`` as a dictionary of texts."""
    words = [word.partition("=") for word in text.split(",") if word]
    return {name: value for name, _, value in words}


def take_changes(values: T, pairs: dict[str, str]) -> T:
    """A dataclass instance with those fields changed that ``pairs`` name, which are taken out of these."""
    known: Any = values
    changes = {
        field.name: _parse(type(getattr(known, field.name)), pairs.pop(field.name))
        for field in fields(known)
        if field.name in pairs
    }
    changed: T = replace(known, **changes)
    return changed


def _parse(kind: type, text: str) -> Any:
    if kind is tuple:
        return tuple(text.split("+"))
    return text == "true" if kind is bool else kind(text)


def check_all_taken(pairs: dict[str, str]) -> None:
    """Raise SettingError if any of ``pairs`` was of no use."""
    if pairs:
        raise SettingError(f"there is no setting {', '.join(pairs)}")
