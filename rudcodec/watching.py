"""How long work is shown to whoever calls it from Python and passes no function of their own: as the command
shows it on a terminal, and as records of the logger ``rudcodec`` elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rudcodec.progress import StageProgress
from rudcodec.runs.reports import ProgressReport, Reporter

_INTERVAL = 10.0  # seconds between records of a stage
_LOGGER = logging.getLogger("rudcodec")


@contextmanager
def watched_stages(progress: StageProgress | None) -> Iterator[StageProgress]:
    """The function itself, or for None one that shows stages and steps."""
    if progress is not None:
        yield progress
        return
    with _display() as show:
        yield lambda stage, done, total: show(ProgressReport(stage, done, total))


@contextmanager
def watched_reports(report: Reporter | None) -> Iterator[Reporter]:
    """The function itself, or for None one that shows reports."""
    if report is not None:
        yield report
        return
    with _display() as show:
        yield show


@contextmanager
def _display() -> Iterator[Reporter]:
    if sys.stderr is None or not sys.stderr.isatty():
        yield LogProgress()
        return
    from rudcodec.display import ProgressView

    with ProgressView() as view:
        yield view.show


class LogProgress:
    """Logs how far work is, at level INFO: each stage's first and last report, and one every ten seconds."""

    def __init__(self) -> None:
        self._stage = ""
        self._logged = 0.0

    def __call__(self, report: ProgressReport) -> None:
        now = time.monotonic()
        is_new, is_done = report.stage != self._stage, report.step == report.steps
        if is_new or is_done or now - self._logged >= _INTERVAL:
            facts = "".join(f"  {fact}" for fact in report.facts())
            _LOGGER.info("%s %d/%d%s", report.stage, report.step, report.steps, facts)
            self._logged = now
        self._stage = report.stage
