"""The settings as keyword arguments, so that type checkers and editors know their names and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypedDict

from rudcodec.errors import SettingError
from rudcodec.options import guess
from rudcodec.settings import Settings


class Overrides(TypedDict, total=False):
    """Fields of :class:`rudcodec.settings.Settings`, any of them; a test holds the two alike."""

    bpc: float
    lmbda: float | None
    ipc: int | None
    share: str
    labels: str
    utility: str
    seed: int
    device: str
    flip: bool | None
    warmup: int
    joint: int
    tune: int
    chunk: int | None
    balance: float
    utility_images: int
    label_fraction: float | None
    label_views: int
    utility_options: Mapping[str, Any]
    metadata: Mapping[str, str]


def check_names(overrides: Iterable[str], other_arguments: Iterable[str]) -> None:
    """Raise SettingError unless all are settings; it names what is similar, ``other_arguments`` included."""
    settings = [one.name for one in fields(Settings)]
    for name in overrides:
        if name == "preset":
            raise SettingError(
                "a preset is an argument of its own: compress(..., Settings.preset('fast', ...))"
            )
        if name == "bytes":
            raise SettingError("there is no setting 'bytes': bpc is 8 * bytes / number of classes")
        if name not in settings:
            raise SettingError(f"there is no setting {name!r}{guess(name, (*settings, *other_arguments))}")
