"""Class names of folders that were written by :mod:`rudcodec.export`."""

from __future__ import annotations

import json
from typing import Any

from rudcodec.data.bounds import MAX_LIST
from rudcodec.data.decode import Refused
from rudcodec.data.files import Files
from rudcodec.data.images import as_class_name
from rudcodec.errors import DataError


def saved_classes(files: Files, name: str) -> dict[str, str] | None:
    """Class names by folder, in the order of class numbers; None if the labels.json of that name is somebody
    else's.

    Raises:
        DataError: it can't be read.
    """
    ((_, data),) = files.read([name])
    where = files.locate(name)
    if isinstance(data, Refused):
        raise DataError(f"{where} {data}")
    if len(data) > MAX_LIST:
        raise DataError(
            f"{where} has more than {MAX_LIST >> 20} MiB; without it, folders are classes by their own names"
        )
    try:
        text = json.loads(data)
    except (ValueError, RecursionError):
        return None
    folders, classes = (_texts(text, key) for key in ("folders", "classes"))
    if folders is None or classes is None or len(folders) != len(classes):
        return None
    classes = [as_class_name(label) for label in classes]
    if len(set(folders)) < len(folders) or len(set(classes)) < len(classes):
        raise DataError(f"{where} names a folder or a class twice")
    return dict(zip(folders, classes, strict=True))


def _texts(found: Any, key: str) -> list[str] | None:
    values = found.get(key) if isinstance(found, dict) else None
    if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
        return values
    return None
