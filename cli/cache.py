"""``rudcodec cache``: what is kept of large sets and of interrupted commands, and room on the disk again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import click

from rudcodec.text import listed, shown

from .commands import closing, command
from .reading import cache_flag
from .tables import print_table


class _Kept(NamedTuple):
    """Something in the cache: of students all that is known is the size."""

    path: Path
    source: str
    split: str
    images: int
    dimensions: str
    size: int


@command("cache", "List what is kept to save time, or remove it.")
@cache_flag
@click.option("--clear", is_flag=True, help="Remove it all.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def cache(clear: bool, as_json: bool) -> None:
    """List what compress, eval and experts keep of sets that are too large for memory, their decoded images,
    and what students had learnt when eval, compare or curve was interrupted.

    It is only kept to save time: what is removed is decoded, or trained, again when it is needed.
    """
    from rudcodec.data.mapped import cache_folder

    folder = cache_folder()
    kept, busy = _images(folder, clear)
    of_students, busy_students = _students(folder, clear)
    kept, busy = kept + of_students, busy + busy_students
    if busy:
        click.echo(f"rudcodec: left, since another process is at work on them: {listed(busy)}", err=True)
    total = sum(one.size for one in kept)
    if as_json:
        facts = [
            {"folder": str(o.path), "source": o.source, "split": o.split, "images": o.images, "bytes": o.size}
            for o in kept
        ]
        click.echo(json.dumps({"folder": str(folder), "removed" if clear else "entries": facts}, indent=1))
        return
    if clear:
        closing(f"{shown(str(folder))}: removed {total:,} bytes")
        return
    if not kept:
        closing(f"{shown(str(folder))}: nothing is kept here")
        return
    rows = [
        (
            shown(o.source) or "(unfinished)",
            o.split,
            f"{o.images:,}" if o.images else "",
            o.dimensions,
            f"{o.size:,}",
        )
        for o in kept
    ]
    print_table(
        ("source", "split", ">images", "size", ">bytes"), rows, (shown(str(folder)), "", "", "", f"{total:,}")
    )


def _images(folder: Path, clear: bool) -> tuple[list[_Kept], list[str]]:
    """Decoded images, removed if these are to be cleared, and the names of those that can't be now."""
    from rudcodec.data import cache as images

    kept, left = images.clear(folder) if clear else (images.entries(folder), [])
    return (
        [_Kept(e.path, e.source, e.split, e.images, e.dimensions, e.size) for e in kept],
        [entry.path.name for entry in left],
    )


def _students(folder: Path, clear: bool) -> tuple[list[_Kept], list[str]]:
    """The same of students."""
    from rudcodec.data.mapped import STUDENTS

    if not (folder / STUDENTS).is_dir():  # torch need not be there
        return [], []
    from rudcodec.students.keeping import kept_sizes, remove_kept

    kept, busy = [], []
    for path, size in kept_sizes(folder / STUDENTS).items():
        if clear and not remove_kept(path):
            busy.append(path.name)
        else:
            kept.append(_Kept(path, "students of an interrupted command", "", 0, "", size))
    return kept, busy
