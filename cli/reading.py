"""Reading image sets: the flags that commands share, and what is said of a set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from rudcodec.data.cache_place import FOLDER_VARIABLE
from rudcodec.data.normalisation import parse_normalisation
from rudcodec.data.reading import Mode
from rudcodec.data.splits import Split
from rudcodec.display import ProgressView
from rudcodec.errors import SettingError

from .commands import RareOption

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages
    from rudcodec.data.reading import Reading

Command = TypeVar("Command", bound=Callable[..., Any])

_KEPT = __name__
"""Where a command's context keeps the flags that only :func:`read_images` looks at."""

READING_SECTION = "How SRC is read"

SPLIT = click.Choice(get_args(Split))

_RARE: dict[str, Any] = {"cls": RareOption, "section": READING_SECTION}

size_flag = click.option("--size", type=int, metavar="N", help="Resize the images to N x N pixels.", **_RARE)


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is None or option.name is None:
        return
    if option.name == "normalised":
        try:
            parse_normalisation(value)
        except SettingError as error:
            raise click.BadParameter(str(error)) from None
    context.meta.setdefault(_KEPT, {})[option.name] = value


def _use_cache(context: click.Context, _: click.Parameter, folder: str | None) -> None:
    """Make FOLDER that of the cache while the command runs, in the processes that it starts, too."""
    if folder is None:
        return
    if not folder:
        raise click.BadParameter("the name of the folder is empty")
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = folder

    def restore() -> None:
        if before is None:
            os.environ.pop(FOLDER_VARIABLE, None)
        else:
            os.environ[FOLDER_VARIABLE] = before

    context.call_on_close(restore)


_cache: dict[str, Any] = {"metavar": "DIR", "callback": _use_cache, "expose_value": False}

cache_flag = click.option("--cache", help="The folder, if not the usual one.", **_cache)


def _open_flag(name: str, text: str) -> Callable[[Command], Command]:
    """A flag for what some sources leave open; messages name it where it is needed."""
    return click.option(name, metavar="NAME", help=text, callback=_keep, expose_value=False, **_RARE)


def reading_flags(command: Command) -> Command:
    """Add the flags of :class:`rudcodec.data.reading.Reading`, the size apart, to a command."""
    flags = (
        click.option(
            "--mode",
            type=click.Choice(get_args(Mode)),
            default="auto",
            metavar="MODE",
            help="Convert to rgb or grey (auto: all are alike).",
            **_RARE,
        ),
        click.option(
            "--background", metavar="COLOUR", help="Behind transparent pixels: white, #rrggbb.", **_RARE
        ),
        click.option("--skip-bad", is_flag=True, help="Leave out what can't be read.", **_RARE),
        click.option("--cache", help="Where large sets are kept, decoded.", **_cache, **_RARE),
        _open_flag("--label-column", "Of several, such as fine_label or coarse."),
        _open_flag("--image-column", "Of several that hold images."),
        _open_flag(
            "--normalised", "Whose mean and deviation a distilled set of floats has, such as cifar10."
        ),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def read_images(source: str, split: Split, reading: Reading, view: ProgressView) -> LabelledImages:
    """A split of a source; what was read and what wasn't is said on stderr."""
    from rudcodec.data.source import load_silently

    def report(done: int, total: int) -> None:
        view(f"reading {split}", done, total)

    rare = click.get_current_context().meta.get(_KEPT, {})
    images = load_silently(source, split, replace(reading, **rare), report)
    assert images.report is not None
    for line in images.report.lines():
        view.say(line)
    return images
