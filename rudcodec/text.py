"""Texts for messages and tables: names from outside (files, archives, arrays), numbers, durations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice

LONGEST = 320
"""Characters of one name in a message; of a longer one both ends are shown."""
_LISTED = 10
"""Names in one message."""


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


def listed(texts: Iterable[str]) -> str:
    """Some foreign texts, separated by commas; of many the first ones."""
    some = [shown(text) for text in islice(texts, _LISTED + 1)]
    return ", ".join(some[:_LISTED] + ["..."] * (len(some) > _LISTED)) or "nothing"


def counted(count: int, noun: str) -> str:
    """How many things: 1 file, 1,024 files, 3 classes."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


def average(value: float) -> str:
    """An average number of things, such as images per class, to a tenth."""
    return f"{value:,.1f}".removesuffix(".0")


def per_class(ipc: float) -> str:
    """How many images a class has, on average: 1 image per class, 2.5 images per class."""
    number = average(ipc)
    return f"{number} image{'' if number == '1' else 's'} per class"


def plain_name(name: str) -> str:
    """A name for comparisons in which case, dashes and underscores don't matter."""
    return name.lower().replace("-", "").replace("_", "")


def short(value: float) -> str:
    """A count in three digits: 49.8k, 1.20M, 812."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def points_above(ours: float, theirs: float) -> float:
    """How many points an accuracy, 0..1, is above another one, to the tenth that is shown."""
    return round(100 * (ours - theirs), 1) + 0.0  # no negative zero


def percent(mean: float, std: float = 0.0, count: int = 1) -> str:
    """A fraction, with its standard deviation if it is the mean of several: 74.8 %, 67.3 ± 0.2 %."""
    return f"{100 * mean:.1f} %" if count < 2 else f"{100 * mean:.1f} ± {100 * std:.1f} %"


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss; a dash if unknown."""
    if not math.isfinite(seconds) or seconds < 0:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
