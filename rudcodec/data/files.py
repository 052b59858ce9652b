"""The interface that folders and archives share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from rudcodec.data.decode import PictureError


class Files(Protocol):
    """A tree of files, on disk or in an archive."""

    where: str

    def names(self) -> Sequence[str]:
        """All files, and folders with a slash at the end; parts are separated by slashes. A link that leads
        to nothing, and is called like a folder, is an empty one."""

    def locate(self, name: str) -> str:
        """How messages call the file."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[int, bytes | PictureError]]:
        """The index in ``names`` and the contents of each, or why it has none, in the order that is cheapest
        to read."""

    def head(self, name: str, most: int) -> bytes | PictureError:
        """The first ``most`` bytes of a file, however large it is, or why it has none."""

    def stamps(self, names: Sequence[str]) -> Iterator[bytes]:
        """What is other bytes if the contents of these files are others, without reading them."""
