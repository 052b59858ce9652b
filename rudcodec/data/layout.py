"""Which folders are splits, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rudcodec.data.splits import ALIASES, Part
from rudcodec.data.tree import Folder
from rudcodec.errors import DataError
from rudcodec.text import shown

_FILLERS = frozenset(
    {
        "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "pic",
        "pics", "split",
    }
)  # fmt: skip
"""What may stand beside train, val or test in a split's name and says nothing."""
_UNLABELLED = frozenset({"pred", "predict", "prediction", "predictions", "unlabelled", "unlabeled"})
"""What folders of pictures without classes are called."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_a-zA-Z]+")
_NUMBERED = re.compile(r"(fold|split|part|subset|batch|set)[ _-]?\d+", re.IGNORECASE)
_JOINED = re.compile(rf"({'|'.join(sorted(ALIASES, key=len, reverse=True))})({'|'.join(_FILLERS)})")


class _Look(NamedTuple):
    """A folder that is named like a split: ``part`` None if like pictures without classes; ``rest``: words of
    the name that say something else, such as the set's name."""

    part: Part | None
    rest: str


def split_folders(root: Folder, where: str) -> dict[Part, Folder]:
    """The folders in ``root`` that are splits; none where all of them are something else, such as classes.

    Splits are named train, val, test or the like (train_images, TestSet, val2017), or differ in such a word
    (seg_train and seg_test), and at least one has folders with pictures in it.

    Raises:
        DataError: some look like splits, but it can't be told which is what.
    """
    looks = {name: look for name in root.filled() if (look := _look(name))}
    plain = {name: look for name, look in looks.items() if not look.rest and look.part}
    if any(root.folders[name].holds_folders() for name in plain):
        return _assigned(root, plain, where)
    for rest in sorted({look.rest for look in looks.values()} - {""}):
        alike = {name: look for name, look in looks.items() if look.rest == rest}
        if len({look.part for look in alike.values()}) < 2:
            continue
        if any(root.folders[name].holds_folders() for name in alike):
            return _assigned(root, alike, where)
        raise _unclear(root, alike, where)
    filled = root.filled()
    parts = {look.part for look in looks.values()} - {None}
    all_look = len(parts) > 1 and set(looks) == set(filled) != set(plain)
    if all_look and (plain or any(folder.holds_folders() for folder in filled.values())):
        raise _unclear(root, filled, where)
    if len(filled) > 1 and all(_NUMBERED.fullmatch(n) and f.holds_folders() for n, f in filled.items()):
        raise _unclear(root, filled, where)
    return {}


def splits_within(folder: Folder) -> list[str]:
    """Folders of pictures in a class folder that are named like different splits: <class>/train/x.png."""
    looks = {name: look for name in folder.filled() if (look := _look(name)) and look.part and not look.rest}
    return sorted(looks) if len({look.part for look in looks.values()}) > 1 else []


def is_split_name(name: str) -> bool:
    """Whether a folder of that name is a split rather than a class."""
    look = _look(name)
    return look is not None and look.part is not None and not look.rest


def _assigned(root: Folder, looks: Mapping[str, _Look], where: str) -> dict[Part, Folder]:
    found: dict[Part, Folder] = {}
    for name, look in looks.items():
        if look.part is None:
            continue
        folder = root.folders[name]
        if look.part in found:
            first = found[look.part]
            raise DataError(
                f"{where}: {shown(first.path)}/ and {shown(folder.path)}/ are both the {look.part} split; "
                "keep one of them, or name the folder that is meant"
            )
        found[look.part] = folder
    for name, other in root.filled().items():
        if other not in found.values() and not _is_unlabelled(name):
            split = next(iter(found.values())).path
            raise DataError(
                f"{where}: {shown(split)}/ is a split, but {shown(other.path)}/, which has images, is none; "
                "call splits train, val and test, and keep other pictures elsewhere"
            )
    return found


def _unclear(root: Folder, names: Iterable[str], where: str) -> DataError:
    some = " and ".join(f"{shown(root.folders[name].path)}/" for name in sorted(names)[:2])
    return DataError(
        f"{where}: {some} look like splits, but not like train, val and test with a folder for each class; "
        "name the folder that holds the class folders, or rename them"
    )


def _is_unlabelled(name: str) -> bool:
    look = _look(name)
    return look is not None and look.part is None


def _look(name: str) -> _Look | None:
    words = [word.lower() for word in _WORD.findall(name)]
    words = [part for word in words for part in _JOINED.sub(r"\1 \2", word).split()]
    parts = [word for word in words if word in ALIASES or word in _UNLABELLED]
    if len(parts) != 1:
        return None
    rest = " ".join(word for word in words if word != parts[0] and word not in _FILLERS)
    return _Look(ALIASES.get(parts[0]), rest)
