"""``rudcodec decompress``: a .rud file becomes class folders of PNG."""

from __future__ import annotations

import io
from pathlib import Path

import click

from rudcodec.errors import FormatError

from .values import naming, read_input, short

_NAMED = 10


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--salvage", is_flag=True, help="Of a damaged FILE, write what is intact.")
@click.option(
    "--views", type=click.IntRange(1), metavar="N", help="Write N views with soft labels, as one .npz."
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of the views (0).")
@click.option("--force", is_flag=True, help="Write however many files and bytes FILE asks for.")
def decompress(file: str, folder: Path, salvage: bool, views: int | None, seed: int, force: bool) -> None:
    """Write the images of FILE (- is standard input) as FOLDER/<class>/*.png.

    torchvision's ImageFolder reads the result. FOLDER/labels.json holds class names, labels and the training
    recipe. A FOLDER that exists must be empty. With --salvage, lost segments are named on stderr; the exit
    code is 0 if any is intact.

    With --views, where FILE has a label network, FOLDER is an .npz file of images, probs and labels.
    """
    if views is not None and (salvage or folder.suffix != ".npz"):
        raise click.UsageError("--views writes an .npz file, and doesn't go with --salvage")
    import rudcodec
    from rudcodec import bitstream, output
    from rudcodec.views import check_numbers
    from rudcodec.viewset import save_batches

    if views is None:
        output.check_folder(folder)
    else:
        check_numbers(seed, 0, views)
    data = read_input(file)
    with naming(file):
        outline = bitstream.recover(data)[0] if salvage else bitstream.parse(data)
        size = output.of_folder(outline) if views is None else output.of_views(outline, views)
        if not force:
            size.check()
        if views is not None:
            batches = rudcodec.load(io.BytesIO(data)).view_batches(views, seed=seed)
            click.echo(f"rudcodec: {folder}: writing {size}", err=True)
            save_batches(batches, views, folder)
            click.echo(
                f"{folder}: {views:,} views of seed {seed} with soft labels, {len(outline.classes)} classes"
            )
            return
        click.echo(f"rudcodec: {folder}: writing {size}", err=True)
        if salvage:
            saved, lost = rudcodec.salvage(io.BytesIO(data))
            saved.save(folder)
            _name(lost)
        else:
            saved = rudcodec.decompress(io.BytesIO(data), folder, force=True)
    click.echo(f"{folder}: {len(saved):,} images, {len(saved.classes)} classes, {short(saved.bpc)} bpc")


def _name(lost: tuple[FormatError, ...]) -> None:
    for error in lost[:_NAMED]:
        click.echo(f"rudcodec: lost: {error}", err=True)
    if len(lost) > _NAMED:
        click.echo(f"rudcodec: lost: {len(lost) - _NAMED} more segments", err=True)
