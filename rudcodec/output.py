"""What decoding would write, known from a file's head: so that a few bytes don't fill a disk unasked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rudcodec.errors import BudgetError, DataError

if TYPE_CHECKING:
    from rudcodec.bitstream import Outline

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
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        return f"{files}, up to {max(self.size / 1e6, 0.1):,.1f} MB"

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
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DataError(f"{target}: exists already and is not an empty folder")


def of_folder(outline: Outline) -> Output:
    """Class folders of PNG files, and labels.json."""
    images, (height, width, channels) = outline.num_images, outline.image_shape
    image = height * (width * channels + 1)
    image = _blocks(image + image // 1000 + _PNG)
    names = [len(name.encode()) for name in outline.classes]
    line = _ENTRY + 2 * max(names) + _PROBABILITY * len(names) * (outline.soft is not None)
    table = _BLOCK + 6 * (sum(names) + _ENTRY * len(names))
    return Output(images + 1, images * image + _blocks(images * line + table))


def of_views(outline: Outline, count: int) -> Output:
    """An .npz file of views."""
    (height, width, channels), classes = outline.image_shape, outline.classes
    view = height * width * channels + 4 * len(classes) + 8
    return Output(1, _blocks(count * view + 1024 + 4 * len(classes) * max(map(len, classes))))


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
