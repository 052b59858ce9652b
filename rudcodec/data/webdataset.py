"""WebDataset: tar archives of samples, ``key.jpg`` beside ``key.cls`` or ``key.json``; one, or several
shards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rudcodec.data.archives import open_archive
from rudcodec.data.bounds import MAX_LIST
from rudcodec.data.contents import Contents
from rudcodec.data.damage import as_text
from rudcodec.data.decode import EXTENSIONS, PictureError
from rudcodec.data.file_items import FileItems, Place
from rudcodec.data.items import ItemSource
from rudcodec.data.kinds import NO_ENDING
from rudcodec.data.label_values import as_label, find_label, label_values, lacks_column
from rudcodec.data.layout import FolderSplits, split_of_path
from rudcodec.data.reading import Reading
from rudcodec.data.report import Passed
from rudcodec.data.saved import about_classes
from rudcodec.data.splits import SourceSplit
from rudcodec.errors import DataError
from rudcodec.export.webdataset import ABOUT
from rudcodec.text import shown

SHARD_ENDINGS = (".tar", ".tgz", ".tar.gz")
MAX_SHARDS = 1 << 16

_NAME_FILES = ("classnames.txt", "classes.txt")
"""Files beside shards with the name of a class in each line."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


@dataclass
class _Samples:
    """The items of archives: their pictures and labels, and what rudcodec wrote of its own archives."""

    pictures: list[Place] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    abouts: list[tuple[str, bytes]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    passed: Passed = field(default_factory=Passed)


def open_samples(contents: Contents) -> ItemSource | None:
    """The set in one archive, or in a folder of what was unpacked from one; None if there is no .cls, nor a
    .json for each picture of a single folder. Raises DataError."""
    if not contents.pictures or not (contents.ending(".cls") or _all_have_json(contents)):
        return None
    folders = _split_folders(contents)
    readers = {
        split: partial(_items, contents.where, lambda: [contents], some) for split, some in folders.items()
    }
    return ItemSource(contents.name, contents.where, readers)


def _split_folders(contents: Contents) -> dict[SourceSplit, frozenset[str]]:
    """The folders of pictures by split; all are train where none is called by a split. Raises DataError if
    some are and others aren't."""
    folders = {name.rpartition("/")[0] for name in contents.pictures}
    splits = FolderSplits(folders)
    by_split: dict[SourceSplit | None, set[str]] = {}
    for folder in sorted(folders):
        by_split.setdefault(splits.of(folder), set()).add(folder)
    others = by_split.pop(None, set())
    if others and by_split:
        raise DataError(
            f"{contents.where}: {shown(min(others)) or 'its root'} is no split, but "
            f"{shown(min(min(some) for some in by_split.values()))} is; call all folders train, val or test"
        )
    return {split: frozenset(some) for split, some in by_split.items() if split} or {
        "train": frozenset(others)
    }


def open_shards_folder(contents: Contents) -> ItemSource | None:
    """The set in a folder of shards; the names of the archives, or of folders below, say the split. None if
    there are none, or pictures beside them.

    Raises:
        DataError: these are no shards of a WebDataset.
    """
    if (root := contents.bare_folder) is None:
        return None
    names = [name for name in contents.visible if name.lower().endswith(SHARD_ENDINGS)]
    if not names:
        return None
    name_files = [name for name in contents.visible if name.rpartition("/")[2].lower() in _NAME_FILES]
    classes = contents.lines(name_files[0]) if name_files else None
    paths = [contents.path(name) for name in names]
    source = _shards(contents.name, contents.where, paths, root, classes, contents.reading)
    source.beside = contents.without({*names, *name_files[:1]})
    return source


def open_pattern(pattern: str, reading: Reading) -> ItemSource | None:
    """The set in the shards that a pattern with braces names, such as ``train-{000..012}.tar``; None if
    there is no brace, or a file of that very name.

    Raises:
        DataError: a shard is missing, or they are no shards of a WebDataset.
    """
    if not _BRACES.search(pattern) or Path(pattern).exists():
        return None
    where = shown(pattern)
    paths = [Path(text) for text in _expanded(pattern, where)]
    if missing := [path for path in paths if not path.is_file()]:
        raise DataError(f"{where}: there is no file {shown(str(missing[0]))}")
    name = re.split(r"[-_.]*\{", Path(pattern).name)[0] or Path(pattern).absolute().parent.name
    return _shards(name, where, paths, paths[0].parent, None, reading)


def _shards(
    name: str, where: str, paths: Sequence[Path], root: Path, classes: list[str] | None, reading: Reading
) -> ItemSource:
    if len(paths) > MAX_SHARDS:
        raise DataError(f"{where}: more than {MAX_SHARDS:,} shards; make it several sets")
    by_split: dict[SourceSplit, list[Path]] = {}
    without = None
    for path in paths:
        parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
        split = split_of_path("/".join(part.split(".")[0] for part in parts))
        without = without or (None if split else path)
        by_split.setdefault(split or "train", []).append(path)
    if without and len(by_split) > 1:
        raise DataError(f"{where}: {shown(str(without))} names no split, but other shards do")

    def shards(split: SourceSplit) -> Iterator[Contents]:
        for path in by_split[split]:
            if (archive := open_archive(path)) is None:
                raise DataError(f"{shown(str(path))}: is no tar archive")
            yield Contents(archive, "", None, reading)

    readers = {split: partial(_items, where, partial(shards, split)) for split in by_split}
    return ItemSource(name, where, readers, classes)


def _items(
    where: str, shards: Callable[[], Iterable[Contents]], folders: Container[str] | None = None
) -> FileItems:
    """The items of shards, or of some folders in them."""
    samples = _Samples()
    for shard in shards():
        _add_shard(samples, shard, folders)
    if not samples.pictures:
        first = next(iter(samples.problems), f"{where}: no pictures with a .cls or .json beside them")
        raise DataError(first)
    items = FileItems(samples.pictures, label_values(samples.labels, where))
    items.problems, items.passed = samples.problems, samples.passed
    items.classes = _classes(samples.abouts, items.labels)
    return items


def _classes(abouts: Sequence[tuple[str, bytes]], labels: NDArray[Any]) -> list[str] | None:
    """The class names that archives of rudcodec bring. Raises DataError if they bring several lists."""
    found = [(where, classes) for where, about in abouts if (classes := about_classes(about, labels))]
    for where, classes in found:
        if classes != found[0][1]:
            raise DataError(f"{where} names other classes than {found[0][0]}; make them several sets")
    return found[0][1] if found else None


def _add_shard(samples: _Samples, shard: Contents, folders: Container[str] | None) -> None:
    files = shard.files
    pictures: dict[str, str] = {}
    label_files: dict[str, str] = {}
    abouts: list[str] = []
    for name in shard.visible:
        key, ending = _key(name)
        if f"/{name}".endswith(f"/{ABOUT}"):
            abouts.append(name)
        elif folders is not None and name.rpartition("/")[0] not in folders:
            continue
        elif ending in EXTENSIONS:
            if key in pictures:
                raise DataError(f"{files.locate(name)}: the item has another picture, {shown(pictures[key])}")
            pictures[key] = name
        elif ending == ".cls" or (ending == ".json" and not label_files.get(key, "").endswith(".cls")):
            label_files[key] = name
        else:
            samples.passed.add(shown(ending) or NO_ENDING, name)
    lacking = [name for key, name in pictures.items() if key not in label_files]
    samples.problems += [f"{files.locate(name)}: has no .cls or .json beside it" for name in lacking]
    for key, name in label_files.items():
        if key not in pictures:
            samples.passed.add("without a picture", name)
    keys = [key for key in pictures if key in label_files]
    names = [label_files[key] for key in keys]
    found: dict[int, str] = {}
    for i, data in files.read(names + abouts):
        if i >= len(names):
            if isinstance(data, bytes):
                samples.abouts.append((files.locate(abouts[i - len(names)]), data))
            continue
        try:
            found[i] = _label(data, names[i], files.locate(names[i]), shard.reading)
        except ValueError as error:
            samples.problems.append(f"{files.locate(names[i])} {error}")
    for i, key in enumerate(keys):
        if i in found:
            samples.pictures.append(Place(files, pictures[key]))
            samples.labels.append(found[i])


def _label(data: bytes | PictureError, name: str, where: str, reading: Reading) -> str:
    """Raises ValueError, which says why there is none."""
    if isinstance(data, PictureError):
        raise data
    if len(data) > MAX_LIST:
        raise ValueError(f"is larger than {MAX_LIST >> 20} MiB")
    text = as_text(data)
    if name.lower().endswith(".cls"):
        return as_label(text)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("is no JSON object")
    keys, chosen = [*fields], reading.take("label_column")
    if chosen is not None and chosen not in keys:
        raise ValueError(lacks_column(chosen, keys))
    index = find_label(keys, chosen, where)
    if index is None:
        raise ValueError("has no field label")
    return as_label(fields[keys[index]])


def _key(name: str) -> tuple[str, str]:
    """Key and ending, which begins at the first dot of the file's name."""
    outer, slash, last = name.rpartition("/")
    key, dot, ending = last.partition(".")
    return outer + slash + key, (dot + ending).lower()


def _all_have_json(contents: Contents) -> bool:
    """Whether all pictures lie in one folder, with a .json beside each."""
    keys = {_key(name)[0] for name in contents.ending(".json")}
    if not keys:
        return False
    folders = {name.rpartition("/")[0] for name in contents.pictures}
    return len(folders) == 1 and all(_key(name)[0] in keys for name in contents.pictures)


def _expanded(pattern: str, where: str) -> list[str]:
    """All texts of a pattern, in order: {000..012} and {a,b} may stand in it."""
    pieces = _BRACES.split(pattern)  # every second one was in braces
    choices: list[Iterable[str]] = []
    total = 1
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            choices.append([piece])
            continue
        texts: Iterable[str]
        if match := _RANGE.fullmatch(piece):
            numbers = range(int(match[1]), int(match[2]) + 1)
            count, texts = len(numbers), map(f"{{:0{len(match[1])}}}".format, numbers)
        else:
            texts = piece.split(",")
            count = len(texts)
        total *= count
        if not 0 < total <= MAX_SHARDS:
            raise DataError(f"{where}: stands for {total:,} files; braces are {{000..012}} or {{a,b}}")
        choices.append(texts)
    return ["".join(texts) for texts in product(*choices)]
