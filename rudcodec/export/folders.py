"""A set as class folders of PNG files, which any framework reads."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from rudcodec.errors import DataError
from rudcodec.export.contents import Contents, rounded
from rudcodec.export.png import png
from rudcodec.export.targets import check_folder, check_replaceable, is_free
from rudcodec.files import is_temporary, real_place, temporary_folder
from rudcodec.names import LABELS_FILE, folder_names, on_disk


def save(contents: Contents, folder: str | os.PathLike[str], replace: bool = False) -> None:
    """Write ``folder/<class>/NNNNN.png`` and ``folder/labels.json``.

    The class folders sort into the order of the class numbers. In labels.json, ``classes`` and ``folders``
    are the names of classes and of their folders by number, ``class_of`` and ``folder_of`` lead from one
    name to the other, and ``labels`` has the class number of each file; ``probs``, if there are some, its
    probabilities.

    The folder appears only when complete, with ``replace`` in place of one that this has written, which stays
    until then; an empty one that is there is filled, labels.json last. The working directory and a mount stay
    what they are, and get another content. What killed processes have left beside it is removed. Raises
    DataError if it exists and is neither such a folder nor empty, or can't be written.
    """
    given = Path(folder)
    check = check_replaceable if replace else check_folder
    check(given)
    target = real_place(given)
    try:
        stays = target.exists() and (is_free(target) or _is_in_use(target))
        where = target if stays else target.parent
        where.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target, where) as temporary:
            _write(contents, temporary)
            check(target)  # again: writing may have taken long
            if stays:
                _exchange(temporary, target)
            else:
                _put(temporary, target)
    except OSError as error:
        raise DataError(f"{given}: can't be written ({error.strerror})") from None


def _move_out(folder: Path, target: Path) -> None:
    """Move what is in a folder into another one; an error moves it back. Raises OSError."""
    # labels.json last: it says that all is there
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: name == LABELS_FILE)
    try:
        for name in names:
            (folder / name).rename(target / name)
    except BaseException:
        for name in names:
            if not (folder / name).exists():
                (target / name).rename(folder / name)
        raise


def _is_in_use(folder: Path) -> bool:
    """Whether a folder is a mount, or the working directory: it had better not be another one suddenly."""
    with suppress(OSError):  # no working directory
        return os.path.ismount(folder) or folder.samefile(os.curdir)
    return False


def _exchange(folder: Path, target: Path) -> None:
    """Put what is in a folder within ``target`` in the place of what ``target`` holds, if anything, which is
    removed then; an error puts this back. Raises OSError."""
    replaced = [path for path in target.iterdir() if not is_temporary(path, target)]
    with temporary_folder(target, target) as aside:
        try:
            for path in replaced:
                path.rename(aside / path.name)
            _move_out(folder, target)
        except BaseException:
            for path in aside.iterdir():
                path.rename(target / path.name)
            raise


def _put(folder: Path, target: Path) -> None:
    """Rename a folder, and then remove what was in its place; an error puts this back. Raises OSError."""
    if not target.exists():
        folder.rename(target)
        return
    with temporary_folder(target, target.parent) as aside:
        replaced = aside / target.name
        try:
            target.rename(replaced)
            folder.rename(target)
        except BaseException:
            if replaced.exists() and not target.exists():
                replaced.rename(target)
            raise


def _write(contents: Contents, folder: Path) -> None:
    classes, names = contents.classes, folder_names(contents.classes)
    for name in names:
        (folder / on_disk(name)).mkdir()
    files: dict[str, int] = {}
    probs: dict[str, list[float]] = {}
    counts = [0] * len(names)
    for batch in contents.batches:
        paths = []
        for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
            paths.append(f"{names[label]}/{counts[label]:05d}.png")
            counts[label] += 1
            (folder / on_disk(paths[-1])).write_bytes(png(image))
            files[paths[-1]] = label
        if batch.probs is not None:
            probs |= dict(zip(paths, map(rounded, batch.probs), strict=True))
    text: dict[str, Any] = {
        "classes": list(classes),
        "folders": names,
        "class_of": dict(zip(names, classes, strict=True)),
        "folder_of": dict(zip(classes, names, strict=True)),
        **contents.facts,
        "labels": files,
    }
    if probs:
        text["probs"] = probs
    (folder / LABELS_FILE).write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
