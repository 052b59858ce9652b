"""``rudcodec decompress``: a .rud file becomes class folders of PNG, or one file that other programs read."""

from __future__ import annotations

import io
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from rudcodec.errors import DataError, FormatError
from rudcodec.export import FileFormat, choose_format, format_names

from .values import naming, read_input, short

_NAMED = 10


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("out", metavar="OUT")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(format_names()),
    metavar="NAME",
    help="Else by OUT's suffix: folder, npz, safetensors, ...",
)
@click.option("--salvage", is_flag=True, help="Of a damaged FILE, write what is intact.")
@click.option("--views", type=click.IntRange(1), metavar="N", help="Write N views with soft labels instead.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of the views (0).")
@click.option("--force", is_flag=True, help="Replace a file OUT; write however much FILE asks for.")
def decompress(
    file: str,
    out: str,
    format_name: str | None,
    salvage: bool,
    views: int | None,
    seed: int,
    force: bool,
) -> None:
    """Write the images and labels of FILE (- is standard input) as OUT.

    A folder OUT gets OUT/<class>/*.png, which torchvision's ImageFolder reads, and OUT/labels.json with class
    names, labels and the training recipe; one that exists must be empty. OUT.npz, .safetensors, .parquet
    (Hugging Face datasets) and .tar (WebDataset) are files; with --format, - is standard output.

    With --salvage, lost segments are named on stderr; the exit code is 0 if any is intact. With --views,
    where FILE has a label network, OUT gets labelled views of the images.
    """
    if views is not None and salvage:
        raise click.UsageError("--views doesn't go with --salvage")
    if out == "-" and format_name in (None, "folder"):
        raise click.UsageError("standard output needs --format, and takes no folder")
    import rudcodec
    from rudcodec import output
    from rudcodec.bitstream import head_of
    from rudcodec.export import Contents, save
    from rudcodec.views import check_numbers

    chosen = choose_format(out, format_name)
    if out != "-":
        _check_target(out, chosen, force)
    if views is not None:
        check_numbers(seed, 0, views)
    data = read_input(file)
    with naming(file), ExitStack() as stack:
        head = head_of(data, damaged=salvage)
        size = output.of_saving(head, chosen, views)
        if not force:
            size.check()
        # for -, a file that is copied to standard output when it is complete
        target = str(Path(stack.enter_context(TemporaryDirectory())) / "out") if out == "-" else out
        lost: tuple[FormatError, ...] = ()
        if salvage:
            decoded, lost = rudcodec.salvage(io.BytesIO(data))
        else:
            decoded = rudcodec.load(io.BytesIO(data))
        contents = Contents.of_set(decoded)
        text = f"{len(decoded):,} images, {len(decoded.classes)} classes, {short(decoded.bpc)} bpc"
        if views is not None:
            contents = Contents.of_views(decoded.view_batches(views, seed=seed), views)
            text = f"{views:,} views of seed {seed} with soft labels, {len(head.classes)} classes"
        click.echo(f"rudcodec: {out}: writing {size}", err=True)
        save(contents, target, chosen)
        _name(lost)
        if target != out:
            with Path(target).open("rb") as result:
                shutil.copyfileobj(result, sys.stdout.buffer)
    click.echo(f"{out}: {text}", err=out == "-")


def _check_target(out: str, chosen: FileFormat | None, force: bool) -> None:
    """Raise DataError if OUT is there already or can't be written: before anything is decoded."""
    from rudcodec.files import check_writable
    from rudcodec.output import check_folder

    if chosen is None:
        check_folder(out)
        return
    if Path(out).is_file() and not force:
        raise DataError(f"{out}: exists already; --force replaces it")
    check_writable(out)


def _name(lost: tuple[FormatError, ...]) -> None:
    for error in lost[:_NAMED]:
        click.echo(f"rudcodec: lost: {error}", err=True)
    if len(lost) > _NAMED:
        click.echo(f"rudcodec: lost: {len(lost) - _NAMED} more segments", err=True)
