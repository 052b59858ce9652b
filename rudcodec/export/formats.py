"""What a form to save a set in is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from rudcodec.export.contents import Contents
from rudcodec.optional import require


@dataclass(frozen=True)
class FileFormat:
    """A form that a set is saved in as one file.

    Attributes:
        name: of the form.
        suffix: of its files' names.
        write: writes a set into an open file.
        image_bytes: bytes of an image, at most, besides its pixels and probabilities.
        number_bytes: bytes of a probability, at most.
        packages: the modules that writing needs and a plain installation doesn't bring; extra ``hf``.
    """

    name: str
    suffix: str
    write: Callable[[Contents, BinaryIO], None]
    image_bytes: int
    number_bytes: int
    packages: tuple[str, ...] = ()

    def check_installed(self) -> None:
        """Raise MissingPackageError if a package is missing that writing needs."""
        require(*self.packages)
