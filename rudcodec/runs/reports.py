"""Progress reports: what a running encode tells whoever is interested."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rudcodec.text import short

REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class ProgressReport:
    """How far a stage is.

    Attributes:
        stage: its name; ``step`` of ``steps`` are done.
        bpc: the estimated size of the whole file in bits per class, once there is an estimate; in the stage
            "label network" that of this network alone.
        utility: the loss of the last step: the utility's, of its images; in the stages "label network" and
            "teacher" that of the network which is trained.
        psnr: of the last step's images against the targets, in dB. Targets are the initial images, and from
            the end of the joint phase on the images that it has made.
        elapsed: seconds since the stage began in this process; ``remaining``: seconds until its end, None
            while that can't be told yet.
        run_remaining: seconds until the end of the whole run, roughly; None while nothing can be said.
    """

    stage: str
    step: int
    steps: int
    bpc: float | None = None
    utility: float | None = None
    psnr: float | None = None
    elapsed: float = 0.0
    remaining: float | None = None
    run_remaining: float | None = None

    def facts(self) -> list[str]:
        """What is worth knowing beside the steps, in words."""
        facts = [f"{short(self.bpc)} bpc"] if self.bpc is not None else []
        facts += [f"utility {self.utility:.4g}"] if self.utility is not None else []
        return facts + ([f"{self.psnr:.2f} dB"] if self.psnr is not None else [])


Reporter = Callable[[ProgressReport], None]


def ignore_report(report: ProgressReport) -> None:
    """The reporter of a run that nobody watches."""


class StageReport:
    """Reports the steps of one stage, with times from the pace since its first report.

    Before the first report compilers may be at work, which would spoil the estimate.
    """

    def __init__(self, reporter: Reporter, stage: str) -> None:
        self._reporter = reporter
        self._stage = stage
        self._start = self._last = time.monotonic()
        self._first: tuple[int, float] | None = None

    def is_due(self, step: int, steps: int) -> bool:
        """Whether a second has passed since the last report, or the stage is done."""
        return step == steps or time.monotonic() - self._last >= REPORT_SECONDS

    def __call__(
        self,
        step: int,
        steps: int,
        bpc: float | None = None,
        utility: float | None = None,
        psnr: float | None = None,
    ) -> None:
        """Report that ``step`` of ``steps`` are done; other arguments as in :class:`ProgressReport`."""
        now = self._last = time.monotonic()
        if self._first is None:
            self._first = step, now
        done, seconds = step - self._first[0], now - self._first[1]
        remaining = seconds / done * (steps - step) if done else None
        self._reporter(
            ProgressReport(self._stage, step, steps, bpc, utility, psnr, now - self._start, remaining)
        )


class RunClock:
    """A reporter that adds what is left of the whole run, and passes the report on.

    Stages that are still to come are guessed by what they were expected to take, and by how the stages so far
    have compared with that.

    Args:
        reporter: takes the reports.
        expected: seconds of each stage that takes long, in order; a common factor doesn't matter.
    """

    def __init__(self, reporter: Reporter, expected: Mapping[str, float]) -> None:
        self._reporter = reporter
        self._expected = dict(expected)
        self._names = list(expected)
        self._whole: dict[str, float] = {}  # seconds that stages take from their first step to the last
        self._pace: float | None = None
        self._last = -1  # number of the last stage that was expected

    def __call__(self, report: ProgressReport) -> None:
        self._reporter(replace(report, run_remaining=self._remaining(report)))

    def _remaining(self, report: ProgressReport) -> float | None:
        if report.stage in self._expected:
            self._last = self._names.index(report.stage)
            if report.remaining:  # also of a stage that an earlier process began
                steps_left = report.steps - report.step
                self._whole[report.stage] = report.remaining * report.steps / steps_left
            elif report.step == report.steps:
                self._whole.setdefault(report.stage, report.elapsed)
            if self._whole:
                expected = sum(self._expected[name] for name in self._whole)
                self._pace = sum(self._whole.values()) / expected
        later = sum(self._expected[name] for name in self._names[self._last + 1 :])
        if report.remaining is None and report.step < report.steps:
            return None
        if later and self._pace is None:
            return None
        return (report.remaining or 0.0) + later * (self._pace or 0.0)
