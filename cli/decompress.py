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
def decompress(file: str, folder: Path, salvage: bool) -> None:
    """Write the images of FILE as FOLDER/<class>/*.png.

    torchvision's ImageFolder reads the result. FOLDER/labels.json holds class names, labels and the training
    recipe. A FOLDER that exists must be empty. With --salvage, lost segments are named on stderr; the exit
    code is 0 if any is intact.
    """
    import rudcodec

    with naming(file):
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
