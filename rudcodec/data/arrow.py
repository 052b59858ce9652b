"""Sets of Hugging Face ``datasets``: saved ones, Parquet and Arrow files, and objects of the library."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rudcodec.data.arrow_tables import ARROW, PARQUET, ArrowTable, Column, FileTable, ObjectTable
from rudcodec.data.bounds import MAX_FILE, MAX_LIST
from rudcodec.data.contents import Contents
from rudcodec.data.decode import PictureError, decode_or_refuse
from rudcodec.data.items import Items, ItemSource, Picture
from rudcodec.data.label_values import LABEL_NAMES, are_numbers, as_label, find_label, label_values
from rudcodec.data.layout import split_of_name
from rudcodec.data.reading import Reading
from rudcodec.data.splits import ALIASES, Rows, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

_IMAGE_NAMES = ("image", "img", "images")
"""What a column of images may be called where ``datasets`` doesn't say which it is."""
_SAVED_DICT, _SAVED_STATE = "dataset_dict.json", "state.json"
_SHARD = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.(parquet|arrow)", re.IGNORECASE)

_Tables = Callable[[], Sequence[ArrowTable]]


def open_saved_folder(contents: Contents) -> ItemSource | None:
    """The set that ``save_to_disk`` wrote into a folder, None if there is none. Raises DataError."""
    saved = contents.called(_SAVED_DICT, _SAVED_STATE)
    if contents.folder is None or not contents.ending(ARROW) or not saved:
        return None
    root = min(saved, key=len)
    if _SAVED_DICT not in saved[root]:
        if len(saved) > 1:
            raise DataError(f"{contents.where}: holds several saved sets ({listed(sorted(saved))}); name one")
        return _source(contents, {"train": _saved_tables(contents, root)})
    names = _json(contents, root + _SAVED_DICT).get("splits")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{contents.files.locate(root + _SAVED_DICT)}: names no splits")
    known = {name: ALIASES[name.lower()] for name in names if name.lower() in ALIASES}
    _check_distinct(known, contents.where)
    tables = {split: _saved_tables(contents, f"{root}{name}/") for name, split in known.items()}
    return _source(contents, tables, [name for name in names if name not in known])


def open_shards_folder(contents: Contents) -> ItemSource | None:
    """The set in a folder of .parquet (or .arrow) files, whose names or folders say the split:
    ``train-00000-of-00002.parquet``, ``data/test.parquet``, ``train/0000.parquet``. None if there are none,
    or pictures beside them.

    Raises:
        DataError: shards are missing, or there is more than one set.
    """
    names = contents.ending(PARQUET) or tuple(
        name for name in contents.ending(ARROW) if not name.rpartition("/")[2].startswith("cache-")
    )
    if contents.folder is None or not names or contents.pictures:
        return None
    by_split: dict[SourceSplit | None, list[str]] = {}
    folders: set[str] = set()
    for name in names:
        *outer, last = name.split("/")
        parts = (last.rpartition(".")[0], *reversed(outer))
        split = next((found for part in parts if (found := split_of_name(part))), None)
        by_split.setdefault(split, []).append(name)
        folders.add("/".join(part for part in outer if not split_of_name(part)))
    if len(folders) > 1:
        raise DataError(
            f"{contents.where}: holds sets in several folders ({listed(sorted(folders))}); name one of them"
        )
    if None in by_split and len(by_split) > 1:
        raise DataError(f"{contents.files.locate(by_split[None][0])}: names no split, but other files do")
    _check_complete(contents, names)
    folder = contents.folder
    tables: dict[SourceSplit, _Tables] = {
        split or "train": partial(_file_tables, [folder / name for name in sorted(files)])
        for split, files in by_split.items()
    }
    return _source(contents, tables)


def open_arrow_file(path: Path, reading: Reading) -> ItemSource | None:
    """The set in one .parquet or .arrow file, as train unless its name says another split; None of other
    files. Raises DataError."""
    if path.suffix.lower() not in (PARQUET, ARROW):
        return None
    split = split_of_name(path.stem) or "train"
    return _make_source(path.stem, shown(str(path)), {split: partial(_file_tables, [path])}, reading, [])


def open_datasets_object(source: Any, reading: Reading) -> ItemSource | None:
    """The set in a ``datasets.Dataset``, as train, or a ``datasets.DatasetDict``; None for anything else."""
    bases = [base for base in type(source).__mro__ if base.__module__.partition(".")[0] == "datasets"]
    kinds = {base.__name__ for base in bases}
    where = f"{type(source).__name__} of datasets"
    if "IterableDataset" in kinds or "IterableDatasetDict" in kinds:
        raise DataError(f"{where}: is a stream; give a Dataset, such as Dataset.from_list(list(stream))")
    if "Dataset" in kinds:
        name = source.info.dataset_name or "dataset"
        return _make_source(name, where, {"train": partial(_object_tables, source, where)}, reading, [])
    if "DatasetDict" not in kinds:
        return None
    known = {name: ALIASES[name.lower()] for name in source if name.lower() in ALIASES}
    _check_distinct(known, where)
    tables: dict[SourceSplit, _Tables] = {
        split: partial(_object_tables, source[name], f"{where}: {name}") for name, split in known.items()
    }
    return _make_source("dataset", where, tables, reading, [name for name in source if name not in known])


class _Columns(NamedTuple):
    """The columns of images and labels, and the names of the classes, if the table has some."""

    image: str
    label: str
    classes: tuple[str, ...] | None


class _ArrowItems(Items):
    """Rows of tables, one after another."""

    def __init__(self, tables: Sequence[ArrowTable], columns: _Columns, reads_paths: bool) -> None:
        labels: list[str] = []
        rows: list[int] = []
        problems: list[str] = []
        ends: list[int] = []
        row = 0
        for table in tables:
            first = row
            for value in table.values(columns.label):
                try:
                    labels.append(as_label(value))
                    rows.append(row)
                except ValueError as error:
                    problems.append(f"{table.where}: row {row - first} {error}")
                row += 1
            ends.append(row)
        super().__init__(label_values(labels, are_numbers(set(labels)), tables[0].where))
        self.problems += problems
        self.notes.append(f"images are the column {shown(columns.image)}, labels {shown(columns.label)}")
        self._tables, self._column, self._reads_paths = tables, columns.image, reads_paths
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
                    yield position, decode_or_refuse(self._contents(value), reading)

    def _contents(self, value: Any) -> bytes | PictureError:
        path = None
        if isinstance(value, dict):
            value, path = value.get("bytes"), value.get("path")
        if value is None and path and self._reads_paths:
            return _file_contents(Path(path))
        if value is None:
            return PictureError("names a file instead of holding its picture" if path else "has no picture")
        if len(value) > MAX_FILE:
            return PictureError(f"is larger than {MAX_FILE >> 20} MiB")
        return bytes(value)


def _file_contents(path: Path) -> bytes | PictureError:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        return PictureError(f"can't be read: {error.strerror}")
    return data if len(data) <= MAX_FILE else PictureError(f"is larger than {MAX_FILE >> 20} MiB")


def _source(contents: Contents, tables: dict[SourceSplit, _Tables], others: Sequence[str] = ()) -> ItemSource:
    return _make_source(contents.name, contents.where, tables, contents.reading, others)


def _make_source(
    name: str, where: str, tables: dict[SourceSplit, _Tables], reading: Reading, others: Sequence[str]
) -> ItemSource:
    """The source of the tables of each split.

    Args:
        others: names of splits that are passed over.
    """
    if not tables:
        raise DataError(f"{where}: has no split train, val or test, only {listed(others)}")
    first = tables["train" if "train" in tables else next(iter(tables))]()
    columns = _choose_columns(first[0], reading)

    def items(split: SourceSplit) -> Items:
        split_tables = tables[split]()
        for table in split_tables:
            for column in (columns.image, columns.label):
                if column not in table.columns:
                    raise DataError(f"{table.where}: has no column {shown(column)}, as other files have")
        result = _ArrowItems(split_tables, columns, isinstance(split_tables[0], ObjectTable))
        for other in others:
            result.notes.append(f"passed over the split {shown(other)}")
        return result

    return ItemSource(name, where, {split: partial(items, split) for split in tables}, columns.classes)


def _choose_columns(table: ArrowTable, reading: Reading) -> _Columns:
    """The columns that ``datasets`` says are image and label, the user names, or are called so.

    Raises:
        DataError: that leaves none, or several.
    """
    columns, where = table.columns, table.where
    image = _choose_image(columns, reading, where)
    labels = [name for name, column in columns.items() if column.classes]
    if reading.label_column is None and len(labels) > 1:
        raise DataError(f"{where}: {listed(labels)} may all be the label; say which (--label-column)")
    label = labels[0] if labels and reading.label_column is None else None
    if label is None:
        names = list(columns)
        index = find_label(names, reading.label_column, where)
        if index is None:
            raise DataError(
                f"{where}: no column is a ClassLabel or called {' or '.join(LABEL_NAMES[:2])}; name it "
                f"(--label-column): {_described(columns)}"
            )
        label = names[index]
    return _Columns(image, label, columns[label].classes)


def _choose_image(columns: Mapping[str, Column], reading: Reading, where: str) -> str:
    if (chosen := reading.image_column) is not None:
        if chosen not in columns or not columns[chosen].may_be_image:
            raise DataError(f"{where}: has no column {shown(chosen)} of images: {_described(columns)}")
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


def _file_tables(paths: Sequence[Path]) -> list[ArrowTable]:
    return [FileTable(path) for path in paths]


def _object_tables(dataset: Any, where: str) -> list[ArrowTable]:
    return [ObjectTable(dataset, where)]


def _saved_tables(contents: Contents, folder: str) -> _Tables:
    """The tables of one saved ``Dataset``. Raises DataError if its state isn't what ``save_to_disk``
    writes."""
    assert contents.folder is not None
    name = folder + _SAVED_STATE
    where = contents.files.locate(name)
    if name not in contents.visible:
        raise DataError(f"{where} is missing")
    state = _json(contents, name)
    entries = state.get("_data_files")
    entries = entries if isinstance(entries, list) else []
    files = [str(entry["filename"]) for entry in entries if isinstance(entry, dict) and "filename" in entry]
    if state.get("_indices_data_files") or not files:
        raise DataError(f"{where}: names no files as save_to_disk writes them")
    if missing := [file for file in files if folder + file not in contents.visible]:
        raise DataError(f"{where}: names the file {shown(missing[0])}, which isn't in its folder")
    return partial(_file_tables, [contents.folder / (folder + file) for file in files])


def _json(contents: Contents, name: str) -> dict[str, Any]:
    try:
        value = json.loads(contents.read(name, MAX_LIST))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{contents.files.locate(name)}: is no JSON object")
    return value


def _check_distinct(known: dict[str, SourceSplit], where: str) -> None:
    if len(set(known.values())) < len(known):
        raise DataError(f"{where}: {listed(known)}: two of them are the same split")


def _check_complete(contents: Contents, names: Sequence[str]) -> None:
    """Raise DataError if a shard is missing that the names of others promise."""
    present = set(names)
    for name in names:
        outer, slash, last = name.rpartition("/")
        if match := _SHARD.fullmatch(last):
            total = int(match[3])
            for number in range(total):
                other = f"{outer}{slash}{match[1]}-{number:05}-of-{total:05}.{match[4]}"
                if other not in present:
                    raise DataError(f"{contents.files.locate(other)} is missing")
