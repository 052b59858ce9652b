"""A recipe in words."""

from __future__ import annotations

from rudcodec.payload import Recipe


def recipe_lines(recipe: Recipe | None) -> tuple[str, ...]:
    """How a recipe trains, and on what, a line each; None is one that this version doesn't understand."""
    if recipe is None:
        return ("none that this version understands",)
    training = (
        f"{recipe.steps} steps of {recipe.batch}, {recipe.optimizer}, lr {recipe.lr:g}, "
        f"weight decay {recipe.weight_decay:g}, momentum {recipe.momentum:g}"
    )
    images = (
        f"mean {_numbers(recipe.mean)}, std {_numbers(recipe.std)}, "
        f"augmentation {' '.join(recipe.augment) or 'none'}"
    )
    return training, images + (f", cutmix in {recipe.cutmix} of 256 batches" if recipe.cutmix else "")


def _numbers(values: tuple[int, ...]) -> str:
    return " ".join(map(str, values))
