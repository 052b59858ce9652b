"""``rudcodec truncate``: a smaller .rud file, by leaving out segments."""

from __future__ import annotations

from pathlib import Path

import click

from rudcodec.text import counted, listed, per_class, short

from .commands import closing, command
from .outputs import STANDARD_OUTPUT, Destination, check_outputs, force_flag, shown_output, write_output
from .values import Input, amount, naming, read_input


@command("truncate", "Make a smaller file by leaving out segments.")
@click.argument("file", metavar="IN", type=Input())
@click.argument("out", metavar="OUT", type=Destination())
@click.option("--ipc", type=amount, metavar="N", help="At most N images per class, on average.")
@click.option("--bpc", type=amount, metavar="N", help="At most N bits per class, such as 20k.")
@force_flag
def truncate(file: str, out: Path, ipc: float | None, bpc: float | None, force: bool) -> None:
    """Keep the first segments of IN, as many as fit, as OUT (- is standard input or output).

    Nothing is encoded anew: OUT is a valid file with the first images of IN. A file has as many sizes as
    segments; the largest that fits is taken.
    """
    from rudcodec import bitstream

    if ipc is None and bpc is None:
        raise click.UsageError("one of --ipc and --bpc is needed")
    check_outputs([out], force)
    data = read_input(file)
    with naming(file):
        result = bitstream.truncate(data, ipc=ipc, bpc=bpc)
    write_output(result.data, out)
    closing(
        f"{shown_output(out)}: {len(result.data):,} bytes, {short(result.bpc)} bpc, "
        f"{per_class(result.ipc)}; {result.segments} of {counted(result.total, 'segment')} kept",
        err=out == STANDARD_OUTPUT,
    )
    if result.lost:
        lost = listed(result.lost)
        closing(f"no image is left of {lost}: the segments kept have other classes only", err=True)
