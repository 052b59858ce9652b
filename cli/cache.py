"""``rudcodec cache``: what is kept of large sets and of interrupted commands, and room on the disk again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rudcodec.text import listed, shown

from .commands import closing, command
from .reading import cache_flag
from .tables import print_table

if TYPE_CHECKING:
    from rudcodec.data.cache import Entry

_OF_STUDENTS = "students of an interrupted command"


@command("cache", "List what is kept to save time, or remove it.")
@cache_flag
@click.option("--clear", is_flag=True, help="Remove it all.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def cache(clear: bool, as_json: bool) -> None:
    """List what commands keep of sets that are too large for memory, their decoded images, and what students
    had learnt when eval, compare or curve was interrupted.

    It is only kept to save time: what is removed is decoded, or trained, again when it is needed.
    """
    from rudcodec.data import cache as images
    from rudcodec.data.cache_place import cache_folder

    folder = cache_folder()
    kept, left = images.clear(folder) if clear else (images.entries(folder), [])
    for entry in _students(folder):
        (left if clear and not _removed(entry) else kept).append(entry)
    if left:
        busy = listed(entry.path.name for entry in left)
        click.echo(f"rudcodec: left, since another process is at work on them: {busy}", err=True)
    total = sum(entry.size for entry in kept)
    if as_json:
        facts = [
            {"folder": str(e.path), "source": e.source, "split": e.split, "images": e.images, "bytes": e.size}
            for e in kept
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
            shown(e.source) or "(unfinished)",
            e.split,
            f"{e.images:,}" if e.images else "",
            e.dimensions,
            f"{e.size:,}",
        )
        for e in kept
    ]
    print_table(
        ("source", "split", ">images", "size", ">bytes"), rows, (shown(str(folder)), "", "", "", f"{total:,}")
    )


def _students(folder: Path) -> list[Entry]:
    """What students of interrupted commands had learnt."""
    from rudcodec.data.cache import Entry
    from rudcodec.data.cache_place import STUDENTS

    if not (folder / STUDENTS).is_dir():  # torch need not be there
        return []
    from rudcodec.students.keeping import kept_sizes

    sizes = kept_sizes(folder / STUDENTS)
    return [Entry(path, _OF_STUDENTS, "", 0, "", size) for path, size in sizes.items()]


def _removed(entry: Entry) -> bool:
    """Remove one of these; False if another process is at work on it."""
    from rudcodec.students.keeping import remove_kept

    return remove_kept(entry.path)
