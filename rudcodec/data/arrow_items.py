"""Items that are rows of Arrow tables: which columns hold images and labels, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rudcodec.data.arrow_tables import ArrowTable, Column
from rudcodec.data.bounds import MAX_FILE
from rudcodec.data.decode import PictureError, decode_or_refuse
from rudcodec.data.disk import file_contents, file_stamp
from rudcodec.data.items import Items, Picture
from rudcodec.data.label_values import LABEL_NAMES, as_label, find_column, find_label, label_values
from rudcodec.data.reading import Reading
from rudcodec.data.splits import Rows
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

_IMAGE_NAMES = ("image", "img", "images")
"""What a column of images may be called where ``datasets`` doesn't say which it is."""


class ImageColumns(NamedTuple):
    """The columns of images and labels, and the names of the classes, if the table has some."""

    image: str
    label: str
    classes: tuple[str, ...] | None


class ArrowItems(Items):
    """Rows of tables, one after another. Raises DataError if the tables have other columns than expected."""

    def __init__(self, tables: Sequence[ArrowTable], columns: ImageColumns) -> None:
        labels: list[str] = []
        rows: list[int] = []
        problems: list[str] = []
        ends: list[int] = []
        row = 0
        for table in tables:
            _check_columns(table, columns)
            first = row
            for value in table.values(columns.label):
                try:
                    labels.append(as_label(value))
                    rows.append(row)
                except ValueError as error:
                    problems.append(f"{table.where}: row {row - first} {error}")
                row += 1
            ends.append(row)
        super().__init__(label_values(labels, tables[0].where))
        self.problems += problems
        self.notes.append(f"images are the column {shown(columns.image)}, labels {shown(columns.label)}")
        self._tables, self._column = tables, columns.image
        self._rows, self._ends = np.array(rows, dtype=np.int64), ends

    def locate(self, index: int) -> str:
        row = int(self._rows[index])
        number = int(np.searchsorted(self._ends, row, side="right"))
        return f"{self._tables[number].where}: row {row - ([0, *self._ends][number])}"

    def stream(self, indices: Rows, reading: Reading) -> Iterator[tuple[int, Picture]]:
        position_of = {int(self._rows[index]): position for position, index in enumerate(indices)}
        for table, start in zip(self._tables, [0, *self._ends], strict=False):
            for row, value in enumerate(table.values(self._column), start):
                if (position := position_of.get(row)) is not None:
                    yield position, decode_or_refuse(_contents(value, table.follows_paths), reading)

    def stamps(self, indices: Rows) -> Iterator[bytes] | None:
        paths = [table.path for table in self._tables]
        if any(path is None for path in paths):
            return None
        return chain((file_stamp(path) for path in paths if path), [self._rows[indices].tobytes()])


def _check_columns(table: ArrowTable, columns: ImageColumns) -> None:
    for name in (columns.image, columns.label):
        if name not in table.columns:
            raise DataError(f"{table.where}: has no column {shown(name)}, as other tables of the set have")
    if table.columns[columns.label].classes != columns.classes:
        raise DataError(
            f"{table.where}: {shown(columns.label)} has other class names than in other tables of the set"
        )


def _contents(value: Any, follows_paths: bool) -> bytes | PictureError:
    """The picture's file that a value of a column holds or, if that is trusted, names."""
    path = None
    if isinstance(value, dict):
        value, path = value.get("bytes"), value.get("path")
    if value is None and path and follows_paths:
        return file_contents(Path(path))
    if value is None:
        return PictureError("names a file instead of holding its picture" if path else "has no picture")
    if len(value) > MAX_FILE:
        return PictureError(f"is larger than {MAX_FILE >> 20} MiB")
    return bytes(value)


def choose_columns(table: ArrowTable, reading: Reading) -> ImageColumns:
    """The columns that ``datasets`` says are image and label, the user names, or are called so.

    Raises:
        DataError: that leaves none, or several.
    """
    columns, where = table.columns, table.where
    image = _choose_image(columns, reading, where)
    labels = [name for name, column in columns.items() if column.classes]
    chosen = reading.take("label_column")
    if chosen is None and len(labels) > 1:
        raise DataError(f"{where}: {listed(labels)} may all be the label; say which (--label-column)")
    label = labels[0] if labels and chosen is None else None
    if label is None:
        names = list(columns)
        index = find_label(names, chosen, where)
        if index is None:
            raise DataError(
                f"{where}: no column is a ClassLabel or called {' or '.join(LABEL_NAMES[:2])}; name it "
                f"(--label-column): {_described(columns)}"
            )
        label = names[index]
    return ImageColumns(image, label, columns[label].classes)


def _choose_image(columns: Mapping[str, Column], reading: Reading, where: str) -> str:
    if (chosen := reading.take("image_column")) is not None:
        find_column([*columns], chosen, where)
        if not columns[chosen].may_be_image:
            raise DataError(f"{where}: the column {shown(chosen)} holds no images: {_described(columns)}")
        return chosen
    images = [name for name, column in columns.items() if column.is_image]
    # of a file that other programs wrote
    images = images or [name for name in _IMAGE_NAMES if name in columns and columns[name].may_be_image]
    if len(images) > 1:
        raise DataError(f"{where}: {listed(images)} may all be the image; say which (--image-column)")
    if not images:
        raise DataError(
            f"{where}: no column holds images as datasets keeps them; name it (--image-column): "
            f"{_described(columns)}"
        )
    return images[0]


def _described(columns: Mapping[str, Column]) -> str:
    return listed(f"{name} ({column.type})" for name, column in columns.items())
