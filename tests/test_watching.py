"""Progress of what is called from Python: shown on a terminal, logged elsewhere, or given to a function."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from conftest import stripes

import rudcodec
from rudcodec.progress import no_progress
from rudcodec.runs import ProgressReport, ignore_report
from rudcodec.watching import LogProgress, watched_reports, watched_stages


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_evaluate_logs_its_students(rud: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    data = rudcodec.load(rud)
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    with caplog.at_level(logging.INFO, "rudcodec"):
        rudcodec.evaluate(data, real, seeds=2, width=4, device="cpu")
    assert caplog.messages[-1] == "2 students 8/8"
    assert all(message.startswith("2 students ") for message in caplog.messages)
    assert {record.name for record in caplog.records} == {"rudcodec"}
    caplog.clear()
    with caplog.at_level(logging.INFO, "rudcodec"):
        rudcodec.evaluate(data, real, seeds=1, width=4, device="cpu", progress=no_progress)
    assert not caplog.messages


def test_evaluate_shows_its_students_on_a_terminal(rud: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    data = rudcodec.load(rud)
    real = rudcodec.data.LabelledImages(data.images, data.labels, data.classes, "real")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    rudcodec.evaluate(data, real, seeds=1, width=4, device="cpu")
    assert "student " in terminal.getvalue() and "4/4" in terminal.getvalue()


def test_compress_logs_its_stages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    quick = {"ipc": 2, "warmup": 2, "joint": 0, "tune": 2}
    with caplog.at_level(logging.INFO, "rudcodec"):
        rudcodec.compress(stripes(3), tmp_path / "a.rud", bpc=1500, device="cpu", **quick)  # type: ignore[arg-type]
    assert any(message.startswith("warm-up 1 ") and "dB" in message for message in caplog.messages)


def test_records_come_at_the_ends_of_a_stage_and_every_ten_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((1.0, 2.0, 12.0, 13.0, 14.0))
    monkeypatch.setattr("rudcodec.watching.time.monotonic", lambda: next(clock))
    log = LogProgress()
    with caplog.at_level(logging.INFO, "rudcodec"):
        for step in (1, 2, 3, 4):
            log(ProgressReport("joint", step, 4, 1234.5, 0.25, 20.0))
        log(ProgressReport("tuning", 1, 9))
    facts = "  1.23k bpc  utility 0.25  20.00 dB"
    assert caplog.messages == [*(f"joint {step}/4{facts}" for step in (1, 3, 4)), "tuning 1/9"]


def test_a_function_of_ones_own_is_called_instead() -> None:
    with watched_reports(ignore_report) as report, watched_stages(no_progress) as progress:
        assert report is ignore_report and progress is no_progress
