"""Reading image sets: the flags that commands share, and what is said of a set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from rudcodec.data.cache_place import FOLDER_VARIABLE
from rudcodec.data.reading import Mode, Reading
from rudcodec.data.splits import Split
from rudcodec.display import ProgressView

from .commands import RareOption

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages

Command = TypeVar("Command", bound=Callable[..., Any])

READING_SECTION = "How SRC is read"

SPLIT = click.Choice(get_args(Split))

_FIELDS = {field.name for field in fields(Reading) if field.init}

_RARE: dict[str, Any] = {"cls": RareOption, "section": READING_SECTION}

size_flag = click.option("--size", type=int, metavar="N", help="Resize the images to N x N pixels.", **_RARE)

split_flag = click.option(
    "--split",
    type=SPLIT,
    metavar="NAME",
    help="Which part: train, val, test or all (train).",
    **_RARE,
)

class_flag = click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME",
    callback=lambda context, option, names: names or None,
    help="Only this class; may be repeated.",
    **_RARE,
)


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
    return click.option(name, metavar="NAME", help=text, **_RARE)


_FLAGS = (
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
    _open_flag("--normalised", "Whose mean and deviation a distilled set of floats has, such as cifar10."),
)


def reading_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of :class:`Reading`, ``size_flag`` and ``class_flag`` apart; the command gets what they
    and these two say as one argument, ``reading``."""

    @wraps(command)
    def with_reading(**flags: Any) -> None:
        own = {name: flags.pop(name) for name in _FIELDS & flags.keys()}
        command(reading=Reading(**own), **flags)

    function: Callable[..., None] = with_reading
    for flag in reversed(_FLAGS):
        function = flag(function)
    return function


def read_images(source: str, split: Split, reading: Reading, view: ProgressView) -> LabelledImages:
    """A split of a source; what was read and what wasn't is said on stderr."""
    from rudcodec.data.source import load_silently

    def report(done: int, total: int) -> None:
        view(f"reading {split}", done, total)

    images = load_silently(source, split, reading, report)
    assert images.report is not None
    for line in images.report.lines():
        view.say(line)
    return images
