"""Tables that name pictures and their labels: .csv, .tsv, and .jsonl with an object in each line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rudcodec.data.bounds import MAX_ENTRIES
from rudcodec.data.damage import as_text, json_object
from rudcodec.data.label_values import find_column, find_label
from rudcodec.data.reading import Reading
from rudcodec.data.splits import ALIASES
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

ENDINGS = (".csv", ".tsv", ".jsonl")

_FILE_NAMES = (
    "file_name", "filename", "filenames", "file", "file_path", "filepath", "filepaths", "image_path", "path",
    "image", "img", "image_name", "image_id", "id",
)  # fmt: skip
"""What the column of file names may be called, where no column names pictures that are there."""
_DELIMITERS = (",", "\t", ";")
_SPLIT = "split"
_LOOKED_AT = 100
"""Rows that tell what a column holds."""


@dataclass(frozen=True)
class _Columns:
    """Of files, labels, and perhaps splits; how many there are."""

    file: int
    label: int
    split: int | None
    count: int


@dataclass(frozen=True)
class Row:
    """A line of a table: its number, the picture's file, the label, the split if a column says it, and what
    is wrong with it, if anything is."""

    line: int
    file: str
    label: Any
    split: str | None = None
    fault: str = ""


@dataclass(frozen=True)
class Table:
    """A table in which two columns were found.

    Attributes:
        where: what messages begin with.
        rows: as they stand, without empty lines.
        notes: what the user should know of how they were read.
    """

    where: str
    rows: list[Row]
    notes: tuple[str, ...] = ()


class ColumnError(DataError):
    """The columns of files and labels can't be told."""


def parse_table(
    data: bytes, name: str, where: str, reading: Reading, picture: Callable[[str], str | None]
) -> Table:
    """Read a table.

    Args:
        data: the whole file, UTF-8.
        name: of the file; its ending says the kind.
        reading: may name the columns.
        picture: the picture that a text names; a first row with one is no header.

    Raises:
        ColumnError: the columns can't be told. DataError: damaged.
    """
    try:
        text = as_text(data)
    except ValueError as error:
        raise ColumnError(f"{where} {error}") from None
    if name.lower().endswith(".jsonl"):
        header, rows = _objects(text, where)
    else:
        rows = _cells(text, name, where)
        first = next(rows, None)
        if first is None:
            raise ColumnError(f"{where}: is empty")
        header = first[1]
        if len(header) == 2 and picture(header[0]):
            header, rows = ["filename", "label"], chain([first], rows)
    head = list(islice(rows, _LOOKED_AT))
    columns = _columns(header, [cells for _, cells in head], reading, where, picture)
    rows = _bounded(chain(head, rows), where)
    notes: tuple[str, ...] = ()
    if columns.split is not None and header[columns.split].strip().lower() != _SPLIT:
        notes = (f"the splits are those of its column {shown(header[columns.split])}",)
    return Table(where, [_row(line, cells, columns) for line, cells in rows], notes)


def _columns(
    header: Sequence[str],
    head: Sequence[Sequence[Any]],
    reading: Reading,
    where: str,
    picture: Callable[[str], str | None],
) -> _Columns:
    """The columns of files, labels and splits. ``head``: the first rows."""
    label = find_label(header, reading.take("label_column"), where)
    cells = [[str(row[i]) if i < len(row) else "" for row in head] for i in range(len(header))]
    if (chosen := reading.take("image_column")) is not None:
        file: int | None = find_column(header, chosen, where)
    else:
        named = {i: [picture(cell) for cell in column] for i, column in enumerate(cells) if i != label}
        file = _file_column(header, named, where)
    if file is None or label is None or file == label:
        missing = "file names" if file is None else "labels"
        option = "--image-column" if file is None else "--label-column"
        raise ColumnError(
            f"{where}: no column of {missing} can be told among {listed(header)}; name it ({option})"
        )
    others = {i: column for i, column in enumerate(cells) if i not in (file, label)}
    return _Columns(file, label, _split_column(header, others, where), len(header))


def _file_column(header: Sequence[str], named: Mapping[int, Sequence[str | None]], where: str) -> int | None:
    """The column of files, or None. ``named``: the pictures that the first rows of each column name."""
    plain = [name.strip().lower() for name in header]
    by_name = [plain.index(name) for name in _FILE_NAMES if name in plain and plain.index(name) in named]
    found = {i: names for i, names in named.items() if _names_pictures(names)}
    if len({tuple(names) for names in found.values()}) > 1:
        raise ColumnError(
            f"{where}: {listed([header[i] for i in found])} all name pictures; say which (--image-column)"
        )
    return next((i for i in by_name if i in found), next(iter([*found, *by_name]), None))


def _names_pictures(pictures: Sequence[str | None]) -> bool:
    """Whether a column names pictures: most of its first rows do, and not all the same, as a number may that
    happens to be a picture's name."""
    found = [picture for picture in pictures if picture is not None]
    return 2 * len(found) > len(pictures) and (len({*found}) > 1 or len(pictures) == 1)


def _split_column(header: Sequence[str], cells: Mapping[int, Sequence[str]], where: str) -> int | None:
    """The column called split, or else the one whose first rows all name splits; None if there is none."""
    plain = [name.strip().lower() for name in header]
    found = [i for i, name in enumerate(plain) if name == _SPLIT] or [
        i for i, column in cells.items() if column and all(cell.strip().lower() in ALIASES for cell in column)
    ]
    if len(found) > 1:
        several = listed(header[i] for i in found)
        raise ColumnError(f"{where}: {several} may all be the split; call only the one that is meant split")
    return found[0] if found else None


def _row(line: int, cells: Sequence[Any], columns: _Columns) -> Row:
    """A row whose missing cells are empty."""
    places = (columns.file, columns.label, columns.split)
    file, label, split = ("" if i is None or i >= len(cells) else cells[i] for i in places)
    fault = ""
    if any(str(cell).strip() for cell in cells[columns.count :]):
        fault = f"has {len(cells)} cells, the header {columns.count}; put cells with a separator in quotes"
    return Row(line, str(file), label, None if columns.split is None else str(split), fault)


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
    """The fields that any line has, and the values of these in each line."""

    def parsed() -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(io.StringIO(text), 1):
            if not line.strip():
                continue
            fields = json_object(line)
            if fields is None:
                raise DataError(f"{where}, line {number}: is no JSON object")
            yield number, fields

    header = list(dict.fromkeys(key for _, fields in parsed() for key in fields))
    if not header:
        raise ColumnError(f"{where}: is empty")
    return header, ((number, [fields.get(key, "") for key in header]) for number, fields in parsed())


def _bounded(lines: Iterator[Any], where: str) -> Iterator[Any]:
    for count, line in enumerate(lines):
        if count > MAX_ENTRIES:
            raise DataError(f"{where}: has more than {MAX_ENTRIES:,} lines; make it several sets")
        yield line
