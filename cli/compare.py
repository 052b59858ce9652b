"""``rudcodec compare``: two files side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from rudcodec.display import ProgressView
from rudcodec.psnr import psnr
from rudcodec.recipe_text import recipe_lines
from rudcodec.report import JudgedFile
from rudcodec.threads import prepare_for_images

from .commands import command, is_quiet
from .judging import Judging, PacedView, RealImages, judging_flags, recipe_flag
from .tables import print_table
from .values import finite, naming, read_input, require, shown_input

if TYPE_CHECKING:
    from rudcodec.comparison import Entry

Row = tuple[str, Any, Any]
"""What is compared, and what it is in either file: texts or numbers; None where a file hasn't got it."""


@command("compare", "Show two files side by side.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--real", "source", metavar="SRC", help="Train students on both, judge them on these images.")
@recipe_flag("the files' recipes")
@judging_flags(rare=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def compare(
    first: str,
    second: str,
    source: str | None,
    changes: tuple[tuple[str, Any], ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Show the files A and B side by side: sizes by section, images, labels, recipes; with --real accuracies.

    Where both have as many images of one size, the PSNR between these says how much they are alike.
    """
    judging = Judging(changes=dict(changes), **flags)
    files = []
    for path in (first, second):
        with naming(path):
            files.append(JudgedFile.decode(shown_input(path), read_input(path)))
    if source is not None:
        require("torch")
    rows = [*_facts(*files), *(_accuracies(files, source, judging) if source is not None else ())]
    alike = _similarity(*files)
    equal = alike == np.inf
    if as_json:
        facts: dict[str, Any] = {"files": [first, second], "psnr": alike, "equal": equal}
        facts["changes"] = judging.recipe_changes()
        facts["rows"] = [{"name": name, "a": a, "b": b} for name, a, b in _with_whole_names(rows)]
        click.echo(json.dumps(finite(facts), indent=1))
        return
    print_table(("", f">{files[0].name}", f">{files[1].name}", ">difference"), [_shown(*row) for row in rows])
    if source is not None and judging.changes_text:
        click.echo(f"changed of the files' recipes: {judging.changes_text}")
    if alike is not None:
        click.echo("the images are equal" if equal else f"PSNR between the images: {alike:.2f} dB")


def _with_whole_names(rows: list[Row]) -> Iterator[Row]:
    """Names that stand under another follow it: "bytes, HEAD"."""
    above = ""
    for name, a, b in rows:
        if name.startswith(" "):
            yield f"{above}, {name.strip()}", a, b
        else:
            above = name
            yield name, a, b


def _facts(a: JudgedFile, b: JudgedFile) -> Iterator[Row]:
    """What the files are."""
    yield "bits per class", round(a.data.bpc, 1), round(b.data.bpc, 1)
    yield "bytes", len(a.contents), len(b.contents)
    for kind in dict.fromkeys((*a.section_sizes, *b.section_sizes)):
        yield f"  {kind}", a.section_sizes.get(kind, 0), b.section_sizes.get(kind, 0)
    yield "classes", len(a.data.classes), len(b.data.classes)
    yield "images", len(a.data), len(b.data)
    yield "images a class", a.data.ipc, b.data.ipc
    yield "image size", _image_size(a), _image_size(b)
    yield "labels", a.label_mode, b.label_mode
    yield "networks", _networks(a), _networks(b)
    recipes = recipe_lines(a.data.stored_recipe), recipe_lines(b.data.stored_recipe)
    for name, lines in zip(("recipe", "  images"), zip(*recipes, strict=False), strict=False):
        yield name, *lines


def _image_size(file: JudgedFile) -> str:
    return file.description.outline.image_shape.text


def _networks(file: JudgedFile) -> str:
    """How many models, for which images, and the widths of their context and synthesis networks."""
    kinds = []
    for fields in file.description.outline.model_fields:
        a = fields.architecture
        context = "-".join(map(str, a.context_hidden))
        synthesis = "-".join(str(layer.out_channels) for layer in a.synthesis)
        kinds.append(f"per {fields.share}, context {context}, synthesis {synthesis}")
    return kinds[0] if len(set(kinds)) == 1 else f"{len(kinds)} models"


def _similarity(a: JudgedFile, b: JudgedFile) -> float | None:
    """PSNR in dB between images of the same classes, None where they don't correspond."""
    if a.data.images.shape != b.data.images.shape or a.data.classes != b.data.classes:
        return None
    if not np.array_equal(a.data.labels, b.data.labels):
        return None
    return psnr(a.data.images, b.data.images)


def _accuracies(files: list[JudgedFile], source: str, judging: Judging) -> list[Row]:
    """What students make of either file, and of what is in it."""
    with ProgressView(is_quiet()) as view:
        judging.warn_of_overlap(view)
        real_images = RealImages(judging, source, view)
        sets = real_images.of_all(files)
        prepare_for_images(os.environ, sets[0].height, sets[0].width)
        paced = PacedView(view)
        with judging.students(view, [file.contents for file in files], source) as panel:
            pending = []
            for file, real in zip(files, sets, strict=True):
                with naming(file.name):
                    pending.append(judging.comparison(file.name, file.data, real, panel, paced).of_set())
            entries = [one.judge() for one in paced.in_turn([*pending[0], *pending[1]])]
    first = len(pending[0])
    columns = [dict(_values(entries[:first])), dict(_values(entries[first:]))]
    return [(name, columns[0].get(name), columns[1].get(name)) for name in columns[0] | columns[1]]


def _values(entries: list[Entry]) -> Iterator[tuple[str, float]]:
    """Accuracies in percent by name."""
    for entry in entries:
        name = "students" if entry.kind == "set" else entry.name
        if not entry.results:
            yield f"{name}, %", round(100 * entry.accuracy, 2)
        for result in entry.results:
            net = f", {result.net}" if len(entry.results) > 1 else ""
            yield f"{name}{net}, %", round(100 * result.mean, 2)
            if len(result.seeds) > 1:
                yield f"{name}{net}, ± over {len(result.seeds)}", round(100 * result.std, 2)


def _shown(name: str, a: Any, b: Any) -> tuple[str, str, str, str]:
    if a is None or b is None:
        return name, _cell(a), _cell(b), ""
    if isinstance(a, str) or isinstance(b, str):
        return name, _cell(a), _cell(b), "" if a == b else "differs"
    return name, _cell(a), _cell(b), f"{b - a:+,.10g}" if a != b else ""


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,.10g}"
