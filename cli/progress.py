"""Progress on stderr: one live line per stage on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from .values import clock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_INTERVAL = 10.0  # seconds between plain lines


class ProgressView:
    """A context manager; call it with the stage, the step, and what is worth knowing there.

    ``quiet``: show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._finished = False  # a line with its last step has been printed
        self._started = self._printed = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._live = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}"),
                console=Console(stderr=True),
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Show no more progress."""
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        elif not self._quiet:
            click.echo(text, err=True)

    def __call__(
        self, stage: str, step: int, steps: int, *facts: str, remaining: float | None = None
    ) -> None:
        """Show ``step`` of ``steps`` of ``stage``; ``remaining`` in seconds, else guessed from the pace.

        At a stage's first step no time is guessed.
        """
        if self._quiet:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._started = now
        elif remaining is None and step:
            remaining = (now - self._started) / step * (steps - step)
        left = [] if remaining is None or step == steps else [f"{clock(remaining)} left"]
        text = "  ".join((*facts, *left))
        if self._live is not None:
            if self._task is None or stage != self._stage:
                self._task = self._live.add_task(stage, total=steps, facts=text)
            self._live.update(self._task, completed=step, total=steps, facts=text)
        elif (
            stage != self._stage or (step == steps and not self._finished) or now - self._printed >= _INTERVAL
        ):
            click.echo(f"{stage} {step}/{steps}  {text}".rstrip(), err=True)
            self._printed = now
        self._finished = step == steps or (self._finished and stage == self._stage)
        self._stage = stage
