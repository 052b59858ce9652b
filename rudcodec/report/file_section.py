"""One file on a page: its images, its bytes, how to train on it, and what students make of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rudcodec.export.png import png
from rudcodec.recipe_text import recipe_lines
from rudcodec.report.confusion import confusion_html
from rudcodec.report.judged import JudgedFile
from rudcodec.report.markup import data_url, name, sentence, table, text
from rudcodec.report.points import Point
from rudcodec.synthetic import SyntheticSet
from rudcodec.text import average, short

if TYPE_CHECKING:
    from rudcodec.report.page import Report

_MOST_ROWS, _MOST_IMAGES = 100, 400  # of a sheet
_WIDTH, _IMAGE = 720, 60  # pixels of a strip and of an image, about
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#8a6d00")
_LABELS = {
    "hard": "hard labels: each image has its class",
    "soft": "soft labels: each image has probabilities of the likeliest classes",
    "network": "a label network, which labels any view of the images",
}


def file_section(report: Report, number: int) -> str:
    """The section of a report's file, whose anchor is ``file-number``."""
    file = report.files[number]
    data = file.data
    own = [point for point in report.points if point.sha256 == file.sha256 and point.kind == "set"]
    parts = [
        f'<section id="file-{number}">',
        f"<h2>{text(file.name)}</h2>",
        f"<p>{_summary(file)}</p>",
        "<h3>Recipe</h3>",
        f"<p>{'<br>'.join(map(sentence, recipe_lines(data.stored_recipe)))}</p>",
        *([f"<p>Changed for the students here: {sentence(report.changes)}</p>"] if report.changes else []),
        "<h3>Where the bytes are</h3>",
        _sizes(file),
        "<h3>Images</h3>",
        _sheet(data, own[0] if own else None),
    ]
    if own and own[0].confusion:
        students = f"{text(own[0].student)}, {len(own[0].seeds)} of them"
        parts += [f"<h3>What students see ({students})</h3>", confusion_html(own[0].confusion, data.classes)]
    return "\n".join([*parts, "</section>"])


def _summary(file: JudgedFile) -> str:
    shape = file.description.outline.image_shape
    return (
        f"{len(file.contents):,} bytes, <b>{short(file.data.bpc)} bits per class</b>; {len(file.data):,} "
        f"{shape.colour} images of {shape.width} x {shape.height}, {average(file.data.ipc)} per class; "
        f"{_LABELS[file.label_mode]}.<br>"
        f'<span class="soft">SHA-256 <code>{file.sha256}</code></span>'
    )


def _sizes(file: JudgedFile) -> str:
    total = len(file.contents)
    coloured = [
        (kind, size, _COLOURS[i % len(_COLOURS)]) for i, (kind, size) in enumerate(file.section_sizes.items())
    ]
    bar = "".join(
        f'<i style="width:{100 * size / total:.3f}%;background:{colour}" title="{text(kind)}"></i>'
        for kind, size, colour in coloured
    )
    rows = [
        [
            f'<span class="key" style="background:{colour}"></span>{text(kind)}',
            f"{size:,}",
            f"{100 * size / total:.1f} %",
        ]
        for kind, size, colour in coloured
    ]
    rows.append(["total", f"{total:,}", "100 %"])
    return f'<div class="bar">{bar}</div>\n' + table(["section", "bytes", "share"], rows)


def _sheet(data: SyntheticSet, judged: Point | None) -> str:
    """A row for each class: its name, how many images it has, what students get right, its first images."""
    shown = range(min(_MOST_ROWS, len(data.classes)))
    height, width = data.images.shape[1:3]
    factor = max(1, round(_IMAGE / max(height, width)))
    shrink = min(1.0, _IMAGE / max(height, width)) if factor == 1 else factor
    columns = max(1, min(int(_WIDTH / (width * shrink)), _MOST_IMAGES // len(shown)))
    rows = []
    for label in shown:
        images = data.images[data.labels == label]
        cells = [name(data.classes[label]), f"{len(images):,}"]
        if judged is not None and judged.per_class:
            cells.append(_rate(judged.per_class[label]))
        rows.append([*cells, _strip(images[:columns], shrink)])
    head = [
        "class",
        "images",
        *(["right"] if judged is not None and judged.per_class else []),
        "the first of them",
    ]
    left_out = len(data.classes) - len(shown)
    caption = f"The first {len(shown)} classes; {left_out} more are not shown" if left_out else ""
    return table(head, rows, caption, "sheet")


def _rate(rate: float | None) -> str:
    if rate is None:
        return ""
    return f'<span class="rate"><i style="width:{100 * rate:.1f}%"></i></span> {100 * rate:.0f} %'


def _strip(images: np.ndarray, scale: float) -> str:
    """Images side by side, each with a transparent column behind it, as large as ``scale`` says."""
    if not len(images):
        return "none"
    count, height, width, _ = images.shape
    strip = np.zeros((height, count, width + 1, 4), np.uint8)
    strip[:, :, :width, :3] = images.transpose(1, 0, 2, 3)  # grey spreads over three channels
    strip[:, :, :width, 3] = 255
    source = data_url(png(strip.reshape(height, -1, 4)), "image/png")
    enlarged = " enlarged" if scale > 1 else ""
    return (
        f'<img class="strip{enlarged}" src="{source}" width="{round(count * (width + 1) * scale)}" '
        f'height="{round(height * scale)}" alt="{count} images">'
    )
