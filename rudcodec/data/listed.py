"""Sets whose labels stand in a table beside the pictures: a flat folder with labels.csv, or an
``imagefolder`` of Hugging Face with metadata.csv or metadata.jsonl."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from posixpath import normpath

from rudcodec.data.bounds import MAX_TABLE
from rudcodec.data.contents import Contents
from rudcodec.data.disk import DiskFiles
from rudcodec.data.file_items import FileItems, Place
from rudcodec.data.folders import FolderSource
from rudcodec.data.image_source import ImageSource
from rudcodec.data.items import ItemSource
from rudcodec.data.label_values import are_numbers, as_label, label_values
from rudcodec.data.layout import FolderSplits, split_of_name
from rudcodec.data.reading import Reading
from rudcodec.data.splits import ALIASES, SourceSplit
from rudcodec.data.tables import ENDINGS, ColumnError, Row, Table, parse_table
from rudcodec.errors import DataError
from rudcodec.text import shown

_WORDS = frozenset({"labels", "label", "metadata", "annotations"})
"""Words of a table's name; beside them it may have one that says the split."""


def open_listed(contents: Contents) -> ImageSource | None:
    """The set that the tables in a folder or archive list, None if there are none (or class folders, beside
    tables of something else). Tables are called labels, metadata or annotations (.csv, .tsv, .jsonl), with
    or without the name of a split, or by that alone.

    Raises:
        DataError: a table can't be used.
    """
    names = [name for name in contents.ending(*ENDINGS) if _is_table(name)]
    if not names or not contents.pictures:
        return None
    pictures = _Pictures(contents.pictures, names)
    tables: dict[str, Table] = {}
    problem: ColumnError | None = None
    for name in names:
        try:
            tables[name] = _parse(contents, name, pictures)
        except ColumnError as error:
            problem = problem or error
    if not any(_lists_some(table, name, pictures) for name, table in tables.items()):
        if _has_class_folders(contents):
            return None  # it is a table of something else
        if problem and not tables:
            raise problem
    return _source(contents, tables, pictures)


def open_table_file(path: Path, reading: Reading) -> ImageSource | None:
    """The set that this table lists; None of a file of another ending. Its pictures lie in the table's
    folder.

    Raises:
        DataError: it can't be used.
    """
    if path.suffix.lower() not in ENDINGS:
        return None
    folder = path.absolute().parent
    contents = Contents(DiskFiles(path.parent), folder.name or str(folder), path.parent, reading)
    pictures = _Pictures(contents.pictures, [path.name])
    return _source(contents, {path.name: _parse(contents, path.name, pictures)}, pictures)


class _Pictures:
    """Finds pictures by what a table calls them, and splits by the folders of either."""

    def __init__(self, names: Iterable[str], tables: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._splits = FolderSplits({_folder(name) for name in (*self._names, *tables)})
        self._by_end: dict[str, str | None] = {}  # None: several
        for name in self._names:
            last = name.rpartition("/")[2]
            for end in (last, last.rpartition(".")[0]):
                self._by_end[end] = None if end in self._by_end else name

    def find(self, text: str, folder: str, split: SourceSplit | None) -> str | None:
        """The picture of that path from ``folder``, the table's, or from the root; or else the only one of
        that file name, with or without ending, if its folders agree with those that ``text`` names, and with
        the ``split`` that the table says."""
        path = normpath(text.strip().replace("\\", "/").lstrip("/"))
        for name in (normpath(folder + path), path):
            if name in self._names:
                return name
        found = self._by_end.get(path.rpartition("/")[2])
        if found is None or not _may_lie_in(_folder(path), _folder(found)):
            return None
        return found if len({split, self.split_of(found)} - {None}) < 2 else None

    def split_of(self, name: str) -> SourceSplit | None:
        """The split that the folders of a file say."""
        return self._splits.of(_folder(name))

    def split_of_table(self, name: str) -> SourceSplit | None:
        """The split that a table's own name says, or else its folders."""
        return split_of_name(name.rpartition("/")[2].rpartition(".")[0]) or self.split_of(name)

    def without(self, listed: Iterable[str]) -> list[str]:
        """Those that aren't ``listed``, sorted."""
        return sorted(self._names.difference(listed))


def _is_table(name: str) -> bool:
    words = re.findall(r"[a-z]+", name.rpartition("/")[2].rpartition(".")[0].lower())
    splits = [word for word in words if word in ALIASES]
    return bool(words) and len(splits) <= 1 and all(word in _WORDS or word in ALIASES for word in words)


def _parse(contents: Contents, name: str, pictures: _Pictures) -> Table:
    folder, split = _folder(name), pictures.split_of_table(name)
    return parse_table(
        contents.read(name, MAX_TABLE),
        name,
        contents.files.locate(name),
        contents.reading,
        lambda text: pictures.find(text, folder, split),
    )


def _lists_some(table: Table, name: str, pictures: _Pictures) -> bool:
    folder, split = _folder(name), pictures.split_of_table(name)
    return any(pictures.find(row.file, folder, split) for row in table.rows)


def _has_class_folders(contents: Contents) -> bool:
    try:
        return bool(FolderSource(contents).classes)
    except DataError:
        return False


def _source(contents: Contents, tables: dict[str, Table], pictures: _Pictures) -> ItemSource:
    listing = _Listing(contents)
    for name, table in tables.items():
        listing.add(name, table, pictures)
    listing.check_splits()
    numbers = are_numbers({label for rows in listing.rows.values() for label in rows.values()})

    def items(split: SourceSplit) -> FileItems:
        # by name, as class folders are: the same pictures are held out
        rows = dict(sorted(listing.rows[split].items()))
        result = FileItems(
            [Place(contents.files, picture) for picture in rows],
            label_values([*rows.values()], contents.where, numbers),
        )
        result.problems += listing.problems.get(split, [])
        result.notes.append(f"labels are those in {', '.join(shown(name) for name in tables)}")
        result.notes += [f"{shown(name)}: {note}" for name, table in tables.items() for note in table.notes]
        return result

    source = ItemSource(
        contents.name, contents.where, {split: partial(items, split) for split in listing.rows}
    )
    source.beside = contents.without({*tables, *contents.pictures})
    if unlisted := pictures.without(picture for rows in listing.rows.values() for picture in rows):
        source.beside.add("not in the table", unlisted[0], len(unlisted))
    return source


class _Listing:
    """The pictures and labels of each split, and what is wrong with others."""

    def __init__(self, contents: Contents) -> None:
        self._where = contents.where
        self._lines: dict[str, str] = {}
        self._unsplit = ""
        self.rows: dict[SourceSplit, dict[str, str]] = {}
        self.problems: dict[SourceSplit, list[str]] = {}

    def add(self, name: str, table: Table, pictures: _Pictures) -> None:
        folder, of_table = _folder(name), pictures.split_of_table(name)
        for row in table.rows:
            line = f"{table.where}, line {row.line}"
            stated = _stated_split(row, line) or of_table
            picture = pictures.find(row.file, folder, stated)
            split = stated or pictures.split_of(picture or row.file)
            if split is None:
                self._unsplit = self._unsplit or line
                split = "train"
            try:
                if row.fault:
                    raise ValueError(row.fault)
                if picture is None:
                    raise ValueError(f"there is no picture {shown(row.file)}, or more than one")
                label = as_label(row.label)
            except ValueError as error:
                self.problems.setdefault(split, []).append(f"{line}: {error}")
                continue
            self._add(split, picture, label, line)

    def check_splits(self) -> None:
        """Raise DataError if some rows belong to a split and others to none, or nothing is listed."""
        if not self.rows:
            first = next((problem for problems in self.problems.values() for problem in problems), "")
            raise DataError(first or f"{self._where}: its tables list no pictures")
        if self._unsplit and len(self.rows) > 1:
            raise DataError(
                f"{self._unsplit}: belongs to no split, but others do; give the table a column split, or one "
                "table for each split"
            )

    def _add(self, split: SourceSplit, picture: str, label: str, line: str) -> None:
        listed = self.rows.setdefault(split, {})
        if picture in self._lines and listed.get(picture) != label:
            raise DataError(
                f"{line}: {shown(picture)} has another label or split than in {self._lines[picture]}; each "
                "picture needs one"
            )
        self._lines.setdefault(picture, line)
        listed[picture] = label


def _stated_split(row: Row, line: str) -> SourceSplit | None:
    """The split that the row itself says. Raises DataError if there is none of that name."""
    if row.split is None:
        return None
    if (split := ALIASES.get(row.split.strip().lower())) is None:
        raise DataError(f"{line}: {shown(row.split)!r} is no split; there are train, val and test")
    return split


def _may_lie_in(written: str, outer: str) -> bool:
    """Whether a picture in the folder ``outer`` may be meant by a table that says ``written``, perhaps from
    another root: one path ends with the other."""
    ours, theirs = f"/{outer}", "/" + re.sub(r"^(\.\./)+", "", written)
    return ours.endswith(theirs) or theirs.endswith(ours)


def _folder(name: str) -> str:
    outer, slash, _ = name.rpartition("/")
    return outer + slash
