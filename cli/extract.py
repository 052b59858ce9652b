"""``rudcodec extract``: a .rud file of some of another one's images."""

from __future__ import annotations

from pathlib import Path

import click

from .commands import command
from .outputs import Destination, check_outputs, force_flag, write_file
from .values import Input, naming, read_input


@command("extract", "Write some of the images of a .rud file as another.")
@click.argument("file", metavar="IN", type=Input())
@click.argument("out", metavar="OUT", type=Destination())
@click.option("--class", "classes", multiple=True, metavar="NAME", help="Keep this class; may be repeated.")
@click.option("--ipc", type=click.IntRange(1), metavar="N", help="Keep the first N images of each class.")
@click.option("--hard", is_flag=True, help="Leave out soft labels or a label network.")
@force_flag
def extract(file: str, out: Path, classes: tuple[str, ...], ipc: int | None, hard: bool, force: bool) -> None:
    """Write some of the images of IN as OUT (- is standard input or output).

    They decode to the same pixels. A label network keeps the classes that are kept; soft labels name all
    classes, so that they must go (--hard) where a class does. For a smaller file with all classes, truncate
    is quicker.
    """
    from rudcodec import bitstream

    if not (classes or ipc or hard):
        raise click.UsageError("one of --class, --ipc and --hard is needed")
    check_outputs([out], force)
    data = read_input(file)
    with naming(file):
        result = bitstream.extract(data, classes=classes or None, ipc=ipc, hard=hard)
    write_file(result, out)
