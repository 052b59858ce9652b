"""Reports of what was read of a source, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rudcodec.data.splits import Split
from rudcodec.text import shown

_NAMED = 5
"""Classes that are named in one line."""
_DARK = 32
"""A level that a set has somewhere, if it isn't nearly black."""


@dataclass
class Passed:
    """Files that were passed over, by reason: their number and the first one."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str, count: int = 1) -> None:
        if count:
            self.counts[reason] += count
            self.examples.setdefault(reason, example)

    def merge(self, other: Passed) -> None:
        for reason, count in other.counts.items():
            self.add(reason, other.examples[reason], count)

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in self.counts.most_common())


@dataclass(frozen=True)
class SourceReport:
    """A report of what was read of a source.

    Attributes:
        source: what the source is called in messages.
        split: what was asked for.
        classes: all class names.
        images: how many were read.
        smallest: name and images of the smallest class.
        largest: name and images of the largest class.
        passed: files passed over: reason (an ending such as ".heic", "hidden", "junk", ...), number, and the
            first of them.
        bad: each picture that couldn't be read, with the reason; only if these may be skipped.
        notes: choices that were made on the way, such as which column holds the labels.
        brightest: the largest level, 0..255, in up to a thousand of the images.
    """

    source: str
    split: Split
    classes: tuple[str, ...]
    images: int
    smallest: tuple[str, int]
    largest: tuple[str, int]
    passed: tuple[tuple[str, int, str], ...] = ()
    bad: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    brightest: int = 255

    def lines(self) -> Iterator[str]:
        """The report in a few lines of plain text, safe to print."""
        names = ", ".join(shown(name) for name in self.classes[:_NAMED])
        ellipsis = ", ..." if len(self.classes) > _NAMED else ""
        (smallest, fewest), (largest, most) = self.smallest, self.largest
        each = (
            f"{fewest:,} of each"
            if fewest == most
            else f"{fewest:,} ({shown(smallest)}) to {most:,} ({shown(largest)}) of each"
        )
        yield (
            f"{shown(self.source)}, {self.split}: {self.images:,} images of {len(self.classes):,} classes "
            f"({names}{ellipsis}), {each}"
        )
        for note in self.notes:
            yield f"note: {note}"
        if self.brightest < _DARK:  # 12 bits in 16, or 0 and 1 in bytes
            yield f"note: images are nearly black, {self.brightest} of 255 at most; scale them if need be"
        if self.passed:
            kinds = (f"{count:,} {reason} ({shown(example)})" for reason, count, example in self.passed)
            yield f"passed over: {', '.join(kinds)}"
        if self.bad:
            yield f"left out, since unreadable: {len(self.bad):,}, such as {self.bad[0]}"
