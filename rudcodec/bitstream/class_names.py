"""Classes that a caller names, of those that a file has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rudcodec.errors import SettingError
from rudcodec.text import listed


def names(classes: Iterable[str]) -> Iterable[str]:
    """The same. Raises SettingError for a single name, or what can't be looked through."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise SettingError(f"classes must be a list of names, such as [{classes!r}]")
    return classes


def numbers_of(wanted: Iterable[str], known: Sequence[str]) -> list[int]:
    """The numbers of some classes, ascending. Raises SettingError for a name that isn't ``known``."""
    kept = frozenset(wanted)
    if unknown := sorted(kept.difference(known), key=str):
        raise SettingError(f"class {unknown[0]!r}: the file has none but {listed(known)}")
    return [number for number, name in enumerate(known) if name in kept]
