"""``rudcodec info``: what is in a .rud file, byte by byte."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rudcodec.recipe_text import recipe_lines
from rudcodec.text import average, counted, listed, short, shown

from .commands import command
from .tables import print_table
from .values import Input, naming, read_input

if TYPE_CHECKING:
    from rudcodec.bitstream import Outline, Part
    from rudcodec.bitstream.models import ModelFields


_LABELS = {"hard": "hard labels", "soft": "soft labels", "network": "labels from a network"}


@command("info", "Explain every byte of a file.")
@click.argument("file", metavar="FILE", type=Input())
@click.option("--bits", is_flag=True, help="Decode, too: which network and which latents take how many bits.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def info(file: str, bits: bool, as_json: bool) -> None:
    """Explain every byte of FILE (- is standard input).

    Checksums of all sections are verified; only --bits decodes them.
    """
    from rudcodec import bitstream

    data = read_input(file)
    with naming(file):
        description = bitstream.describe(data)
        parts = description.parts if bits else ()
    outline, rows = description.outline, description.rows
    classes, images, shape = outline.classes, outline.num_images, outline.image_shape
    recipe = outline.recipe
    facts: dict[str, Any] = {
        "file": file,
        "bytes": len(data),
        "bpc": 8 * len(data) / len(classes),
        "images": images,
        "ipc": images / len(classes),
        "height": shape.height,
        "width": shape.width,
        "channels": shape.channels,
        "models": [_model(fields) for fields in outline.model_fields],
        "labels": outline.label_mode,
        "classes": list(classes),
        "recipe": recipe and dataclasses.asdict(recipe),
        "metadata": outline.metadata,
    }
    if as_json:
        facts["sections"] = [row._asdict() for row in rows]
        if bits:
            facts["ideal"] = [part._asdict() for part in parts]
        click.echo(json.dumps(facts, indent=1))
        return

    names = listed(classes)
    click.echo(f"{shown(Path(file).name)}: {len(data):,} bytes, {short(facts['bpc'])} bits per class")
    click.echo(
        f"{counted(images, f'{shape.colour} image')} of {shape.width}x{shape.height}, "
        f"{average(facts['ipc'])} per class; {_sharing(outline)}; {_LABELS[outline.label_mode]}"
    )
    click.echo(f"{counted(len(classes), 'class')}: {names}")
    for indent, line in zip(("recipe: ", "        "), recipe_lines(recipe), strict=False):
        click.echo(indent + line)
    for key, value in outline.metadata.items():
        click.echo(f"{shown(key)}: {shown(value)}")
    table = [(f"{row.offset:,}", f"{row.bytes:,}", row.section, row.note) for row in rows]
    click.echo()
    print_table((">offset", ">bytes", "section", "contents"), table, ("", f"{len(data):,}", "total", ""))
    if bits:
        _print_parts(parts, len(data))


def _model(fields: ModelFields) -> dict[str, Any]:
    a, synthesis = fields.architecture, len(fields.architecture.synthesis)
    return {"share": fields.share, "grids": a.grids, "context": a.context_hidden, "synthesis": synthesis}


def _sharing(outline: Outline) -> str:
    if len(outline.models) > 1:
        return f"{len(outline.models)} models"
    return f"networks per {outline.model_fields[0].share}"


def _print_parts(parts: tuple[Part, ...], size: int) -> None:
    ideal = sum(part.bits for part in parts)
    rows = [
        (f"{part.bits:,.0f}", f"{part.symbols:,}", f"{part.bits / max(part.symbols, 1):.3f}", part.name)
        for part in parts
    ]
    rows.append((f"{8 * size - ideal:,.0f}", "", "", "head, checksums, rounding of the coder"))
    click.echo()
    print_table(
        (">bits", ">symbols", ">each", "ideal code length of"), rows, (f"{8 * size:,}", "", "", "total")
    )
