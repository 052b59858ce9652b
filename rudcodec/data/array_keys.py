"""Names of arrays, in one file or as files of a folder: which are images, which are their labels."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from rudcodec.data.report import Passed
from rudcodec.data.splits import ALIASES, SourceSplit
from rudcodec.errors import DataError
from rudcodec.text import shown

IMAGES = ("images", "x", "data")
"""Names that an array of images may have; the first that is there counts."""
LABELS = ("labels", "y", "targets")
_CLASSES = ("classes", "class_names", "label_names")
_PARTNERS: Mapping[str, Sequence[str]] = {
    "images": ("labels", "targets"), "image": ("label", "labels"), "imgs": ("labels", "targets"),
    "data": ("labels", "targets", "label"), "x": ("y",), "X": ("y", "Y"),
}  # fmt: skip
_WORD = re.compile(r"(?<![A-Za-z])(images|image|imgs|data|x|X)(?![A-Za-z])")


def pairs_by_split(keys: Mapping[str, str], where: str) -> dict[SourceSplit, tuple[str, str]]:
    """Images and labels of each split: ``images`` and ``labels``, ``x_train`` and ``y_train``,
    ``train_images`` and ``train_labels``.

    Args:
        keys: of all arrays, by the same in lower case.
        where: what messages begin with.

    Raises:
        DataError: a split may be either of two pairs.
    """
    pairs: dict[SourceSplit, tuple[str, str]] = {}
    for split in sorted(set(ALIASES.values())):
        marks = [mark for mark, meant in ALIASES.items() if meant == split] + [""] * (split == "train")
        found = [(_find(keys, IMAGES, mark), _find(keys, LABELS, mark)) for mark in marks]
        whole = [(images, labels) for images, labels in found if images and labels]
        if len(whole) > 1:
            (first, _), (second, _) = whole[:2]
            raise DataError(
                f"{where}: {shown(first)} and {shown(second)}, with labels each, may both be the {split} "
                "split; leave one out"
            )
        if whole:
            pairs[split] = whole[0]
    return pairs


def keys_by_lowercase(names: Iterable[str], where: str) -> dict[str, str]:
    """Names of arrays by the same in lower case. Raises DataError if one is there twice, or in two cases."""
    keys: dict[str, str] = {}
    for name in names:
        other = keys.get(name.lower())
        if other == name:
            raise DataError(f"{where}: {shown(name)} is there twice; leave one out")
        if other is not None:
            raise DataError(f"{where}: {shown(other)} and {shown(name)} differ in case only; leave one out")
        keys[name.lower()] = name
    return keys


def other_arrays(names: Iterable[str], used: Container[str | None]) -> Passed:
    """The arrays that a source passes over."""
    passed = Passed()
    for name in names:
        if name not in used and name != "about":  # what rudcodec wrote of the set
            passed.add("without use", name)
    return passed


def key_of_classes(keys: Mapping[str, str]) -> str | None:
    """The array of class names, if there is one."""
    return _find(keys, _CLASSES, "")


def labels_beside(images: Path, stem: str, words: str) -> tuple[Path | None, str]:
    """The file of the labels that go with one of images, or None and what the user is told of it.

    Args:
        stem: the name of the images' file without what has no counterpart in that of the labels.
        words: for images, that a name may have.
    """
    partners = [images.with_name(partner + images.suffix) for partner in _label_partners(stem)]
    found = next((partner for partner in partners if partner.is_file()), None)
    hint = f"no {shown(partners[0].name)} beside it" if partners else f"its name has no word {words}"
    return found, hint


def _label_partners(stem: str) -> list[str]:
    """What the file of labels may be called beside one of images, without ending: ``labels_best`` beside
    ``images_best``. None for a name without a word for images."""
    match = _WORD.search(stem)
    if match is None:
        return []
    return [stem[: match.start()] + partner + stem[match.end() :] for partner in _PARTNERS[match[1]]]


def _find(keys: Mapping[str, str], kinds: Sequence[str], mark: str) -> str | None:
    """The first array of one of some kinds, with the mark of a split or none."""
    candidates = [
        key for kind in kinds for key in ((f"{kind}_{mark}", f"{mark}_{kind}") if mark else (kind,))
    ]
    return next((keys[key] for key in candidates if key in keys), None)
