"""``rudcodec decompress``: a .rud file becomes class folders of PNG, or one file that other programs read."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path

import click

from rudcodec.errors import FormatError
from rudcodec.export import choose_format, format_names
from rudcodec.export.targets import check_folder, check_replaceable
from rudcodec.files import check_not_read
from rudcodec.text import counted, listed, short

from .commands import closing, command
from .outputs import STANDARD_OUTPUT, check_outputs, destination, send, shown_output, staged
from .values import Input, Output, naming, read_input

_NAMED = 10


@command("decompress", "Write a file's images as class folders of PNG.")
@click.argument("file", metavar="FILE", type=Input())
@click.argument("out", metavar="OUT", type=Output())
@click.option(
    "--format",
    "format_name",
    type=click.Choice(format_names()),
    metavar="NAME",
    help="Else by OUT's suffix: folder, npz, safetensors, ...",
)
@click.option("--salvage", is_flag=True, help="Of a damaged FILE, write what is intact.")
@click.option(
    "--views", type=click.IntRange(1), metavar="N", help="Write N views instead, labelled by FILE's network."
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of the views (0).")
@click.option("--force", is_flag=True, help="Replace a file, or a folder of decompress's; write any amount.")
def decompress(
    file: str,
    out: str,
    format_name: str | None,
    salvage: bool,
    views: int | None,
    seed: int | None,
    force: bool,
) -> None:
    """Write the images and labels of FILE as OUT (- is standard input or, with --format, output).

    A folder OUT gets OUT/<class>/*.png, which torchvision's ImageFolder reads, and OUT/labels.json with class
    names, labels and the training recipe. One that exists must be empty, or with --force hold nothing but
    what decompress has written. OUT.npz, .safetensors, .parquet (Hugging Face datasets) and .tar (WebDataset)
    are files.

    With --salvage, what is lost is named on stderr; the exit code is 0 if any is intact.
    """
    if views is not None and salvage:
        raise click.UsageError("--views doesn't go with --salvage")
    if views is None and seed is not None:
        raise click.UsageError("--seed is of --views: say how many")
    path = destination(out)
    if path == STANDARD_OUTPUT and format_name in (None, "folder"):
        raise click.UsageError("standard output needs --format, and takes no folder")
    import rudcodec
    from rudcodec import bitstream, output
    from rudcodec.export import Contents, save
    from rudcodec.views import checked_numbers

    chosen = choose_format(out, format_name)
    if chosen is not None:
        check_outputs([path], force)
    elif force:
        check_replaceable(path)
    else:
        check_folder(path)
    seed = seed or 0
    if views is not None:
        checked_numbers(seed, 0, views)
    data = read_input(file)
    check_not_read(path, [file])
    with naming(file), ExitStack() as stack:
        outline = bitstream.recover(data).outline if salvage else bitstream.parse(data)
        size = output.of_saving(outline, chosen, views)
        if not force:
            size.check()
        dash = path == STANDARD_OUTPUT
        target = staged(path, stack)
        lost: tuple[FormatError, ...] = ()
        if salvage:
            decoded, lost = rudcodec.salvage(io.BytesIO(data))
        else:
            decoded = rudcodec.load(data)
        contents = Contents.of_set(decoded)
        num_classes = counted(len(outline.classes), "class")
        text = f"{counted(len(decoded), 'image')}, {num_classes}, {short(decoded.bpc)} bpc"
        if views is not None:
            contents = Contents.of_views(decoded.view_batches(views, seed=seed), views)
            text = f"{counted(views, 'view')} of seed {seed} with soft labels, {num_classes}"
        closing(f"rudcodec: {shown_output(path)}: writing {size}", err=True)
        save(contents, target, chosen, replace=force)
        _name(lost)
        if dash:
            send(target)
    closing(f"{shown_output(path)}: {text}", err=dash)
    if chosen is None and (empty := _empty_folders(path)):
        closing(
            f"no image is of {listed(empty)}: torchvision's ImageFolder needs allow_empty=True then", err=True
        )


def _empty_folders(path: Path) -> list[str]:
    """Names of class folders that nothing is in."""
    return sorted(folder.name for folder in path.iterdir() if folder.is_dir() and not any(folder.iterdir()))


def _name(lost: tuple[FormatError, ...]) -> None:
    for error in lost[:_NAMED]:
        click.echo(f"rudcodec: lost: {error}", err=True)
    if len(lost) > _NAMED:
        click.echo(f"rudcodec: lost: {len(lost) - _NAMED} more", err=True)
