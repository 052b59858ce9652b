"""The journal of a run: which of its parts are done, so that it can go on where a checkpoint left it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, Protocol, TypeVar

from rudcodec.errors import SettingError
from rudcodec.runs.checkpoints import CheckpointFolder, State
from rudcodec.runs.ranks import Ranks

T = TypeVar("T")

EVERY = 60.0
ALONE = Ranks()


class Stateful(Protocol):
    """What a checkpoint holds of something that a run changes."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class Journal:
    """A run is a sequence of parts, the same every time; a part may have a loop of steps.

    What a part returns is kept in the checkpoints (``None``, or tensors and what JSON knows), and so is all
    that is attached. A run that goes on skips the parts that are done and gets what they returned; what they
    changed is restored as it is attached. So a part must change nothing else, and code between parts nothing
    that parts have changed. A context manager: within it, Ctrl-C takes effect at the end of a step, after
    a checkpoint (a second Ctrl-C at once).

    Args:
        folder: of the checkpoints; None: there are none.
        identity: what must not differ between a run and its continuation; JSON.
        resume: go on from the newest checkpoint, if there is one.
        every: seconds between checkpoints.
        ranks: the processes of the run, of which the first keeps the checkpoints.

    Raises:
        SettingError: the folder's run has another identity; DataError: its checkpoints can't be read.
    """

    def __init__(
        self,
        folder: CheckpointFolder | None = None,
        identity: Mapping[str, Any] | None = None,
        resume: bool = False,
        every: float = EVERY,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self._folder = folder if ranks.first else None
        self._identity = dict(identity or {})
        self._every = every
        self._attached: dict[str, Stateful] = {}
        self._passed = 0  # parts passed by in this process
        self._outcomes: list[Any] = []
        self._step = 0  # of the part under way
        self._looped = False
        self._found: dict[str, State] = {}
        self._before = 0.0  # seconds
        self._started = self._saved = time.monotonic()
        self._in_steps = self._asked = False
        state = self._folder.load() if self._folder is not None and resume else None
        if self._folder is not None and state is not None:
            where = f"{self._folder.path}: the unfinished run there has"
            check_same(where, state["identity"], self._identity)
        state = ranks.told(state)
        if state is not None:
            self._outcomes, self._step = state["outcomes"], state["step"]
            self._found, self._before = state["attached"], state["seconds"]

    @property
    def seconds(self) -> float:
        """Time that the run has taken, earlier processes included."""
        return self._before + time.monotonic() - self._started

    def attach(self, name: str, holder: Stateful) -> None:
        """Keep a holder's state in checkpoints, and restore it if there is one of that name."""
        self._attached[name] = holder
        if name in self._found:
            holder.restore(self._found.pop(name))

    def part(self, work: Callable[[], T], everywhere: bool = False) -> T:
        """What a part returns; called only if it isn't done yet. What it attaches is let go after it.

        Of several processes the first does the part and tells the others, unless it is for all of them
        (``everywhere``), which then come to the same end.
        """
        number = self._passed
        if number == len(self._outcomes):
            kept = dict(self._attached)
            if everywhere or self.ranks.count == 1:
                outcome = work()
            else:
                outcome = self._done_by_the_first(work, kept)
            self._attached = kept
            self._outcomes.append(outcome)
            self._step, self._looped = 0, False
            self._save_if_due()
        self._passed += 1
        found: T = self._outcomes[number]
        return found

    def _done_by_the_first(self, work: Callable[[], T], attached: Mapping[str, Stateful]) -> T:
        told: Any = None
        if self.ranks.first:
            outcome = work()
            told = outcome, {name: holder.state() for name, holder in attached.items()}
        outcome, states = self.ranks.told(told)
        if not self.ranks.first:
            for name, holder in attached.items():
                holder.restore(states[name])
        return outcome

    def steps(self, count: int) -> Iterator[int]:
        """The steps of a part's loop that are not done yet. A part has one loop."""
        assert not self._looped, "a second loop of a part would go on from where the first one ended"
        self._looped = True
        for step in range(self._step, count):
            self._in_steps = True
            yield step
            self._in_steps = False
            self._step = step + 1
            self._save_if_due()
            if self._asked:
                raise KeyboardInterrupt

    def _save_if_due(self) -> None:
        if self._folder is None or not (self._asked or time.monotonic() - self._saved >= self._every):
            return
        self._folder.save(
            {
                "identity": self._identity,
                "outcomes": self._outcomes,
                "step": self._step,
                "attached": {name: holder.state() for name, holder in self._attached.items()},
                "seconds": self.seconds,
            }
        )
        self._saved = time.monotonic()

    def __enter__(self) -> Journal:
        self._handler: Any = None
        if not self.ranks.first:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first ends, and torchrun the others
        elif self._folder is not None and threading.current_thread() is threading.main_thread():
            self._handler = signal.getsignal(signal.SIGINT)
            if self._handler is not signal.default_int_handler:
                self._handler = None  # somebody else's, or ignored
            else:
                signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self._in_steps:
            raise KeyboardInterrupt
        self._asked = True


def check_same(where: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raise SettingError, which begins with ``where``, at the first thing that two runs differ in."""
    for name in (*theirs, *ours):
        if theirs.get(name) != ours.get(name):
            raise SettingError(f"{where} {name} {theirs.get(name)}, not {ours.get(name)}")
