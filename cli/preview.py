"""Contact sheet: what the decoded images look like, one row a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rudcodec.export.png import png
from rudcodec.files import write_bytes
from rudcodec.sheet import contact_sheet

if TYPE_CHECKING:
    from rudcodec import SyntheticSet


def write_preview(data: SyntheticSet, path: Path) -> None:
    """Write the contact sheet as PNG; the file appears only when it is complete."""
    write_bytes(png(contact_sheet(data)), path)
