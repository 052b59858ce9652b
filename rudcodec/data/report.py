"""Reports of what was read of a source, and what was not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rudcodec.data.sizes import SizeRange
from rudcodec.data.splits import Split
from rudcodec.text import counted, shown

_LOGGER = logging.getLogger("rudcodec")
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
        sizes: of the images as the source has them.
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
    sizes: SizeRange | None = None

    def lines(self) -> Iterator[str]:
        """The report in a few lines of plain text, safe to print."""
        yield f"{self._headline()}: {self._contents()}"
        yield from (f"note: {remark}" for remark in self.remarks())
        if self.passed:
            yield self._passed_over()
        if self.bad:
            yield self._left_out()

    def remarks(self) -> Iterator[str]:
        """What the user should know: the notes, and whether the images are nearly black."""
        yield from self.notes
        if self.brightest < _DARK:  # 12 bits in 16, or 0 and 1 in bytes
            yield f"images are nearly black, {self.brightest} of 255 at most; scale them if need be"

    def log(self) -> None:
        """Give the lines to the logger ``rudcodec``: what the user should know at level WARNING, which shows
        it where nothing is set up, the rest at level INFO."""
        headline = self._headline()
        _LOGGER.info("%s: %s", headline, self._contents())
        for remark in self.remarks():
            _LOGGER.warning("%s: %s", headline, remark)
        if self.passed:
            _LOGGER.info("%s: %s", headline, self._passed_over())
        if self.bad:
            _LOGGER.warning("%s: %s", headline, self._left_out())

    def _headline(self) -> str:
        return f"{shown(self.source)}, {self.split}"

    def _contents(self) -> str:
        names = ", ".join(shown(name) for name in self.classes[:_NAMED])
        ellipsis = ", ..." if len(self.classes) > _NAMED else ""
        (smallest, fewest), (largest, most) = self.smallest, self.largest
        each = (
            f"{fewest:,} of each"
            if fewest == most
            else f"{fewest:,} ({shown(smallest)}) to {most:,} ({shown(largest)}) of each"
        )
        return f"{counted(self.images, 'image')} of {len(self.classes):,} classes ({names}{ellipsis}), {each}"

    def _passed_over(self) -> str:
        kinds = (f"{count:,} {reason} ({shown(example)})" for reason, count, example in self.passed)
        return f"passed over: {', '.join(kinds)}"

    def _left_out(self) -> str:
        return f"left out, since unreadable: {len(self.bad):,}, such as {self.bad[0]}"
