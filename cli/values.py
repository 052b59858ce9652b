"""Values on the command line: numbers with a suffix, input files, and checks that come before long work."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from rudcodec.errors import BudgetError, DataError, FormatError, RudError

_SUFFIX = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def amount(text: str) -> float:
    """A positive number: ``50000``, ``50k``, ``1.2M``. Raises click.BadParameter."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(e\d+)? ?([a-z]*)", text.strip().lower())
    if match is None or match[3] not in _SUFFIX:
        raise click.BadParameter(f"{text!r} is not a number such as 800, 50k or 1.2M")
    value = float(match[1] + (match[2] or "")) * _SUFFIX[match[3]]
    if not 0 < value < math.inf:
        raise click.BadParameter(f"{text!r} is not above zero")
    return value


def byte_amount(text: str) -> int:
    """A positive number of bytes: ``62500``, ``62kB``, ``64KiB``. Raises click.BadParameter."""
    value = int(amount(text.strip().removesuffix("B")))
    if value == 0:
        raise click.BadParameter(f"{text!r} is less than a byte")
    return value


def setting(text: str) -> tuple[str, Any]:
    """``key=value`` for a field of :class:`rudcodec.distill.Settings`. Raises click.BadParameter."""
    from rudcodec.distill import Settings

    kinds = get_type_hints(Settings)
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    if name not in kinds:
        near = get_close_matches(name, kinds, 1)
        raise click.BadParameter(f"there is no setting {name!r}" + (f"; is it {near[0]!r}?" if near else ""))
    kind = kinds[name]
    options = [option for option in (get_args(kind) or (kind,)) if option is not type(None)]
    if all(isinstance(option, str) for option in options):
        if value not in options:
            raise click.BadParameter(f"{name}: {value!r} is not one of {', '.join(options)}")
        return name, value
    if options == [bool]:
        if value not in ("true", "false"):
            raise click.BadParameter(f"{name}: {value!r} is neither true nor false")
        return name, value == "true"
    if options == [str]:
        return name, value
    number = 0.0 if value == "0" else amount(value)
    if options == [int] and number != int(number):
        raise click.BadParameter(f"{name}: {value!r} is not a whole number")
    return name, int(number) if options == [int] else number


def network_names(text: str) -> tuple[str, ...]:
    """Names of networks, separated by commas. Raises click.BadParameter."""
    from rudcodec.nets import net_names

    names = text.split(",")
    for name in names:
        if name not in net_names():
            raise click.BadParameter(f"{name!r} is not one of {', '.join(net_names())}")
    return tuple(dict.fromkeys(names))


def read_input(path: str) -> bytes:
    """Contents of a file, or of standard input for ``-``. Raises DataError."""
    from rudcodec.bitstream.files import LARGEST_FILE, read_bytes

    if path == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        return sys.stdin.buffer.read(LARGEST_FILE + 1)

    return read_bytes(path)


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Put the file's name in front of a FormatError's or BudgetError's text, which can't know it."""
    try:
        yield
    except (FormatError, BudgetError) as error:
        raise RudError(f"{'standard input' if file == '-' else file}: {error}") from error


def check_writable(path: Path) -> None:
    """Raise DataError if a file can't be created or replaced at ``path``: before hours of work, not after."""
    if path.is_dir():
        raise DataError(f"{path}: is a directory")
    if not path.parent.is_dir():
        raise DataError(f"{path}: no such directory: {path.parent}")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise DataError(f"{path}: not writable")


def short(value: float) -> str:
    """A count in three digits: 49.8k, 1.20M, 812."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss; a dash if unknown."""
    if not math.isfinite(seconds) or seconds < 0:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def finite(value: Any) -> Any:
    """The same structure with None for NaN and infinities, which JSON doesn't know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
