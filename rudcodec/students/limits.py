"""Limits on what a file's recipe may ask for, unless the user asks for it, too.

A file may come from anywhere, and a few bytes of its recipe decide how much time and memory training takes.
The limits are far beyond what published recipes ask for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from rudcodec.errors import SettingError
from rudcodec.payload import Recipe
from rudcodec.recipe_checks import check_recipe, check_types
from rudcodec.students.training_set import TrainingSet

MAX_STEPS = 1_000_000
MAX_BATCH = 16_384  # images or views of a step
MAX_BATCH_BYTES = 1 << 30  # of their pixels
MAX_SEEN = 100_000_000  # images or views of all steps
MAX_LR = 100.0
MAX_MOMENTUM = 0.9999


def check_request(recipe: Recipe, data: TrainingSet, chosen: Collection[str] = ()) -> None:
    """Raise SettingError where a recipe makes no sense for a set, or training by it would take more than the
    limits allow.

    Args:
        recipe: how students are to be trained.
        data: what they are to be trained on.
        chosen: fields of the recipe that aren't the file's, but the user's own choice: they may be anything.
    """
    check_types(recipe)
    batch = data.batch_size(recipe)
    size = batch * data.images[0].nbytes
    for name, value, limit, request in (
        ("steps", recipe.steps, MAX_STEPS, "{:,} steps"),
        ("batch", batch, MAX_BATCH, "{:,} images in a step"),
        ("batch", size, MAX_BATCH_BYTES, "{:,} bytes of images in a step"),
        ("lr", recipe.lr, MAX_LR, "a learning rate of {:g}"),
        ("momentum", recipe.momentum, MAX_MOMENTUM, "a momentum of {:g}"),
    ):
        if value > limit and name not in chosen:
            raise SettingError(_refusal(name, request.format(value), limit))
    if batch * recipe.steps > MAX_SEEN and not {"steps", "batch"} & set(chosen):
        request = f"{recipe.steps:,} steps of {batch:,} images, {batch * recipe.steps:,} in all"
        raise SettingError(_refusal("steps", request, MAX_SEEN))
    check_recipe(recipe, data.images.shape[3])


def limited_batch(recipe: Recipe, image_bytes: int, least: int) -> Recipe:
    """The file's recipe for a set that may have more images than the file, of so many bytes each: its batch
    is no larger than the limits allow, but at least ``least``."""
    most = min(MAX_BATCH, MAX_BATCH_BYTES // image_bytes, MAX_SEEN // recipe.steps)
    return replace(recipe, batch=min(recipe.batch, max(least, most)))


def _refusal(name: str, request: str, limit: float) -> str:
    return (
        f"the file's recipe asks for {request}; no file may have more than {limit:,.12g}: "
        f"choose with --set {name}=N (in Python: recipe=)"
    )
