"""Reading image sets: the flags that commands share, and what is said of a set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rudcodec.data.normalisation import parse_normalisation
from rudcodec.errors import SettingError

from .progress import ProgressView

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages, Split
    from rudcodec.data.reading import Reading

Command = TypeVar("Command", bound=Callable[..., Any])

_RARE = __name__
"""Where a command's context keeps the flags that only :func:`read_images` looks at."""

size_flag = click.option("--size", type=int, metavar="N", help="Resize the images to N x N pixels.")


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is None or option.name is None:
        return
    if option.name == "normalised":
        try:
            parse_normalisation(value)
        except SettingError as error:
            raise click.BadParameter(str(error)) from None
    context.meta.setdefault(_RARE, {})[option.name] = value


def _rare_flag(name: str, text: str | None = None) -> Callable[[Command], Command]:
    """A flag that messages name where it is needed; without a text it isn't among those of --help."""
    hidden = text is None
    return click.option(name, metavar="NAME", help=text, hidden=hidden, callback=_keep, expose_value=False)


def reading_flags(command: Command) -> Command:
    """Add the flags of :class:`rudcodec.data.reading.Reading`, the size apart, to a command."""
    flags = (
        click.option(
            "--mode",
            type=click.Choice(["auto", "rgb", "grey"]),
            default="auto",
            metavar="MODE",
            help="Convert to rgb or grey (auto: all are alike).",
        ),
        click.option("--background", metavar="COLOUR", help="Behind transparent pixels: white, #rrggbb."),
        click.option("--skip-bad", is_flag=True, help="Leave out what can't be read."),
        _rare_flag("--label-column", "Of several, such as fine_label or coarse."),
        _rare_flag("--image-column"),
        _rare_flag("--normalised"),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def read_images(source: str, split: Split, reading: Reading, view: ProgressView) -> LabelledImages:
    """A split of a source; what was read and what wasn't is said on stderr."""
    from rudcodec.data import load

    def report(done: int, total: int) -> None:
        view(f"reading {split}", done, total)

    rare = click.get_current_context().meta.get(_RARE, {})
    images = load(source, split, progress=report, reading=replace(reading, **rare))
    if images.report is not None:
        for line in images.report.lines():
            view.say(line)
    return images
