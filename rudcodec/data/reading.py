"""How the pictures of a source are read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from rudcodec.data.normalisation import parse_normalisation
from rudcodec.data.sizes import Sizes
from rudcodec.errors import DataError, SettingError
from rudcodec.options import guess
from rudcodec.text import listed, shown
from rudcodec.whole_numbers import whole

Mode = Literal["auto", "rgb", "grey"]

MAX_SIZE = 4096
"""Largest ``size``, in pixels."""


SKIP_ADVICE = "mend it, or leave out what can't be read (--skip-bad)"
"""What a user can do about what can't be read."""


_LEFT_OPEN = {
    "image_column": "there are no columns of images to choose from",
    "label_column": "there are no columns of labels to choose from",
    "normalised": "there are no floats that may be normalised",
}


@dataclass(frozen=True)
class Reading:
    """How pictures are read.

    Attributes:
        size: makes each picture this many pixels high and wide: the centre square, antialiased bicubic.
            Without it all pictures must have one size.
        mode: "rgb" and "grey" convert to colour or grey; with "auto" all pictures must be of one kind, which
            stays.
        background: the colour that transparent pixels are put on, "#rrggbb" or a name of CSS. Without it a
            picture with transparent pixels can't be used.
        skip_bad: leave out what can't be read (damaged pictures, folders without one) instead of giving up.
        image_column, label_column: the columns, or fields, of tables and sets of Hugging Face ``datasets``
            that hold images and labels, where the source leaves that open.
        normalised: how floats beyond 0..1 were normalised: the name of a set (``cifar10``) or numbers for
            each channel (``.49,.48,.45/.2,.2,.2``), see :mod:`rudcodec.data.normalisation`.
        classes: names of those classes that are read alone; they keep the source's order. None: all.
        sizes: of the pictures that were read so.

    Raises:
        SettingError: a value that makes no sense.
    """

    size: int | None = None
    mode: Mode = "auto"
    background: str | None = None
    skip_bad: bool = False
    image_column: str | None = None
    label_column: str | None = None
    normalised: str | None = None
    classes: Collection[str] | None = None
    sizes: Sizes = field(default_factory=Sizes, init=False, compare=False, repr=False)
    _taken: set[str] = field(default_factory=set, init=False, compare=False, repr=False)
    _remarks: dict[str, None] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", whole("size", self.size, 1, MAX_SIZE))
        for name in ("mode", "background", *_LEFT_OPEN):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "mode"):
                raise SettingError(f"{name} is {shown(repr(value))}, must be a text")
        if self.classes is not None:
            names = () if isinstance(self.classes, str) else tuple(self.classes)
            if not names or not all(isinstance(name, str) for name in names):
                raise SettingError(
                    f"classes is {shown(repr(self.classes))}, must be the names of some classes"
                )
            object.__setattr__(self, "classes", names)
        if self.mode not in get_args(Mode):
            raise SettingError(f"mode must be one of {', '.join(get_args(Mode))}, not {shown(self.mode)}")
        if self.background is not None and not (
            re.fullmatch(r"#[0-9a-fA-F]{6}", self.background)
            or self.background.lower() in ImageColor.colormap
        ):
            raise SettingError(
                f"background must be #rrggbb or a colour's name such as white, not {shown(self.background)}"
            )
        if self.normalised is not None:
            parse_normalisation(self.normalised)

    def take(self, name: str) -> str | None:
        """What a user has chosen of what a source leaves open: ``image_column``, ``label_column`` or
        ``normalised``, by a source that has a use for it."""
        self._taken.add(name)
        chosen: str | None = getattr(self, name)
        return chosen

    def normalisation(
        self, images: NDArray[Any], entries: Mapping[str, NDArray[Any]]
    ) -> Mapping[str, NDArray[Any]]:
        """The ``mean`` and ``std`` that floats were normalised by: those that the user has chosen, or else
        those among a source's entries, unless all lie in 0..1, as normalised ones don't."""
        if images.dtype.kind != "f":
            return entries
        if (chosen := self.take("normalised")) is not None:
            return parse_normalisation(chosen)
        if {"mean", "std"} <= set(entries) and images.size:
            if 0 <= images.min() and images.max() <= 1:
                self._remarks["images lie in 0..1: mean and std beside them don't change them"] = None
                return {}
            self._remarks["images are those that were normalised by the mean and std beside them"] = None
        return entries

    def notes(self) -> tuple[str, ...]:
        """What the user should know: how floats were read, and which choices no source had a use for."""
        chosen = [name for name in _LEFT_OPEN if getattr(self, name) is not None and name not in self._taken]
        idle = [f"--{name.replace('_', '-')} changes nothing: {_LEFT_OPEN[name]}" for name in chosen]
        return (*self._remarks, *idle)

    def chosen_classes(self, classes: tuple[str, ...], where: str) -> NDArray[np.int64]:
        """The numbers of those of a source's classes that are wanted, ascending. Raises DataError if it lacks
        one."""
        if self.classes is None:
            return np.arange(len(classes))
        numbers = {name: number for number, name in enumerate(classes)}
        for name in self.classes:
            if name not in numbers:
                hint = guess(name, classes) or f"; its classes are {listed(classes)}"
                raise DataError(f"{where}: has no class {shown(name)}{hint}")
        return np.unique([numbers[name] for name in self.classes])

    @property
    def background_rgb(self) -> tuple[int, ...] | None:
        """Red, green and blue of ``background``."""
        return ImageColor.getrgb(self.background)[:3] if self.background is not None else None
