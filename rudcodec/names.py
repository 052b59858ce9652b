"""Names of folders: those that a set is saved in, and those in which no images of a set lie."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence

LABELS_FILE = "labels.json"
"""Beside the class folders that we write: says which folder is which class."""

_JUNK = frozenset(
    {
        "__macosx", "lost+found", "__pycache__", "$recycle.bin", "@eadir", "@recycle", "@recently-snapshot",
        "@synoresource", "@tmp", "#recycle", "#snapshot", "thumbs.db", "ehthumbs.db",
        "desktop.ini",
    }
) | {"system volume information"}  # fmt: skip
_DEVICES = frozenset(
    {
        *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
        *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"),
    }
)
"""What no file or folder may be called on Windows, whatever follows after a dot."""


def is_hidden(name: str) -> bool:
    """Whether file managers hide a file or folder of that name."""
    return name.startswith(".")


def is_junk(name: str) -> bool:
    """Whether an operating system, a network drive or an editor makes files and folders of that name."""
    return name.lower() in _JUNK


def folder_names(classes: Sequence[str]) -> list[str]:
    """Folder names for the classes 0, 1, ..., whose names come out of an untrusted file.

    They are distinct even where case and Unicode's ways to write a letter don't count, valid on every system,
    and ``sorted`` leaves them in order: where plain names would not sort like the numbers, all begin with the
    number.
    """
    names: list[str] = []
    taken = {_key(LABELS_FILE)}
    for index, label in enumerate(classes):
        name = _clean(label) or f"class_{index}"
        if _key(name) in taken:
            name = f"{name}_{index}"
        while _key(name) in taken:
            name += "_"
        taken.add(_key(name))
        names.append(name)
    if names == sorted(names):
        return names
    width = len(str(len(names) - 1))
    return [f"{index:0{width}}_{name}" for index, name in enumerate(names)]


def on_disk(name: str) -> str:
    """The path under which a name is stored as UTF-8, whatever encoding the locale has."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def from_disk(path: str) -> str:
    """The inverse of :func:`on_disk`."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _clean(label: str) -> str:
    """A valid name, or nothing if no character of the label can stay."""
    kept = re.sub(r"[^\w.+ -]", "_", unicodedata.normalize("NFC", label))
    name = kept.strip(" .")[:60].strip(" .")
    stem, dot, rest = name.partition(".")
    if stem.rstrip(" ").upper() in _DEVICES or is_junk(name):
        return f"{stem.rstrip(' ')}_{dot}{rest}"
    return name


def _key(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
