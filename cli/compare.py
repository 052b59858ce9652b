"""``rudcodec compare``: two files side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
from click.core import ParameterSource

from rudcodec.display import ProgressView
from rudcodec.optional import TRAINING, require
from rudcodec.pace import PacedView
from rudcodec.psnr import psnr
from rudcodec.recipe_text import recipe_lines
from rudcodec.report import JudgedFile
from rudcodec.threads import prepare_for_images

from .commands import command, is_quiet
from .judging import Judging, RealImages, judging_flags, recipe_flag
from .outputs import check_standard_output
from .tables import print_table
from .values import Input, finite, naming, read_input, shown_input

if TYPE_CHECKING:
    from rudcodec.comparison import Entry


_WITHOUT_STUDENTS = ("first", "second", "source", "as_json", "quiet", "verbose")
"""Parameters that mean something without ``--real``."""


class Row(NamedTuple):
    """What is compared, and what it is in either file: texts or numbers; None where a file hasn't got it.

    ``within``: the name of the row that it is a part of, if it is one.
    """

    name: str
    a: Any
    b: Any
    within: str = ""

    @property
    def whole_name(self) -> str:
        """A part's name follows that of its row: "bytes, HEAD"."""
        return f"{self.within}, {self.name}" if self.within else self.name

    def cells(self) -> tuple[str, str, str, str]:
        """As a line of the table: with the difference, parts indented."""
        name, difference = f"  {self.name}" if self.within else self.name, ""
        if self.a is not None and self.b is not None and self.a != self.b:
            are_texts = isinstance(self.a, str) or isinstance(self.b, str)
            difference = "differs" if are_texts else f"{self.b - self.a:+,.10g}"
        return name, _cell(self.a), _cell(self.b), difference


@command("compare", "Show two files side by side.")
@click.argument("first", metavar="A", type=Input())
@click.argument("second", metavar="B", type=Input())
@click.option(
    "--real",
    "source",
    type=Input(),
    metavar="SRC",
    help="Train students on both, judge them on these images.",
)
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
    if source is None:
        _check_unjudged()
    judging = Judging(changes=dict(changes), **flags)
    files = []
    for path in (first, second):
        with naming(path):
            files.append(JudgedFile.decode(shown_input(path), read_input(path)))
    if source is not None:
        check_standard_output()
        require(*TRAINING)
    with ExitStack() as kept:  # what students have done, until the result is written
        rows = [*_facts(*files), *(_accuracies(files, source, judging, kept) if source is not None else ())]
        alike = _similarity(*files)
        equal = alike == np.inf
        if as_json:
            facts: dict[str, Any] = {"files": [first, second], "psnr": alike, "equal": equal}
            if source is not None:
                facts["changes"] = judging.recipe_changes()
            facts["rows"] = [{"name": row.whole_name, "a": row.a, "b": row.b} for row in rows]
            click.echo(json.dumps(finite(facts), indent=1))
            return
        names = ("", f">{files[0].name}", f">{files[1].name}", ">difference")
        print_table(names, [row.cells() for row in rows])
        if source is not None and judging.changes_text:
            click.echo(f"changed of the files' recipes: {judging.changes_text}")
        if alike is not None:
            click.echo("the images are equal" if equal else f"PSNR between the images: {alike:.2f} dB")


def _check_unjudged() -> None:
    """Raise click.UsageError for a flag of students, where none are trained."""
    context = click.get_current_context()
    for one in context.command.params:
        is_given = context.get_parameter_source(one.name or "") == ParameterSource.COMMANDLINE
        if is_given and one.name not in _WITHOUT_STUDENTS:
            raise click.UsageError(f"{one.opts[0]} is of --real: say on which images students are judged")


def _facts(a: JudgedFile, b: JudgedFile) -> Iterator[Row]:
    """What the files are."""
    yield Row("bits per class", round(a.data.bpc, 1), round(b.data.bpc, 1))
    yield Row("bytes", len(a.contents), len(b.contents))
    for kind in dict.fromkeys((*a.section_sizes, *b.section_sizes)):
        yield Row(kind, a.section_sizes.get(kind, 0), b.section_sizes.get(kind, 0), within="bytes")
    yield Row("classes", len(a.data.classes), len(b.data.classes))
    yield Row("images", len(a.data), len(b.data))
    yield Row("images per class", a.data.ipc, b.data.ipc)
    yield Row("image size", _image_size(a), _image_size(b))
    yield Row("labels", a.label_mode, b.label_mode)
    yield Row("networks", _networks(a), _networks(b))
    lines = [recipe_lines(file.data.stored_recipe) for file in (a, b)]
    first, *others = zip_longest(*lines, fillvalue="")
    yield Row("recipe", *first)
    for ours, theirs in others:
        yield Row("images", ours, theirs, within="recipe")


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


def _accuracies(files: list[JudgedFile], source: str, judging: Judging, kept: ExitStack) -> list[Row]:
    """What students make of either file, and of what is in it; they are kept until ``kept`` ends."""
    with ProgressView(is_quiet()) as view:
        judging.warn_of_overlap()
        real_images = RealImages(judging, source, view)
        sets = real_images.of_all(files)
        prepare_for_images(os.environ, sets[0].height, sets[0].width)
        panel = kept.enter_context(judging.students(view, [file.contents for file in files], source))
        paced = PacedView(view, panel.keeper.fresh_part)
        pending = []
        for file, real in zip(files, sets, strict=True):
            with naming(file.name):
                pending.append(judging.comparison(file, real, panel, paced).of_set())
        both = [*pending[0], *pending[1]]
        entries = [one.judge() for one in paced.in_turn(both, lambda one: one.work)]
    first = len(pending[0])
    columns = [dict(_values(entries[:first])), dict(_values(entries[first:]))]
    return [Row(name, columns[0].get(name), columns[1].get(name)) for name in columns[0] | columns[1]]


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


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,.10g}"
