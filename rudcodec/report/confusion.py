"""Which classes students take for which, as HTML."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rudcodec.export.png import png
from rudcodec.report.markup import data_url, name, table, text

MOST_IN_TABLE = 20
"""Classes of a matrix whose numbers are shown; a larger one is a picture."""

_MOST_PAIRS = 10
_SIDE = 600  # pixels of a picture, about


def confusion_html(confusion: tuple[tuple[int, ...], ...], classes: tuple[str, ...]) -> str:
    """A matrix of counts as a table or a picture, and the pairs that are confused most."""
    if not confusion:
        return ""
    counts = np.array(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    matrix = _table(shares, classes) if len(classes) <= MOST_IN_TABLE else _picture(shares)
    return matrix + _pairs(shares, classes)


def _table(shares: NDArray[np.float64], classes: tuple[str, ...]) -> str:
    rows = [
        [name(label), *(_cell(share, i == j) for j, share in enumerate(row))]
        for i, (label, row) in enumerate(zip(classes, shares, strict=True))
    ]
    caption = "Of the images of a class (row), how many of a hundred were taken for which (column)"
    return table(["<td></td>", *map(text, classes)], rows, caption, "confusion")


def _cell(share: float, is_right: bool) -> str:
    colour = "good" if is_right else "bad"
    number = f"{100 * share:.0f}" if share else ""
    return f'<td style="background: rgba(var(--{colour}), {min(1.0, share) ** 0.7 * 0.75:.2f})">{number}</td>'


def _picture(shares: NDArray[np.float64]) -> str:
    """White for none, blue for what is right, orange for what is wrong; a class has some pixels."""
    strength = (shares**0.5)[..., None]
    right = np.eye(len(shares))[..., None]
    ink = right * np.array([0, 114, 178]) + (1 - right) * np.array([208, 60, 0])
    pixels = np.rint(255 + (ink - 255) * strength).astype(np.uint8)
    factor = max(1, _SIDE // len(shares))
    picture = pixels.repeat(factor, 0).repeat(factor, 1)
    return (
        '<p class="soft">A row for each true class, a column for each that was seen; the more colour, '
        f'the more images.</p>\n<img class="matrix" src="{data_url(png(picture), "image/png")}" '
        'alt="confusion matrix">'
    )


def _pairs(shares: NDArray[np.float64], classes: tuple[str, ...]) -> str:
    wrong = shares * (1 - np.eye(len(shares)))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j] > 0]
    if not pairs:
        return ""
    items = [f"<li>{name(classes[i])} → {name(classes[j])} {100 * wrong[i, j]:.0f} %</li>" for i, j in pairs]
    return f'\n<p class="soft">Confused most often:</p>\n<ul class="columns">{"".join(items)}</ul>'
