"""``rudcodec decompress``: a .rud file becomes class folders of PNG."""

from __future__ import annotations

from pathlib import Path

import click

from .values import naming, short


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
def decompress(file: str, folder: Path) -> None:
    """Write the images of FILE as FOLDER/<class>/*.png.

    torchvision's ImageFolder reads the result. FOLDER/labels.json holds class names, labels and the training
    recipe. A FOLDER that exists must be empty.
    """
    import rudcodec

    with naming(file):
        data = rudcodec.decompress(file, folder)
    click.echo(f"{folder}: {len(data):,} images, {len(data.classes)} classes, {short(data.bpc)} bpc")
