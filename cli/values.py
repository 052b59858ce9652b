"""Values on the command line: numbers with a suffix, input files, and checks that come before long work."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from rudcodec.errors import (
    BudgetError,
    DataError,
    FormatError,
    RudError,
    SettingError,
)
from rudcodec.files import names_folder
from rudcodec.options import parse_amount, parse_bytes
from rudcodec.plugins import NETS

_STANDARD_INPUT_READ = "rudcodec.standard_input_read"
_RECIPE_NUMBERS: dict[str, type[int | float]] = {
    "steps": int,
    "batch": int,
    "lr": float,
    "weight_decay": float,
    "momentum": float,
    "cutmix": int,
}


def amount(text: str) -> float:
    """A positive number: ``50000``, ``50k``, ``1.2M``. Raises click.BadParameter."""
    try:
        return parse_amount(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def amounts(text: str) -> tuple[float, ...]:
    """Positive numbers, separated by commas, in ascending order: ``5k,30k``. Raises click.BadParameter."""
    return tuple(sorted({amount(word.strip()) for word in text.split(",")}))


def byte_amount(text: str) -> int:
    """A positive number of bytes: ``62500``, ``62kB``, ``64KiB``. Raises click.BadParameter."""
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def key_value(text: str) -> tuple[str, str]:
    """``key=value``. Raises click.BadParameter."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    return name, value


def recipe_change(text: str) -> tuple[str, Any]:
    """``key=value`` for a field of :class:`rudcodec.payload.Recipe`. Raises click.BadParameter."""
    from rudcodec.payload import AUGMENTATIONS, OPTIMIZERS

    name, value = key_value(text)
    if name == "optimizer":
        if value not in OPTIMIZERS:
            raise click.BadParameter(f"{name}: {value!r} is not one of {', '.join(OPTIMIZERS)}")
        return name, value
    if name == "augment":
        names = tuple(filter(None, value.split(",")))
        if unknown := [one for one in names if one not in AUGMENTATIONS]:
            raise click.BadParameter(f"{name}: {unknown[0]!r} is not one of {', '.join(AUGMENTATIONS)}")
        return name, names
    if name not in _RECIPE_NUMBERS:
        known = ", ".join((*_RECIPE_NUMBERS, "optimizer", "augment"))
        raise click.BadParameter(f"a recipe has no {name!r} to be changed, only {known}")
    kind = _RECIPE_NUMBERS[name]
    try:
        return name, kind(value)
    except ValueError:
        with suppress(ValueError):  # such as 2k
            if kind(number := parse_amount(value)) == number:
                return name, kind(number)
        what = "a whole number" if kind is int else "a number"
        raise click.BadParameter(f"{name}: {value!r} is not {what}") from None


def is_recipe_field(name: str) -> bool:
    """Whether :func:`recipe_change` knows a field of this name."""
    return name in _RECIPE_NUMBERS or name in ("optimizer", "augment")


def network_names(text: str) -> tuple[str, ...]:
    """Names of networks, separated by commas. Raises click.BadParameter."""
    names = text.split(",")
    for name in names:
        if name not in NETS.names():
            raise click.BadParameter(f"{name!r} is not one of {', '.join(NETS.names())}")
    return tuple(dict.fromkeys(names))


def read_input(path: str) -> bytes:
    """Contents of a file, or of standard input for ``-``. Raises DataError."""
    from rudcodec.bitstream.files import read_bytes

    if not path:
        raise DataError("a file's name is empty; is a variable of the shell not set?")
    if path == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        meta = click.get_current_context().meta
        if _STANDARD_INPUT_READ in meta:
            raise DataError("only one input can be -, standard input")
        meta[_STANDARD_INPUT_READ] = True
        return read_bytes(sys.stdin.buffer)
    return read_bytes(path)


def read_text(path: str) -> str:
    """Contents of a text file, or of standard input for ``-``. Raises DataError."""
    try:
        return read_input(path).decode()
    except UnicodeDecodeError:
        raise DataError(f"{shown_input(path)}: is not a text file") from None


def shown_input(path: str) -> str:
    """The name of an input in messages."""
    return "standard input" if path == "-" else path


class Input(StringParamType):
    """The name of a file, folder or set that is read, as it was given."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Shells complete the names of files."""
        return [CompletionItem(incomplete, type="file")]


class Output(click.Path):
    """The name of a file or folder to write."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        return super().convert(output_name(str(value)), param, ctx)


class OutputFile(Output):
    """The path of a file to write, as a :class:`pathlib.Path`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if names_folder(str(value)):
            self.fail(f"{value}: names a folder; give a file.", param, ctx)
        return super().convert(value, param, ctx)


def output_name(text: str) -> str:
    """The name of an output. Raises click.BadParameter."""
    if not text:
        raise click.BadParameter("the name is empty; is a variable of the shell not set?")
    return text


class FiniteRange(click.FloatRange):
    """Numbers, without infinities and NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Put the file's name in front of an error's text, where that can't know it."""
    try:
        yield
    except (FormatError, BudgetError, SettingError) as error:
        raise RudError(f"{shown_input(file)}: {error}") from error


def finite(value: Any) -> Any:
    """The same structure with None for NaN and infinities, which JSON doesn't know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
