"""Progress on stderr: one live line per stage on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rudcodec.progress import watched_activities
from rudcodec.text import clock

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.progress import Progress, TaskID

    from rudcodec.runs import ProgressReport

_INTERVAL = 10.0  # seconds between plain lines
_SHOWN_FROM = 1.0  # seconds that an activity has lasted


class ProgressView:
    """A context manager; call it with the stage, the step, and what is worth knowing there.

    Below the stages stands what is left of the whole run, and what works for long without steps.

    ``quiet``: show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stack = ExitStack()
        self._live: Live | None = None
        self._stages: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._step = self._first_step = 0  # the last step of the stage that was shown, and the first
        self._finished = False  # a line with its last step has been printed
        self._started = self._printed = 0.0
        self._end: float | None = None  # of the whole run
        self._activity, self._activity_start = "", 0.0
        self._is_over = False

    def __enter__(self) -> Self:
        if self._quiet:
            return self
        self._stack.enter_context(watched_activities(self._show_activity))
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            console = Console(stderr=True, emoji=False)  # names may have colons
            self._stages = Progress(
                TextColumn("{task.description:<12}", markup=False),  # names may have brackets
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}", markup=False),
                console=console,
            )
            self._live = Live(get_renderable=self._render, console=console, redirect_stdout=False)
            self._stack.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def show(self, report: ProgressReport) -> None:
        """Call it with what a report says."""
        self(
            report.stage,
            report.step,
            report.steps,
            *report.facts(),
            remaining=report.remaining,
            run_remaining=report.run_remaining,
        )

    def stop(self) -> None:
        """Show no more progress."""
        self._end, self._activity = None, ""
        self._is_over = True
        self._stack.close()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        elif not self._quiet:
            print(text, file=sys.stderr)

    def __call__(
        self,
        stage: str,
        step: int,
        steps: int,
        *facts: str,
        remaining: float | None = None,
        run_remaining: float | None = None,
    ) -> None:
        """Show ``step`` of ``steps`` of ``stage``.

        ``remaining``: seconds, else guessed from the pace, but not at a stage's first step;
        ``run_remaining``: of the whole run, at least what remains of the stage.
        """
        if self._quiet:
            return
        now = time.monotonic()
        is_new = stage != self._stage or step < self._step  # one of the same name may follow
        if is_new:
            self._started, self._first_step = now, step
        elif remaining is None and step > self._first_step:
            remaining = (now - self._started) / (step - self._first_step) * (steps - step)
        if run_remaining is not None:
            run_remaining = max(run_remaining, remaining or 0.0)
        self._end = self._end if run_remaining is None else now + run_remaining
        left = [] if remaining is None or step == steps else [f"{clock(remaining)} left"]
        if self._stages is not None:
            text = "  ".join((*facts, *left))
            if self._task is None or is_new:
                self._task = self._stages.add_task(stage, total=steps, facts=text)
            self._stages.update(self._task, completed=step, total=steps, facts=text)
        elif is_new or (step == steps and not self._finished) or now - self._printed >= _INTERVAL:
            whole = [] if run_remaining is None else [f"about {clock(run_remaining)} left in all"]
            print(f"{stage} {step}/{steps}  {'  '.join((*facts, *left, *whole))}".rstrip(), file=sys.stderr)
            self._printed = now
        self._finished = step == steps or (self._finished and not is_new)
        self._stage, self._step = stage, step

    def _show_activity(self, name: str) -> None:
        """Take the name of one that begins, or "" where it ends."""
        lasted = time.monotonic() - self._activity_start
        if self._live is None and not name and lasted >= _SHOWN_FROM:
            print(f"{self._activity} took {clock(lasted)}", file=sys.stderr)
        self._activity, self._activity_start = name, time.monotonic()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        assert self._stages is not None
        now = time.monotonic()
        notes = [] if self._end is None else [f"about {clock(max(0.0, self._end - now))} left in all"]
        lasting = now - self._activity_start
        if self._activity and lasting >= _SHOWN_FROM:
            notes.append(f"{self._activity} for {clock(lasting)}")
        # a live display is cut at the bottom, where the stage under way is; at the end all are printed
        room = len(self._stages.tasks) if self._is_over else max(1, self._stages.console.height - 2)
        recent = self._stages.tasks[-room:]
        stages = [self._stages.make_tasks_table(recent)] if recent else []
        return Group(*stages, *([Text("; ".join(notes))] if notes else []))
