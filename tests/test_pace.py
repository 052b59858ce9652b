"""How long several pieces of work still take."""

import pytest

from rudcodec.pace import Pace


def test_what_was_done_before_says_nothing_of_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now, fresh = 0.0, iter([0.0, 0.5, 1.0])
    monkeypatch.setattr("time.monotonic", lambda: now)
    pace = Pace(lambda: next(fresh))
    left = []
    for seconds in pace.through([0.0, 10.0, 20.0], lambda seconds: 2.0):
        left.append(pace.remaining())
        now += seconds
    assert left == [None, None, 20.0]


def test_the_rest_takes_as_long_as_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pace = Pace()
    left = []
    for work in pace.through([1.0, 0.0, 3.0, 2.0], lambda work: work):
        left.append(pace.remaining())
        now += 10 * work
        left.append(pace.remaining())
    assert left == [None, None, 50.0, 50.0, 50.0, 20.0, 20.0, 0.0]
    assert pace.remaining() == 0.0
