"""Where commands write: nothing that is there is overwritten unasked, and ``-`` is standard output."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from rudcodec.errors import DataError
from rudcodec.files import check_not_read, check_writable, write_bytes
from rudcodec.text import counted, short

from .commands import closing
from .values import OutputFile

STANDARD_OUTPUT = Path("-")
_OUTPUT, _ERROR = 1, 2  # descriptors of the process's streams
_STREAM_NAMES = {
    _OUTPUT: ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"),
    _ERROR: ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"),
}

force_flag = click.option("--force", is_flag=True, help="Overwrite what is there.")


class Destination(OutputFile):
    """The path of a file to write; standard output is ``-``, whatever it was called."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        return destination(str(super().convert(value, param, ctx)))


def destination(name: str) -> Path:
    """The path of an output; ``-`` for any name of standard output: what a command says would else be behind
    the data there."""
    path = Path(name)
    return STANDARD_OUTPUT if _is_stream(path, _OUTPUT) else path


def _is_stream(path: Path, descriptor: int) -> bool:
    """Whether a path is one of the process's streams: by its name, or as the file or pipe that this is."""
    if str(path) in _STREAM_NAMES[descriptor]:
        return True
    try:
        stream, other = os.fstat(descriptor), path.stat()
    except (OSError, ValueError):
        return False
    # what takes some devices, such as /dev/null, doesn't matter
    return os.path.samestat(stream, other) and not stat.S_ISCHR(stream.st_mode)


def check_outputs(
    paths: Iterable[Path | None],
    force: bool,
    known: Collection[Path | None] = (),
    sources: Collection[str | None] = (),
) -> None:
    """Refuse, before any work, what can't be written or is there already.

    ``paths``: some may be None, one of them ``-``; ``known``: those that may be there; ``sources``: what is
    read, and must not be replaced. Raises DataError; click.UsageError if two are the same.
    """
    wanted = [path for path in paths if path is not None]
    if wanted.count(STANDARD_OUTPUT) > 1:
        raise click.UsageError("only one output can be -, standard output")
    for path, count in Counter(Path(os.path.realpath(path)) for path in wanted).items():
        if count > 1 and (path.is_file() or not path.exists()):  # a device takes any number of outputs
            raise click.UsageError(f"{count} outputs can't be the same file, {path}")
    for path in wanted:
        if path != STANDARD_OUTPUT:
            if _is_stream(path, _ERROR):
                raise DataError(f"{path}: is standard error, where messages go; name a file, or - for output")
            check_writable(path)
            check_not_read(path, sources)
        else:
            check_standard_output()
        if force or path in known:
            continue
        if path == STANDARD_OUTPUT:
            if sys.stdout.isatty():
                raise DataError("standard output is a terminal; send it to a file or a pipe, or use --force")
        elif path.is_file():  # a pipe or a device isn't overwritten
            raise DataError(f"{path}: exists already; --force overwrites it")


def check_standard_output() -> None:
    """Raise DataError if what a command prints would go nowhere."""
    if sys.stdout is None:
        raise DataError("standard output is closed")


def write_output(data: bytes, path: Path) -> None:
    """Write a file, or to standard output for ``-``."""
    if path == STANDARD_OUTPUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_bytes(data, path)


def staged(path: Path, stack: ExitStack) -> Path:
    """Where to write: for ``-`` a temporary file, which :func:`send` copies when it is complete."""
    if path != STANDARD_OUTPUT:
        return path
    return Path(stack.enter_context(TemporaryDirectory(prefix="rudcodec-"))) / "out"


def send(target: Path) -> None:
    """Copy a file to standard output."""
    with target.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def send_or_keep(target: Path) -> None:
    """Send a ``.rud`` file that has taken long. If that fails, it stays among the system's temporary files,
    and its name is said."""
    try:
        send(target)
    except (OSError, KeyboardInterrupt):
        kept = target.parent.with_suffix(".rud")
        target.replace(kept)
        # not click.echo, which writes past a live display
        print(f"rudcodec: standard output hasn't taken the file; it is kept as {kept}", file=sys.stderr)
        raise


def write_file(data: bytes, out: Path, rest: str = "") -> None:
    """Write a ``.rud`` file, and say what it is; ``rest``: how that ends."""
    from rudcodec import bitstream

    write_output(data, out)
    outline = bitstream.parse(data)
    closing(
        f"{shown_output(out)}: {len(data):,} bytes, {short(8 * len(data) / len(outline.classes))} bpc, "
        f"{counted(outline.num_images, 'image')} of {counted(len(outline.classes), 'class')}{rest}",
        err=out == STANDARD_OUTPUT,
    )


def shown_output(path: Path) -> str:
    """The name of an output in messages."""
    return "standard output" if path == STANDARD_OUTPUT else str(path)
