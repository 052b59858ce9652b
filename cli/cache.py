"""``rudcodec cache``: what is kept of large sets, decoded, and room on the disk again."""

from __future__ import annotations

import json

import click

from rudcodec.text import listed, shown

from .commands import closing, command
from .reading import cache_flag
from .tables import print_table


@command("cache", "List the decoded images of large sets, or remove them.")
@cache_flag
@click.option("--clear", is_flag=True, help="Remove them all.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def cache(clear: bool, as_json: bool) -> None:
    """List what compress, eval and experts keep of sets that are too large for memory: their decoded images.

    They are only kept to save time: what is removed is decoded again when it is needed.
    """
    from rudcodec.data import cache as images
    from rudcodec.data.mapped import cache_folder

    folder = cache_folder()
    kept, left = images.clear(folder) if clear else (images.entries(folder), [])
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
        (shown(e.source) or "(unfinished)", e.split, f"{e.images:,}", e.dimensions, f"{e.size:,}")
        for e in kept
    ]
    print_table(
        ("source", "split", ">images", "size", ">bytes"), rows, (shown(str(folder)), "", "", "", f"{total:,}")
    )
