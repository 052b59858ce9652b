"""``rudcodec decompress``: a .rud file becomes class folders of PNG."""

from __future__ import annotations

from pathlib import Path

import click

from rudcodec.errors import FormatError

from .values import naming, short

_NAMED = 10


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--salvage", is_flag=True, help="Of a damaged FILE, write what is intact.")
@click.option(
    "--views", type=click.IntRange(1), metavar="N", help="Write N views with soft labels, as one .npz."
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of the views (0).")
def decompress(file: str, folder: Path, salvage: bool, views: int | None, seed: int) -> None:
    """Write the images of FILE as FOLDER/<class>/*.png.

    torchvision's ImageFolder reads the result. FOLDER/labels.json holds class names, labels and the training
    recipe. A FOLDER that exists must be empty. With --salvage, lost segments are named on stderr; the exit
    code is 0 if any is intact.

    With --views, where FILE has a label network, FOLDER is an .npz file of images, probs and labels.
    """
    if views is not None and (salvage or folder.suffix != ".npz"):
        raise click.UsageError("--views writes an .npz file, and doesn't go with --salvage")
    import rudcodec

    with naming(file):
        if views is not None:
            made = rudcodec.load(file).views(views, seed=seed)
            made.save(folder)
            click.echo(
                f"{folder}: {views:,} views of seed {seed} with soft labels, {len(made.classes)} classes"
            )
            return
        if salvage:
            data, lost = rudcodec.salvage(file)
            data.save(folder)
            _name(lost)
        else:
            data = rudcodec.decompress(file, folder)
    click.echo(f"{folder}: {len(data):,} images, {len(data.classes)} classes, {short(data.bpc)} bpc")


def _name(lost: tuple[FormatError, ...]) -> None:
    for error in lost[:_NAMED]:
        click.echo(f"rudcodec: lost: {error}", err=True)
    if len(lost) > _NAMED:
        click.echo(f"rudcodec: lost: {len(lost) - _NAMED} more segments", err=True)
