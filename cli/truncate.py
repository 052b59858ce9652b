"""``rudcodec truncate``: a smaller .rud file, by leaving out segments."""

from __future__ import annotations

from pathlib import Path

import click

from rudcodec.files import check_writable, write_bytes

from .values import amount, naming, read_input, short


@click.command()
@click.argument("file", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--ipc", type=amount, metavar="N", help="At most N images a class.")
@click.option("--bpc", type=amount, metavar="N", help="At most N bits a class, such as 20k.")
def truncate(file: str, out: Path, ipc: float | None, bpc: float | None) -> None:
    """Keep the first segments of IN (- is standard input), as many as fit.

    Nothing is encoded anew: OUT is a valid file with the first images of IN. A file has as many sizes as
    segments; the largest that fits is taken.
    """
    from rudcodec import bitstream

    if ipc is None and bpc is None:
        raise click.UsageError("one of --ipc and --bpc is needed")
    check_writable(out)
    data = read_input(file)
    with naming(file):
        result = bitstream.truncate(data, ipc=ipc, bpc=bpc)
    write_bytes(result.data, out)
    click.echo(
        f"{out}: {len(result.data):,} bytes, {short(result.bpc)} bpc, {result.ipc:,.10g} images a class; "
        f"{result.segments} of {result.total} segments kept"
    )
