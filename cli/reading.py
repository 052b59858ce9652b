"""Reading image sets: the flags that commands share, and what is said of a set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .commands import RareOption
from .progress import ProgressView

if TYPE_CHECKING:
    from rudcodec.data import LabelledImages, Split
    from rudcodec.data.reading import Reading

Command = TypeVar("Command", bound=Callable[..., Any])


READING_SECTION = "How SRC is read"

_RARE: dict[str, Any] = {"cls": RareOption, "section": READING_SECTION}

size_flag = click.option("--size", type=int, metavar="N", help="Resize the images to N x N pixels.", **_RARE)


def reading_flags(command: Command) -> Command:
    """Add the flags of :class:`rudcodec.data.reading.Reading`, the size apart, to a command."""
    flags = (
        click.option(
            "--mode",
            type=click.Choice(["auto", "rgb", "grey"]),
            default="auto",
            metavar="MODE",
            help="Convert to rgb or grey (auto: all are alike).",
            **_RARE,
        ),
        click.option(
            "--background", metavar="COLOUR", help="Behind transparent pixels: white, #rrggbb.", **_RARE
        ),
        click.option("--skip-bad", is_flag=True, help="Leave out what can't be read.", **_RARE),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def read_images(source: str, split: Split, reading: Reading, view: ProgressView) -> LabelledImages:
    """A split of a source; what was read and what wasn't is said on stderr."""
    from rudcodec.data import load

    def report(done: int, total: int) -> None:
        view(f"reading {split}", done, total)

    images = load(source, split, progress=report, reading=reading)
    if images.report is not None:
        for line in images.report.lines():
            view.say(line)
    return images
