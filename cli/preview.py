"""Contact sheet: what the decoded images look like, one row a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rudcodec.export.png import png
from rudcodec.sheet import contact_sheet

if TYPE_CHECKING:
    from rudcodec import SyntheticSet


def check_preview(path: Path | None) -> None:
    """Raise click.UsageError for a file that, by its name, is to be another picture than a PNG."""
    if path is not None and path.suffix.lower() not in ("", ".png"):
        raise click.UsageError(f"--preview writes a PNG file, not {path.suffix}")


def preview_png(data: SyntheticSet) -> bytes:
    """The contact sheet as a PNG file."""
    return png(contact_sheet(data))
