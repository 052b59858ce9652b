"""How long several pieces of work still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rudcodec.display import ProgressView

Piece = TypeVar("Piece")


class Pace:
    """How long the rest of several pieces of work takes: by what is done, and the time that it has taken.

    ``fresh_part`` says, once a piece is done, which part of it (0..1) was done just now, by this process.
    """

    def __init__(self, fresh_part: Callable[[], float] = lambda: 1.0) -> None:
        self._fresh_part = fresh_part
        self._left = self._done = self._seconds = 0.0
        self._started = time.monotonic()

    def through(self, pieces: Sequence[Piece], work: Callable[[Piece], float]) -> Iterator[Piece]:
        """One piece after another: it is done when the next one is asked for. ``work`` says how much each
        is, in a unit of the caller's."""
        self._left = sum(map(work, pieces))
        for piece in pieces:
            self._started = time.monotonic()
            yield piece
            self._seconds += time.monotonic() - self._started
            self._done += work(piece) * self._fresh_part()
            self._left -= work(piece)

    def remaining(self) -> float | None:
        """Seconds; None as long as nothing is done."""
        if not self._done:
            return None
        return max(0.0, self._left * self._seconds / self._done - (time.monotonic() - self._started))


class PacedView:
    """A :data:`rudcodec.progress.StageProgress` of several pieces of work: shows each with the time that all
    still take. ``fresh_part`` as in :class:`Pace`."""

    def __init__(self, view: ProgressView, fresh_part: Callable[[], float] = lambda: 1.0) -> None:
        self._view, self._pace = view, Pace(fresh_part)

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._view(stage, done, total, run_remaining=self._pace.remaining())

    def in_turn(self, pieces: Sequence[Piece], work: Callable[[Piece], float]) -> Iterator[Piece]:
        """As :meth:`Pace.through`."""
        return self._pace.through(pieces, work)
