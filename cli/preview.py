"""Contact sheet: what the decoded images look like, one row a class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rudcodec import SyntheticSet

_GAP = 2
_TARGET = 64  # small images are enlarged by a whole factor to about this many pixels


def contact_sheet(data: SyntheticSet, rows: int = 100, columns: int = 20) -> np.ndarray:
    """The first ``columns`` images of each of the first ``rows`` classes, as uint8 (height, width, 3)."""
    _, height, width, _ = data.images.shape
    factor = max(1, _TARGET // max(height, width))
    shown = [data.images[data.labels == label][:columns] for label in range(min(rows, len(data.classes)))]
    cell_h, cell_w = height * factor + _GAP, width * factor + _GAP
    across = max(1, *(len(images) for images in shown))
    sheet = np.full((len(shown) * cell_h + _GAP, across * cell_w + _GAP, 3), 255, np.uint8)
    for row, images in enumerate(shown):
        for column, image in enumerate(images):
            y, x = row * cell_h + _GAP, column * cell_w + _GAP
            large = image.repeat(factor, axis=0).repeat(factor, axis=1)
            sheet[y : y + height * factor, x : x + width * factor] = large  # grey spreads over three channels
    return sheet


def preview_png(data: SyntheticSet) -> bytes:
    """The contact sheet as a PNG file."""
    from PIL import Image

    sheet = io.BytesIO()
    Image.fromarray(contact_sheet(data)).save(sheet, format="PNG")
    return sheet.getvalue()
