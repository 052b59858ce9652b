"""Texts from outside (names out of files, archives, arrays) as they may stand in messages and tables."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 320
"""Characters of one name in a message; of a longer one both ends are shown."""


def shown(text: str) -> str:
    """A foreign text for a message of one line: as it is, or quoted with escapes where it holds a character
    that a terminal would act on or couldn't show."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"
    return text if text.isprintable() else repr(text)


def escaped(text: str) -> str:
    """The same text with an escape for each character that can't be printed, and nothing else changed."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def listed(texts: Iterable[str], most: int = 10) -> str:
    """Some foreign texts, separated by commas."""
    some = [shown(text) for _, text in zip(range(most + 1), texts, strict=False)]
    return ", ".join(some[:most] + ["..."] * (len(some) > most)) or "nothing"
