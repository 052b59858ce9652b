"""Checks of recipes that users change. Nothing here imports torch, since readers of files use it, too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from numbers import Real
from typing import Any

import numpy as np

from rudcodec.errors import SettingError
from rudcodec.options import guess, is_finite, plain_number, shown_number
from rudcodec.payload import AUGMENTATIONS, OPTIMIZERS, Recipe
from rudcodec.whole_numbers import whole

MAX_RATE = float(np.finfo(np.float32).max)
"""Of learning and of weight decay: optimizers compute in float32."""

_LISTS = ("mean", "std", "augment")
_WHOLE = ("steps", "batch", "cutmix")
_NUMBERS = (*_WHOLE, "lr", "weight_decay", "momentum")


def changed_recipe(recipe: Recipe, changes: Mapping[str, Any], channels: int) -> Recipe:
    """A recipe with some fields changed, whose values are of Python's own types, so that JSON can say them.

    Raises SettingError if a recipe has no such field, or makes no sense for images of so many channels.
    """
    names = tuple(one.name for one in fields(Recipe))
    for name in changes:
        if name not in names:
            raise SettingError(f"a recipe has no field {name!r}{guess(name, names)}")
    changed = replace(recipe, **{name: _plain(value) for name, value in changes.items()})
    check_recipe(changed, channels)
    return changed


def check_recipe(recipe: Recipe, channels: int | None = None) -> None:
    """Raise SettingError unless a recipe makes sense, and is for images of so many channels."""
    check_types(recipe)
    if len(recipe.mean) != len(recipe.std) or channels not in (None, len(recipe.mean)):
        raise SettingError(
            f"the recipe is for {len(recipe.mean)} channels, the images have {channels or len(recipe.std)}"
        )
    if not all(0 <= value <= 255 for value in recipe.mean):
        raise SettingError(f"mean must be 0..255, not {recipe.mean}")
    if not all(0 < value <= 255 for value in recipe.std):
        raise SettingError(f"std must be above zero, 255 at most, not {recipe.std}")
    for name in _WHOLE:
        whole(name, getattr(recipe, name), -sys.maxsize, sys.maxsize)
    for name in ("steps", "batch", "lr"):
        value = getattr(recipe, name)
        if not value > 0:
            raise SettingError(f"{name} must be above zero, not {value}")
    for name in ("lr", "weight_decay"):
        if not is_finite(value := getattr(recipe, name)):
            raise SettingError(f"{name} must be finite, not {shown_number(value)}")
        if value > MAX_RATE:
            raise SettingError(f"{name} must be no more than {MAX_RATE:g}, not {shown_number(value)}")
    if recipe.weight_decay < 0:
        raise SettingError(f"weight_decay must be at least 0, not {recipe.weight_decay}")
    if not 0 <= recipe.momentum < 1:
        raise SettingError(f"momentum must be at least 0 and below 1, not {recipe.momentum}")
    if not 0 <= recipe.cutmix <= 255:
        raise SettingError(f"cutmix must be 0..255, not {recipe.cutmix}")
    if recipe.optimizer not in OPTIMIZERS:
        raise SettingError(f"optimizer: {recipe.optimizer!r} is none of {', '.join(OPTIMIZERS)}")
    check_ops(recipe.augment)


def check_ops(ops: tuple[str, ...]) -> None:
    """Raise SettingError if a name isn't an operation's."""
    for name in ops:
        if name not in AUGMENTATIONS:
            raise SettingError(f"no augmentation is called {name!r}: choose from {', '.join(AUGMENTATIONS)}")


def check_types(recipe: Recipe) -> None:
    """Raise SettingError where there is no number, or no list, in a field that needs one."""
    for name in _LISTS:
        if not isinstance(getattr(recipe, name), tuple | list):
            raise SettingError(f"{name} is {getattr(recipe, name)!r}, must be a list")
    numbers = [(name, getattr(recipe, name)) for name in _NUMBERS]
    numbers += [(name, value) for name in ("mean", "std") for value in getattr(recipe, name)]
    for name, value in numbers:
        if isinstance(value, int) and not is_finite(value):
            raise SettingError(f"{name} must be finite, not {shown_number(value)}")
        if isinstance(value, bool) or not isinstance(value, Real):
            raise SettingError(f"{name} is {value!r}, must be a number")


def _plain(value: Any) -> Any:
    """The same value of Python's own types: lists and arrays become tuples."""
    if isinstance(value, np.ndarray) and value.ndim:
        return tuple(value.tolist())
    if isinstance(value, list | tuple):
        return tuple(map(plain_number, value))
    return plain_number(value)
