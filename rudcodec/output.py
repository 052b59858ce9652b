"""What decoding would write, known from a file's head: so that a few bytes don't fill a disk unasked."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rudcodec.errors import BudgetError, DataError
from rudcodec.files import is_temporary
from rudcodec.names import LABELS_FILE, on_disk
from rudcodec.text import counted, shown

if TYPE_CHECKING:
    from rudcodec.bitstream import Outline
    from rudcodec.export import FileFormat
    from rudcodec.payload import ImageShape

MOST_FILES = 200_000
MOST_BYTES = 8_000_000_000
_BLOCK = 4096  # what a small file takes on a disk
_PNG = 100  # bytes of a PNG file besides its pixels, at most 1/1000 more for those
_ENTRY = 64  # bytes of a line in labels.json besides names
_PROBABILITY = 13  # bytes of one in labels.json


@dataclass(frozen=True)
class Output:
    """Some ``files``, which take up to ``size`` bytes on a disk."""

    files: int
    size: int

    def __str__(self) -> str:
        return f"{counted(self.files, 'file')}, up to {max(self.size / 1e6, 0.1):,.1f} MB"

    def check(self) -> None:
        """Raise BudgetError if this is more than a user expects."""
        if self.files > MOST_FILES or self.size > MOST_BYTES:
            raise BudgetError(
                f"asks for {self}; beyond {MOST_FILES:,} files or {MOST_BYTES / 1e6:,.0f} MB "
                "this needs --force (in Python force=True)"
            )


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise DataError if a folder exists and isn't empty, or something else is in its place."""
    target = Path(folder)
    if not is_free(target):
        raise DataError(
            f"{target}: exists already and is not an empty folder; the command decompress --force replaces "
            "one that it wrote"
        )


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Raise DataError if something is there that isn't a folder as :func:`rudcodec.export.folders.save`
    writes it: with its labels.json, and the files that this lists, and no other."""
    target = Path(folder)
    if is_free(target):
        return
    if target.is_symlink():
        raise DataError(
            f"{target}: is a link, which --force doesn't replace; name {target.resolve()} instead"
        )
    foreign = _foreign_file(target)
    if foreign is not None:
        raise DataError(
            f"{target}: holds {foreign}, which decompress hasn't written; not even --force removes it"
        )


def is_free(target: Path) -> bool:
    """Whether nothing is there, or a folder that is empty or holds what killed processes have left in it."""
    return not target.exists() or (
        target.is_dir() and all(is_temporary(path, target) for path in target.iterdir())
    )


def _foreign_file(folder: Path) -> str | None:
    """A file of a folder that no decoded set has written there; None if there is none."""
    if not folder.is_dir():
        return folder.name
    ours = _written_files(folder)
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or name in ours):
            return shown(name)
    return None


def _written_files(folder: Path) -> set[str]:
    """The files that a labels.json like ours says were written, itself among them; none if it isn't like
    ours."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        said = json.loads((folder / LABELS_FILE).read_bytes())
        names = dict(zip(said["folders"], said["classes"], strict=True))
        patterns = [re.compile(rf"{re.escape(name)}/\d{{5,}}\.png") for name in said["folders"]]
        are_ours = all(patterns[label].fullmatch(file) for file, label in said["labels"].items())
        if said["class_of"] == names and are_ours:
            return {LABELS_FILE, *map(on_disk, said["labels"])}
    return set()


def of_saving(outline: Outline, chosen: FileFormat | None, views: int | None = None) -> Output:
    """What saving a file's images, or a number of views of them, takes in a format; None is class folders."""
    images = outline.num_images if views is None else views
    classes, image = outline.classes, _png_bytes(outline.image_shape)
    numbers = len(classes) * (outline.soft is not None or views is not None)
    names = [len(name.encode()) for name in classes]
    table = _BLOCK + 6 * (sum(names) + _ENTRY * len(names))
    if chosen is None:
        line = _ENTRY + 2 * max(names) + _PROBABILITY * numbers
        folders = len(classes) * _BLOCK
        return Output(images + 1, images * _blocks(image) + folders + _blocks(images * line + table))
    image += chosen.image_bytes + chosen.number_bytes * numbers
    longest = 4 * max(map(len, classes)) * len(names)  # as numpy stores texts
    return Output(1, _blocks(images * image + table + longest))


def _png_bytes(shape: ImageShape) -> int:
    """Bytes of an image as PNG, at most, and so of its pixels."""
    image = shape.height * (shape.width * shape.channels + 1)
    return image + image // 1000 + _PNG


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
