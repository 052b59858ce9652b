"""Which folders are splits, as their names say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rudcodec.data.splits import ALIASES, SourceSplit
from rudcodec.data.tree import Folder
from rudcodec.errors import DataError
from rudcodec.text import shown

_FILLERS = frozenset(
    {
        "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "pic",
        "pics", "split",
    }
)  # fmt: skip
"""Words that may stand beside train, val or test in a split's name without a meaning of their own."""
_UNLABELLED = frozenset({"pred", "predict", "prediction", "predictions", "unlabelled", "unlabeled"})
"""Names of folders of pictures without classes."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_a-zA-Z]+")
_NUMBERED = re.compile(r"(fold|split|part|subset|batch|set)[ _-]?\d+", re.IGNORECASE)
_JOINED = re.compile(rf"({'|'.join(sorted(ALIASES, key=len, reverse=True))})({'|'.join(_FILLERS)})")


class _SplitName(NamedTuple):
    """The parsed name of a folder that is named like a split.

    Attributes:
        split: the split; None for pictures without classes.
        rest: the words of the name that say something else, such as the set's name.
    """

    split: SourceSplit | None
    rest: str


def split_folders(root: Folder, where: str) -> dict[SourceSplit, Folder]:
    """The folders in ``root`` that are splits; none where all of them are something else, such as classes.

    Splits are named train, val, test or the like (train_images, TestSet, val2017), or differ in such a word
    (seg_train and seg_test), and at least one has folders with pictures in it.

    Raises:
        DataError: some look like splits, but their names don't say which is which.
    """
    candidates = {name: parsed for name in root.filled() if (parsed := _parse_name(name))}
    plain_names = {name: parsed for name, parsed in candidates.items() if not parsed.rest and parsed.split}
    if any(root.folders[name].holds_folders() for name in plain_names):
        return _folders_by_split(root, plain_names, where)
    for rest in sorted({parsed.rest for parsed in candidates.values()} - {""}):
        same_rest = {name: parsed for name, parsed in candidates.items() if parsed.rest == rest}
        if len({parsed.split for parsed in same_rest.values()}) < 2:
            continue
        if any(root.folders[name].holds_folders() for name in same_rest):
            return _folders_by_split(root, same_rest, where)
        raise _ambiguity_error(root, same_rest, where)
    filled = root.filled()
    named_splits = {parsed.split for parsed in candidates.values()} - {None}
    all_are_splits = len(named_splits) > 1 and set(candidates) == set(filled) != set(plain_names)
    if all_are_splits and (plain_names or any(folder.holds_folders() for folder in filled.values())):
        raise _ambiguity_error(root, filled, where)
    if len(filled) > 1 and all(_NUMBERED.fullmatch(n) and f.holds_folders() for n, f in filled.items()):
        raise _ambiguity_error(root, filled, where)
    return {}


def splits_within(folder: Folder) -> list[str]:
    """Folders of pictures in a class folder that are named like different splits: <class>/train/x.png."""
    candidates = {
        name: parsed
        for name in folder.filled()
        if (parsed := _parse_name(name)) and parsed.split and not parsed.rest
    }
    return sorted(candidates) if len({parsed.split for parsed in candidates.values()}) > 1 else []


def is_split_name(name: str) -> bool:
    """Whether a folder of that name is a split rather than a class."""
    parsed = _parse_name(name)
    return parsed is not None and parsed.split is not None and not parsed.rest


def split_of_name(name: str) -> SourceSplit | None:
    """The split that a name has as one of its words, whatever else it says: ``imagenet-train-0003``."""
    parsed = _parse_name(name)
    return parsed.split if parsed else None


class FolderSplits:
    """The splits that folders are called by; all folders of a set together say which names are splits'."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._splits = _split_names({part for folder in folders for part in folder.split("/")})

    def of(self, folder: str) -> SourceSplit | None:
        """The split that the folder is called by, or the innermost one that it lies in."""
        parts = reversed(folder.split("/"))
        return next((split for part in parts if (split := self._splits.get(part))), None)


def _split_names(names: Iterable[str]) -> dict[str, SourceSplit]:
    """Those of some folders' names that are splits': train_images or TestSet; seg_train and seg_test, which
    differ in such a word; but not a single ``train_station``."""
    parsed = {name: found for name in names if (found := _parse_name(name)) and found.split}
    splits: dict[str, set[SourceSplit | None]] = {}
    for found in parsed.values():
        splits.setdefault(found.rest, set()).add(found.split)
    return {
        name: found.split
        for name, found in parsed.items()
        if found.split and (not found.rest or len(splits[found.rest]) > 1)
    }


def split_of_path(path: str) -> SourceSplit | None:
    """The split that the file's name has as a word, or else the innermost folder that has one."""
    return next((split for part in reversed(path.split("/")) if (split := split_of_name(part))), None)


def _folders_by_split(
    root: Folder, candidates: Mapping[str, _SplitName], where: str
) -> dict[SourceSplit, Folder]:
    folders: dict[SourceSplit, Folder] = {}
    for name, parsed in candidates.items():
        if parsed.split is None:
            continue
        folder = root.folders[name]
        if parsed.split in folders:
            first = folders[parsed.split]
            raise DataError(
                f"{where}: {shown(first.path)}/ and {shown(folder.path)}/ are both the {parsed.split} split"
                "; keep one of them, or name the folder that is meant"
            )
        folders[parsed.split] = folder
    for name, other in root.filled().items():
        if other not in folders.values() and not _is_unlabelled(name):
            example = next(iter(folders.values())).path
            raise DataError(
                f"{where}: {shown(example)}/ is a split, but {shown(other.path)}/, which has images, is none"
                "; call splits train, val and test, and keep other pictures elsewhere"
            )
    return folders


def _ambiguity_error(root: Folder, names: Iterable[str], where: str) -> DataError:
    examples = " and ".join(f"{shown(root.folders[name].path)}/" for name in sorted(names)[:2])
    return DataError(
        f"{where}: {examples} look like splits, but not like train, val and test with a folder for each class"
        "; name the folder that holds the class folders, or rename them"
    )


def _is_unlabelled(name: str) -> bool:
    parsed = _parse_name(name)
    return parsed is not None and parsed.split is None


def _parse_name(name: str) -> _SplitName | None:
    words = [word.lower() for word in _WORD.findall(name)]
    words = [piece for word in words for piece in _JOINED.sub(r"\1 \2", word).split()]
    split_words = [word for word in words if word in ALIASES or word in _UNLABELLED]
    if len(split_words) != 1:
        return None
    rest = " ".join(word for word in words if word != split_words[0] and word not in _FILLERS)
    return _SplitName(ALIASES.get(split_words[0]), rest)
