"""Tables that name pictures and their labels: .csv, .tsv, and .jsonl with an object in each line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rudcodec.data.bounds import MAX_ENTRIES
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


def parse_table(data: bytes, name: str, where: str, reading: Reading, is_picture: Any) -> Table:
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
    lines = _objects(text, where) if name.lower().endswith(".jsonl") else _cells(text, name, where)
    numbered = list(_bounded(lines, where))
    if not numbered:
        raise ColumnError(f"{where}: is empty")
    first = numbered[0][1]
    if isinstance(first, dict):
        header = [str(key) for key in dict.fromkeys(key for _, fields in numbered for key in fields)]
        file, label, split = _columns(header, reading, where)
        keys = [header[file], header[label]] + ([header[split]] if split is not None else [])
        values = [(line, [fields.get(key) for key in keys]) for line, fields in numbered]
        return Table(
            where, [_row(line, fields, 0, 1, 2 if split is not None else None) for line, fields in values]
        )
    if len(first) == 2 and is_picture(first[0]) and not (reading.image_column or reading.label_column):
        return Table(where, [_row(line, cells, 0, 1, None) for line, cells in numbered])
    file, label, split = _columns(first, reading, where)
    return Table(where, [_row(line, cells, file, label, split) for line, cells in numbered[1:]])


def _columns(header: Sequence[str], reading: Reading, where: str) -> tuple[int, int, int | None]:
    """The columns of files, labels and splits."""
    plain = [name.strip().lower() for name in header]
    label = find_label(header, reading.label_column, where)
    if reading.image_column is not None:
        file = header.index(reading.image_column) if reading.image_column in header else None
    else:
        file = next((plain.index(name) for name in _FILE_NAMES if name in plain), None)
    if file is None or label is None or file == label:
        missing = "file names" if file is None else "labels"
        option = "--image-column" if file is None else "--label-column"
        raise ColumnError(
            f"{where}: no column of {missing} can be told among {listed(header)}; name it ({option})"
        )
    return file, label, plain.index("split") if "split" in plain else None


def _row(line: int, cells: Sequence[Any], file: int, label: int, split: int | None) -> Row:
    """A row whose missing cells are empty."""

    def cell(index: int) -> Any:
        value = cells[index] if index < len(cells) else ""
        return "" if value is None else value

    name = cell(file)
    return Row(
        line,
        name if isinstance(name, str) else str(name),
        cell(label),
        None if split is None else str(cell(split)),
    )


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


def _objects(text: str, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise DataError(f"{where}, line {number}: is no JSON object")
        yield number, fields


def _bounded(lines: Iterator[Any], where: str) -> Iterator[Any]:
    for count, line in enumerate(lines):
        if count > MAX_ENTRIES:
            raise DataError(f"{where}: has more than {MAX_ENTRIES:,} lines; make it several sets")
        yield line
