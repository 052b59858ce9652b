"""What decoding would write, known from a file's head: so that a few bytes don't fill a disk unasked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rudcodec.errors import BudgetError
from rudcodec.text import counted

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
