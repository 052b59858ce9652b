"""Tables that name pictures and their labels: .csv, .tsv, and .jsonl with an object in each line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rudcodec.data.bounds import MAX_ENTRIES
from rudcodec.data.damage import json_object
from rudcodec.data.label_values import find_label
from rudcodec.data.reading import Reading
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

ENDINGS = (".csv", ".tsv", ".jsonl")

_FILE_NAMES = (
    "file_name", "filename", "filenames", "file", "file_path", "filepath", "filepaths", "image_path", "path",
    "image", "img", "image_name", "image_id", "id",
)  # fmt: skip
"""What the column of file names may be called; the first that is there counts."""
_DELIMITERS = (",", "\t", ";")

_Columns = tuple[int, int, int | None]
"""Of files, labels, and perhaps splits."""


@dataclass(frozen=True)
class Row:
    """A line of a table: its number, the picture's file, the label, and the split if a column says it."""

    line: int
    file: str
    label: Any
    split: str | None = None


@dataclass(frozen=True)
class Table:
    """A table in which two columns were found.

    Attributes:
        where: what messages begin with.
        rows: as they stand, without empty lines.
    """

    where: str
    rows: list[Row]


class ColumnError(DataError):
    """The columns of files and labels can't be told."""


def parse_table(
    data: bytes, name: str, where: str, reading: Reading, is_picture: Callable[[str], bool]
) -> Table:
    """Read a table.

    Args:
        data: the whole file, UTF-8.
        name: of the file; its ending says the kind.
        reading: may name the columns.
        is_picture: whether a text names a picture; a first row with one is no header.

    Raises:
        ColumnError: the columns can't be told. DataError: damaged.
    """
    text = data.decode("utf-8-sig", "replace")
    if name.lower().endswith(".jsonl"):
        header, rows = _objects(text, where)
    else:
        rows = _cells(text, name, where)
        first = next(rows, None)
        if first is None:
            raise ColumnError(f"{where}: is empty")
        header = first[1]
        if len(header) == 2 and is_picture(header[0]):
            header, rows = ["filename", "label"], chain([first], rows)
    first = next(rows, None)
    pictures = {i for i, cell in enumerate(first[1] if first else ()) if is_picture(str(cell))}
    columns = _columns(header, pictures, reading, where)
    rows = chain([] if first is None else [first], rows)
    return Table(where, [_row(line, cells, columns) for line, cells in _bounded(rows, where)])


def _columns(header: Sequence[str], pictures: Collection[int], reading: Reading, where: str) -> _Columns:
    """The columns of files, labels and splits; ``pictures``: those that name a picture in the first row."""
    plain = [name.strip().lower() for name in header]
    label = find_label(header, reading.take("label_column"), where)
    if (chosen := reading.take("image_column")) is not None:
        file = header.index(chosen) if chosen in header else None
    else:
        found = [plain.index(name) for name in _FILE_NAMES if name in plain]
        found = [i for i in found if i in pictures] or found[:1]
        if len(found) > 1:
            raise ColumnError(
                f"{where}: {listed([header[i] for i in found])} all name pictures; say which (--image-column)"
            )
        file = next(iter(found), None)
    if file is None or label is None or file == label:
        missing = "file names" if file is None else "labels"
        option = "--image-column" if file is None else "--label-column"
        raise ColumnError(
            f"{where}: no column of {missing} can be told among {listed(header)}; name it ({option})"
        )
    return file, label, plain.index("split") if "split" in plain else None


def _row(line: int, cells: Sequence[Any], columns: _Columns) -> Row:
    """A row whose missing cells are empty."""
    file, label, split = ("" if i is None or i >= len(cells) else cells[i] for i in columns)
    return Row(line, str(file), label, None if columns[2] is None else str(split))


def _cells(text: str, name: str, where: str) -> Iterator[tuple[int, list[str]]]:
    start = text[: text.find("\n")] if "\n" in text else text
    delimiter = "\t" if name.lower().endswith(".tsv") else max(_DELIMITERS, key=start.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}: {shown(str(error))}") from None


def _objects(text: str, where: str) -> tuple[list[str], Iterator[tuple[int, list[Any]]]]:
    """The fields of the first line, and the values of these in each line."""

    def parsed() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(io.StringIO(text), 1):
            if not line.strip():
                continue
            fields = json_object(line)
            if fields is None:
                raise DataError(f"{where}, line {number}: is no JSON object")
            yield number, fields

    _, first = next(parsed(), (0, {}))
    if not first:
        raise ColumnError(f"{where}: is empty")
    return [*first], ((number, [fields.get(key, "") for key in first]) for number, fields in parsed())


def _bounded(lines: Iterator[Any], where: str) -> Iterator[Any]:
    for count, line in enumerate(lines):
        if count > MAX_ENTRIES:
            raise DataError(f"{where}: has more than {MAX_ENTRIES:,} lines; make it several sets")
        yield line
