"""Sets of Hugging Face ``datasets``: saved ones, Parquet and Arrow files, and objects of the library."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from rudcodec.data.arrow_items import ArrowItems, choose_columns
from rudcodec.data.arrow_tables import ARROW, PARQUET, ArrowTable, FileTable, ObjectTable
from rudcodec.data.bounds import MAX_LIST
from rudcodec.data.contents import Contents
from rudcodec.data.damage import json_object
from rudcodec.data.items import Items, ItemSource
from rudcodec.data.layout import split_of_name, split_of_path
from rudcodec.data.reading import Reading
from rudcodec.data.splits import ALIASES, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import listed, shown

_SAVED_DICT, _SAVED_STATE = "dataset_dict.json", "state.json"
_SHARD = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.(parquet|arrow)", re.IGNORECASE)

_Tables = Callable[[], Sequence[ArrowTable]]


def open_saved_folder(contents: Contents) -> ItemSource | None:
    """The set that ``save_to_disk`` wrote into a folder, None if there is none. Raises DataError."""
    saved = contents.called(_SAVED_DICT, _SAVED_STATE)
    if contents.folder is None or not contents.ending(ARROW) or not saved:
        return None
    dicts = [folder for folder, names in saved.items() if _SAVED_DICT in names]
    root = min(dicts or saved, key=len)
    if others := [
        folder for folder in saved if folder != root and (not dicts or not folder.startswith(root))
    ]:
        raise DataError(
            f"{contents.where}: holds several saved sets ({listed(sorted([root, *others]))}); name one"
        )
    if not dicts:
        return _source(contents, {"train": _saved_tables(contents, root)}, contents.visible)
    names = _json(contents, root + _SAVED_DICT).get("splits")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{contents.files.locate(root + _SAVED_DICT)}: names no splits")
    known = {name: ALIASES[name.lower()] for name in names if name.lower() in ALIASES}
    _check_distinct(known, contents.where)
    tables = {split: _saved_tables(contents, f"{root}{name}/") for name, split in known.items()}
    others = [name for name in names if name not in known]
    return _source(contents, tables, contents.visible, others)


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
    if contents.bare_folder is None or not names:
        return None
    by_split: dict[SourceSplit | None, list[str]] = {}
    folders: set[str] = set()
    for name in names:
        by_split.setdefault(split_of_path(name), []).append(name)
        folders.add("/".join(part for part in name.split("/")[:-1] if not split_of_name(part)))
    if len(folders) > 1:
        raise DataError(
            f"{contents.where}: holds sets in several folders ({listed(sorted(folders))}); name one of them"
        )
    if None in by_split and len(by_split) > 1:
        raise DataError(f"{contents.files.locate(by_split[None][0])}: names no split, but other files do")
    _check_complete(contents, names)
    tables: dict[SourceSplit, _Tables] = {
        split or "train": partial(_file_tables, [contents.path(name) for name in sorted(files)])
        for split, files in by_split.items()
    }
    return _source(contents, tables, names)


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


def _source(
    contents: Contents, tables: dict[SourceSplit, _Tables], used: Collection[str], others: Sequence[str] = ()
) -> ItemSource:
    source = _make_source(contents.name, contents.where, tables, contents.reading, others)
    source.beside = contents.without(used)
    return source


def _make_source(
    name: str, where: str, tables: dict[SourceSplit, _Tables], reading: Reading, others: Sequence[str]
) -> ItemSource:
    """The source of the tables of each split.

    Args:
        others: names of splits that are passed over.
    """
    if not tables:
        raise DataError(f"{where}: has no split train, val or test, only {listed(others)}")
    # those of one split tell the columns, too
    tables = {split: cache(read) for split, read in tables.items()}
    first = tables["train" if "train" in tables else next(iter(tables))]()
    columns = choose_columns(first[0], reading)

    def items(split: SourceSplit) -> Items:
        result = ArrowItems(tables[split](), columns)
        for other in others:
            result.notes.append(f"passed over the split {shown(other)}")
        return result

    return ItemSource(name, where, {split: partial(items, split) for split in tables}, columns.classes)


def _file_tables(paths: Sequence[Path]) -> list[ArrowTable]:
    return [FileTable(path) for path in paths]


def _object_tables(dataset: Any, where: str) -> list[ArrowTable]:
    return [ObjectTable(dataset, where)]


def _saved_tables(contents: Contents, folder: str) -> _Tables:
    """The tables of one saved ``Dataset``. Raises DataError if its state isn't what ``save_to_disk``
    writes."""
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
    return partial(_file_tables, [contents.path(folder + file) for file in files])


def _json(contents: Contents, name: str) -> dict[str, Any]:
    value = json_object(contents.read(name, MAX_LIST))
    if value is None:
        raise DataError(f"{contents.files.locate(name)}: is no JSON object")
    return value


def _check_distinct(known: dict[str, SourceSplit], where: str) -> None:
    if len(set(known.values())) < len(known):
        raise DataError(f"{where}: {listed(known)}: two of them are the same split")


def _check_complete(contents: Contents, names: Sequence[str]) -> None:
    """Raise DataError if a shard is missing that the names of others promise."""
    present = set(names)
    for beginning, total, suffix in _shard_groups(names):
        for number in range(total):
            name = f"{beginning}-{number:05}-of-{total:05}.{suffix}"
            if name not in present:
                raise DataError(f"{contents.files.locate(name)} is missing")


def _shard_groups(names: Sequence[str]) -> Collection[tuple[str, int, str]]:
    """What the names of shards that belong together share: beginning, total and suffix; each group once, in
    the order of the names."""
    groups: dict[tuple[str, int, str], None] = {}
    for name in names:
        outer, slash, last = name.rpartition("/")
        if match := _SHARD.fullmatch(last):
            groups[outer + slash + match[1], int(match[3]), match[4]] = None
    return groups
