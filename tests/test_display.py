"""What a run says of itself while it lasts: time left in all, compilers at work; and how it is ended."""

from __future__ import annotations

import io
import itertools
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from rudcodec import display  # noqa: E402
from rudcodec.cli.main import main  # noqa: E402
from rudcodec.display import ProgressView  # noqa: E402
from rudcodec.interrupts import Interrupted  # noqa: E402
from rudcodec.nets import speed  # noqa: E402
from rudcodec.progress import activity, is_in_activity, watched_activities  # noqa: E402
from rudcodec.runs import CheckpointFolder, Journal, ProgressReport, RunClock, journal  # noqa: E402


class Terminal(io.StringIO):
    """Takes what is written to a terminal."""

    def isatty(self) -> bool:
        return True

    def wait_for(self, text: str) -> None:
        """The display is drawn anew four times a second; a minute without the text is a fault."""
        for _ in range(3000):
            if text in self.getvalue():
                return
            time.sleep(0.02)
        raise AssertionError(f"{text!r} is not in {self.getvalue()!r}")


def terminal_for(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error is a terminal from here on; not in a fixture, after which pytest puts its own there."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(display, "_SHOWN_FROM", 0.0)
    return stream


def test_a_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with ProgressView() as view:
        view("joint", 1, 2, "5k bpc", remaining=61, run_remaining=125)
        terminal.wait_for("1:01 left")
        terminal.wait_for("left in all")
        with activity("compiling"):
            terminal.wait_for("left in all; compiling for 0:0")


def test_time_left_in_all_is_at_least_that_of_the_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView() as view:
        view("joint", 1, 2, remaining=61, run_remaining=5)
    assert capsys.readouterr().err == "joint 1/2  1:01 left  about 1:01 left in all\n"


def test_names_with_brackets_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with ProgressView() as view:
        view("1 of 2, ant[best].rud", 1, 2, "[/b]")
        terminal.wait_for("ant[best].rud")
        terminal.wait_for("[/b]")
        view.say("sets/:cat:/x")
        terminal.wait_for("sets/:cat:/x")


def test_the_stage_under_way_is_seen_of_more_than_the_screen_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "10")
    terminal = terminal_for(monkeypatch)
    with ProgressView() as view:
        for number in range(30):
            view(f"stage {number}", 1, 1, run_remaining=61)
        view("stage 30", 1, 2, remaining=59, run_remaining=61)
        terminal.wait_for("0:59 left")
        terminal.wait_for("about 1:0")
        seen = terminal.getvalue()
    assert "stage 0 " not in seen[seen.rindex("stage 23") :]
    ending = terminal.getvalue()[len(seen) :]
    assert all(f"stage {number} " in ending for number in range(31))


def test_warnings_stand_in_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)

    def work(*_: object, **__: object) -> None:
        with ProgressView() as view:
            view("joint", 1, 2, remaining=61)
            warnings.warn("too\nmany", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(main.commands["verify"], "callback", work)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        main(["verify", "x"], standalone_mode=False)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "rudcodec: warning: too many" in re.split(r"[\r\n]+", plain)


def test_a_compiler_is_announced_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    seen: list[str] = []
    double = speed.compiled(lambda x: 2 * x)
    with watched_activities(seen.append):
        for size in (2, 2, 3, 2):
            assert double(torch.ones(size)).sum() == 2 * size
    assert seen == ["compiling", ""] * 2 and not is_in_activity()


def reports(stage: str, steps: int, seconds: float) -> Iterator[ProgressReport]:
    """Of a stage that takes so long."""
    for step in range(1, steps + 1):
        left = None if step == 1 else seconds * (1 - step / steps)
        yield ProgressReport(stage, step, steps, elapsed=seconds * step / steps, remaining=left)


def test_time_left_of_the_whole_run() -> None:
    """This machine takes twice as long as was expected."""
    left: list[float | None] = []
    clock = RunClock(lambda report: left.append(report.run_remaining), {"a": 10, "b": 30, "c": 5})
    for stage, seconds in (("before", 7), ("a", 20), ("b", 60), ("between", 4), ("c", 10)):
        for report in reports(stage, 4, seconds):
            clock(report)
    expected: list[list[float | None]] = [
        [None, None, None, None],  # nothing is known yet
        [None, 80, 75, 70],
        [None, 40, 25, 10],
        [None, 12, 11, 10],
        [None, 5, 2.5, 0],
    ]
    assert left == pytest.approx([*itertools.chain(*expected)])


def test_time_left_of_a_run_that_goes_on() -> None:
    """An earlier process has done nine tenths of the first stage."""
    left: list[float | None] = []
    clock = RunClock(lambda report: left.append(report.run_remaining), {"a": 10, "b": 30})
    for step in (90, 95, 100):
        seconds = 0.2 * (step - 90)
        remaining = None if step == 90 else 0.2 * (100 - step)
        clock(ProgressReport("a", step, 100, elapsed=seconds, remaining=remaining))
    assert left == [None, pytest.approx(61), pytest.approx(60)]


def test_time_left_of_stages_that_go_on_or_come_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with ProgressView() as view:
        view("experts", 3001, 5000)
        now = 10.0
        view("experts", 3002, 5000)  # one step in ten seconds
        now = 1000.0
        view("experts", 1, 3)  # another one of that name
        now = 1010.0
        view("experts", 2, 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "experts 3001/5000",
        "experts 3002/5000  5:33:00 left",
        "experts 1/3",
        "experts 2/3  0:10 left",
    ]


def interrupted_run(folder: Path, seconds: float, name: str = "") -> None:
    """Ctrl-C comes in the third step, which lasts some more seconds; in an activity, if that has a name."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with CheckpointFolder(folder) as checkpoints, Journal(checkpoints, checkpoint_seconds=0) as runs:

        def loop() -> None:
            for step in runs.steps(5):
                if step == 2 and name:
                    with activity(name):
                        signal.raise_signal(signal.SIGINT)
                elif step == 2:
                    signal.raise_signal(signal.SIGINT)
                    time.sleep(seconds)

        runs.run_stage("stage", loop)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("seconds", "name", "kept"), [(0, "", 3), (1000, "", 2), (1000, "compiling", 2)], ids=str
)
def test_an_interruption_does_not_wait_for_a_long_step(
    seconds: float, name: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PATIENCE", 0.2)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(Interrupted):
            interrupted_run(tmp_path / "run", seconds, name)
    finally:
        signal.signal(signal.SIGINT, before)
    state = CheckpointFolder(tmp_path / "run").load()
    assert state is not None and state["step"] == kept
