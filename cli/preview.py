"""Contact sheet: what the decoded images look like, one row a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rudcodec.export.png import png
from rudcodec.sheet import contact_sheet

if TYPE_CHECKING:
    from rudcodec import SyntheticSet


def preview_png(data: SyntheticSet) -> bytes:
    """The contact sheet as a PNG file."""
    return png(contact_sheet(data))
