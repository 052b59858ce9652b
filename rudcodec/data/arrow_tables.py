"""Tables of Apache Arrow: .parquet and .arrow files, and sets of Hugging Face ``datasets`` in memory. Read by
pyarrow, which is imported when one is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rudcodec.data.bounds import MAX_ENTRIES, MAX_LIST
from rudcodec.data.kinds import UNKNOWN, kind_of_file
from rudcodec.data.modules import import_reader
from rudcodec.errors import DataError
from rudcodec.text import shown

PARQUET = ".parquet"
ARROW = ".arrow"

_BATCH_ROWS = 4
"""Rows of one step: of a dictionary, each may be the largest picture there is."""
_BATCH_TRUSTED = 1 << 8
"""The same of a set in memory."""
_BATCH_NUMBERS = 1 << 14
"""The same of a column of whole numbers."""
_IMAGE, _CLASS_LABEL = "Image", "ClassLabel"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        type: as Arrow calls it, for messages.
        is_image: whether ``datasets`` says so.
        classes: the names of the labels 0, 1, ..., if ``datasets`` says these are labels.
        may_be_image: whether it holds bytes, with or without a path beside them.
        is_number: whether it holds whole numbers.
    """

    type: str
    is_image: bool = False
    classes: tuple[str, ...] | None = None
    may_be_image: bool = False
    is_number: bool = False


class ArrowTable(Protocol):
    """A table whose rows are read a few at a time.

    Attributes:
        where: what messages begin with.
        follows_paths: whether files may be read that it names instead of holding pictures.
    """

    where: str

    @property
    def path(self) -> Path | None:
        """Of the file that it is; None of one in memory."""

    follows_paths: bool
    columns: Mapping[str, Column]

    def values(self, column: str) -> Iterator[Any]:
        """The values of a column, in order: bytes or dicts of images, numbers or texts of labels.

        Raises:
            DataError: the table is damaged.
        """


class FileTable:
    """The table in a .parquet or .arrow file. Raises DataError if it can't be read."""

    follows_paths = False

    def __init__(self, path: Path) -> None:
        self.where = shown(str(path))
        self.path = path
        self._pyarrow = import_reader("pyarrow", self.where)
        self._is_parquet = path.suffix.lower() == PARQUET
        self.columns: Mapping[str, Column] = self._guarded(self._columns)

    def values(self, column: str) -> Iterator[Any]:
        count = 0
        batches = self._batches(column)
        while (batch := self._guarded(lambda: next(batches, None))) is not None:
            count += len(batch)
            self._check_rows(count)
            yield from batch

    def _check_rows(self, count: int) -> None:
        if count > MAX_ENTRIES:
            raise DataError(f"{self.where}: more than {MAX_ENTRIES:,} rows; make it several files")

    def _columns(self) -> dict[str, Column]:
        schema = self._schema()
        return columns_of(schema, _stated_features(schema))

    def _schema(self) -> Any:
        if self._is_parquet:
            return self._parquet_file().schema_arrow
        return self._reader(None).schema

    def _batches(self, column: str) -> Iterator[list[Any]]:
        rows = _BATCH_NUMBERS if self.columns[column].is_number else _BATCH_ROWS
        if self._is_parquet:
            file = self._parquet_file()
            self._check_rows(file.metadata.num_rows)
            for batch in file.iter_batches(rows, columns=[column]):
                yield batch.column(0).to_pylist()
            return
        for batch in self._reader([self._schema().get_field_index(column)]):
            batch.validate(full=True)
            for start in range(0, batch.num_rows, rows):
                yield batch.column(0).slice(start, rows).to_pylist()

    def _parquet_file(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path)

    def _reader(self, fields: list[int] | None) -> Any:
        """The batches of an .arrow, which is a stream or, with a mark at its start, a file."""
        from pyarrow import ipc

        options = ipc.IpcReadOptions(included_fields=fields or [])
        source = self._pyarrow.memory_map(str(self.path))
        if bytes(source.read(6)) != b"ARROW1":
            source.seek(0)
            return ipc.open_stream(source, options=options)
        reader = ipc.open_file(source, options=options)
        return _Sequence(reader)

    def _guarded(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (self._pyarrow.ArrowMemoryError, MemoryError):
            raise DataError(f"{self.where}: needs more memory than there is") from None
        except (self._pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
            kind = kind_of_file(self.path)
            is_kind = kind == UNKNOWN or kind.startswith(("a parquet", "an arrow"))
            note = f"is {kind}" if not is_kind else "is damaged or cut short"
            if isinstance(error, OSError) and error.errno and error.strerror:
                note = f"can't be read ({error.strerror})"
            raise DataError(f"{self.where}: {note}") from None


class _Sequence:
    """The batches of an Arrow file, one after another."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.schema = reader.schema

    def __iter__(self) -> Iterator[Any]:
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)


class ObjectTable:
    """A ``datasets.Dataset`` in memory. Raises DataError if it has a transform."""

    follows_paths = True
    path = None

    def __init__(self, dataset: Any, where: str) -> None:
        self.where = where
        if dataset.format["type"] == "custom":
            raise DataError(
                f"{where}: has a transform, which is not applied here; map() it, or take it off "
                "(reset_format())"
            )
        self._dataset = dataset.with_format("arrow")
        features = {name: _feature_of(feature) for name, feature in dataset.features.items()}
        self.columns: Mapping[str, Column] = columns_of(dataset.features.arrow_schema, features)

    def values(self, column: str) -> Iterator[Any]:
        for table in self._dataset.select_columns([column]).iter(_BATCH_TRUSTED):
            yield from table.column(0).to_pylist()


def columns_of(schema: Any, features: Mapping[str, tuple[str, Any]]) -> dict[str, Column]:
    """The columns of a schema.

    Args:
        features: the kind of each that ``datasets`` knows, and the names of its classes.
    """
    from pyarrow import types

    columns: dict[str, Column] = {}
    for field in schema:
        kind, names = features.get(field.name, ("", None))
        bytes_type = field.type
        if types.is_struct(bytes_type) and bytes_type.get_field_index("bytes") >= 0:
            bytes_type = bytes_type.field("bytes").type
        holds_bytes = types.is_binary(bytes_type) or types.is_large_binary(bytes_type)
        classes = tuple(names) if kind == _CLASS_LABEL and _are_texts(names) else None
        columns[field.name] = Column(
            str(field.type),
            kind == _IMAGE and holds_bytes,
            classes,
            holds_bytes,
            types.is_integer(field.type),
        )
    return columns


def _stated_features(schema: Any) -> dict[str, tuple[str, Any]]:
    """The features that ``datasets`` has left in a file's schema; none where it wrote no or damaged ones."""
    text = (schema.metadata or {}).get(b"huggingface", b"")
    try:
        stated = json.loads(text)["info"]["features"] if len(text) <= MAX_LIST else {}
        return {
            name: (str(feature.get("_type")), feature.get("names"))
            for name, feature in stated.items()
            if isinstance(feature, dict)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _feature_of(feature: Any) -> tuple[str, Any]:
    return type(feature).__name__, getattr(feature, "names", None)


def _are_texts(names: Any) -> bool:
    return isinstance(names, Sequence) and bool(names) and all(isinstance(name, str) for name in names)
