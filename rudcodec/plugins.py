"""What other packages add: utilities and students, found through their entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rudcodec.errors import SettingError

UTILITIES = "rudcodec.utilities"
"""Makers of a :class:`rudcodec.utility.Utility` from the :class:`rudcodec.payload.Recipe` of students."""

NETS = "rudcodec.nets"
"""Makers of a ``torch.nn.Module`` from (channels, classes, (height, width))."""


@cache  # all installed packages are looked through
def names(group: str) -> tuple[str, ...]:
    """Of what is installed for a group; nothing is imported."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def load(group: str, name: str) -> Any:
    """What an installed package offers by this name. Raises SettingError where it can't be had."""
    points = entry_points(group=group, name=name)
    if not points:
        raise SettingError(f"{name!r} is no entry point of {group}")
    point: EntryPoint = next(iter(points))
    try:
        return point.load()
    except Exception as error:  # another's code, at import: anything
        raise SettingError(
            f"{name}: {point.value} can't be loaded ({type(error).__name__}: {error})"
        ) from error
