"""How long work says how far it is. Whoever starts it may pass a function to be called now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all) of one loop, a few times a second at most."""

StageProgress = Callable[[str, int, int], None]
"""Called with (stage, steps done, steps in all), for work of several stages that each have a name."""


def no_progress(stage: str, done: int, total: int) -> None:
    """A :data:`StageProgress` for work that nobody follows."""


@dataclass(frozen=True)
class StageSteps:
    """The :data:`Progress` of a loop that is one stage of longer work."""

    progress: StageProgress
    stage: str

    def __call__(self, done: int, total: int) -> None:
        self.progress(self.stage, done, total)


@dataclass(frozen=True)
class PartSteps:
    """The :data:`Progress` of a loop that is one of ``parts`` alike, which ``progress`` follows as one loop.

    ``number``: of the part, from 0 on.
    """

    progress: Progress
    number: int
    parts: int

    def __call__(self, done: int, total: int) -> None:
        self.progress(self.number * total + done, self.parts * total)


@dataclass(frozen=True)
class Within:
    """A :data:`StageProgress` whose stages go to ``progress`` as ``"work: stage"``."""

    progress: StageProgress
    work: str

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.progress(f"{self.work}: {stage}", done, total)


_watchers: list[Callable[[str], None]] = []
_under_way: list[str] = []


@contextmanager
def activity(name: str) -> Iterator[None]:
    """Work that takes long and has no steps, such as a compiler's: those who watch are told."""
    _under_way.append(name)
    for watcher in _watchers:
        watcher(name)
    try:
        yield
    finally:
        _under_way.pop()
        for watcher in _watchers:
            watcher("")


def is_in_activity() -> bool:
    """Whether an activity is under way."""
    return bool(_under_way)


@contextmanager
def watched_activities(watcher: Callable[[str], None]) -> Iterator[None]:
    """Have ``watcher`` called with the name of each activity when it begins, and with "" when it ends."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
