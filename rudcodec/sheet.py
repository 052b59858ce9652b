"""Contact sheet: what the images of a set look like, one row a class."""

from __future__ import annotations

import html
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rudcodec.export.png import png
from rudcodec.text import listed

if TYPE_CHECKING:
    from rudcodec.synthetic import SyntheticSet

_GAP = 2
_TARGET = 64  # small images are enlarged by a whole factor to about this many pixels
_SIDE = 800  # pixels of a sheet in a notebook, about


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


def as_html(data: SyntheticSet) -> str:
    """A set for a notebook: what it is, and a sheet of its images; needs no other file."""
    longest = max(data.images.shape[1:3])
    every = -(-longest // _SIDE)  # of large images only every second pixel, or third, ...
    shown = replace(data, images=data.images[:, ::every, ::every])
    count = max(1, _SIDE // max(_TARGET, longest))
    sheet = b64encode(png(contact_sheet(shown, count, count))).decode()
    caption, names = html.escape(repr(data)), html.escape(listed(data.classes))
    return (
        f'<figure><figcaption>{caption}<br>{names}</figcaption><img src="data:image/png;base64,{sheet}" '
        f'alt="images of the first classes, a row each"></figure>'
    )
