"""Class names of sets that were written by :mod:`rudcodec.export`."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rudcodec.data.bounds import MAX_LIST
from rudcodec.data.contents import Contents
from rudcodec.data.damage import json_object
from rudcodec.data.images import as_class_name, check_classes
from rudcodec.errors import DataError

_SPACE = re.compile(r"[ \t\n\r]*")


def saved_classes(contents: Contents, name: str) -> dict[str, str] | None:
    """Class names by folder, in the order of class numbers; None if rudcodec didn't write the file of that
    name.

    Raises:
        DataError: it can't be read.
    """
    values = _first_values(contents, name, {"classes", "folders"})
    folders, classes = (_texts(values, key) for key in ("folders", "classes"))
    if folders is None or classes is None or len(folders) != len(classes):
        return None
    classes = [as_class_name(label) for label in classes]
    if len(set(folders)) < len(folders) or len(set(classes)) < len(classes):
        raise DataError(f"{contents.files.locate(name)} names a folder or a class twice")
    return dict(zip(folders, classes, strict=True))


def folders_without_images(contents: Contents, name: str) -> frozenset[str]:
    """The folders in which no image was saved, as the labels in a file say that rudcodec wrote; none if these
    can't be read."""
    values = _first_values(contents, name, {"folders", "labels"})
    folders, labels = _texts(values, "folders"), values.get("labels")
    if folders is None or not isinstance(labels, dict):
        return frozenset()
    return frozenset(folders) - {path.rpartition("/")[0] for path in labels}


def about_classes(about: str | bytes, labels: NDArray[Any]) -> list[str] | None:
    """The class names in the text that rudcodec writes into a file beside images and labels.

    Returns:
        the names of labels 0, 1, ...; None if it is another text, or the labels aren't numbers of these.
    """
    values = json_object(about) if len(about) <= MAX_LIST else None
    classes = _texts(values or {}, "classes")
    if classes is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or not labels.size:
        return None
    try:
        check_classes(tuple(map(as_class_name, classes)), "")
    except DataError:
        return None
    return classes if 0 <= np.min(labels) and np.max(labels) < len(classes) else None


def _first_values(contents: Contents, name: str, needed: set[str]) -> dict[str, Any]:
    """The first values of the JSON object in a file, up to those that are needed: what follows may be
    large."""
    text = contents.head(name).decode("utf-8", "replace")
    decoder, values = json.JSONDecoder(), dict[str, Any]()
    position, mark = 0, "{"
    try:
        while text[(position := _space(text, position))] == mark and not needed <= set(values):
            key, position = decoder.raw_decode(text, _space(text, position + 1))
            position = _space(text, position)
            if text[position] != ":" or not isinstance(key, str):
                break
            values[key], position = decoder.raw_decode(text, _space(text, position + 1))
            mark = ","
    except (ValueError, IndexError, RecursionError):
        pass
    return values


def _space(text: str, position: int) -> int:
    """The end of the white space that begins at ``position``."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _texts(values: dict[str, Any], key: str) -> list[str] | None:
    texts = values.get(key)
    if isinstance(texts, list) and texts and all(isinstance(value, str) for value in texts):
        return texts
    return None
