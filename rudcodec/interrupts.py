"""Ctrl-C and SIGTERM: both end a command in an orderly way."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal has ended a command; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__("interrupted")


def raise_interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """A signal handler."""
    raise Interrupted(number)


def end_in_order() -> None:
    """Let SIGTERM, too, end this process by an exception, so that what it has begun is cleared away."""
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, raise_interrupted)
