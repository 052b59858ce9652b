"""Limits on sources of every kind, checked before memory is taken or a path is walked."""

from __future__ import annotations

from rudcodec.errors import DataError
from rudcodec.memory import total_memory
from rudcodec.text import shown

MAX_DEPTH = 16
"""Folders above a picture."""
MAX_PATH = 4096
"""Characters of a path within a source."""
MAX_ENTRIES = 1 << 21
"""Entries of a source: files, and folders that are listed."""
MAX_FOLDERS = 1 << 18
"""Folders of a source, listed or part of a path."""
MAX_PATHS = 1 << 28
"""Characters of all paths of a source."""
MAX_HEAD = 1 << 20
"""Bytes that describe one entry of an archive."""
MAX_FILE = 1 << 28
"""Bytes of a picture's file; a larger one is no picture of a sensible size."""
MAX_TABLE = 1 << 26
"""Bytes of a table of files and labels."""
MAX_LIST = 1 << 24
"""Bytes of JSON that are parsed."""
MAX_PIXELS = 1 << 26
"""A picture of more pixels is refused before it is decoded."""
MAX_DICTIONARY = 1 << 28
"""Bytes that unpacking an .xz may take."""
MAX_LABEL = 1024
"""Characters of a label or class name in an array."""
MAX_DEFLATE = 1032
"""How many times longer than packed what was deflated can be."""


class Paths:
    """Counts the entries of a source, and refuses those that no image set has."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._entries = self._characters = 0

    def check(self, path: str) -> None:
        """Raise DataError if this entry is one too much, or too long or deep."""
        self._entries += 1
        self._characters += len(path)
        if len(path) > MAX_PATH:
            raise DataError(
                f"{self._where}: the path {shown(path)} has {len(path):,} characters, more than {MAX_PATH:,}"
            )
        if path.rstrip("/").count("/") > MAX_DEPTH:
            raise DataError(f"{self._where}: {shown(path)} lies in more than {MAX_DEPTH} folders")
        if self._entries > MAX_ENTRIES or self._characters > MAX_PATHS:
            raise DataError(
                f"{self._where}: more than {self._entries - 1:,} files and folders; make it several sets"
            )


def check_memory(needed: int, subject: str, remedy: str = "keep fewer images in one file") -> None:
    """Raise DataError if so many bytes are more than this process can have.

    Args:
        subject: what needs them, in the plural: "x.npz: its arrays".
        remedy: what makes it fit.
    """
    total = total_memory()
    if 0 < total < needed:
        raise DataError(
            f"{subject} need {needed / 2**30:.1f} GiB, there are {total / 2**30:.1f} here; {remedy}"
        )
