"""The journal of a run: which of its stages are done, so that it can go on where a checkpoint left it."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from types import FrameType, TracebackType
from typing import Any, Protocol, Self, TypeVar

import torch

from rudcodec.errors import DataError, SettingError
from rudcodec.interrupts import SIGNALS, Interrupted, raise_interrupted
from rudcodec.progress import is_in_activity
from rudcodec.run_files import CHECKPOINT_SECONDS
from rudcodec.runs.checkpoints import CheckpointFolder, State, copied
from rudcodec.runs.ranks import Ranks

T = TypeVar("T")

PATIENCE = 1.5  # seconds from a signal until it takes effect within a step or a stage, too


class Stateful(Protocol):
    """Something that a run changes, and that a checkpoint must hold."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class Journal:
    """A run is a sequence of named stages, the same every time; a stage may have one loop of steps.

    Checkpoints hold what each stage has returned (``None``, or tensors and what JSON knows), the state of all
    that is registered, and of the loop under way its number of steps and its state. A run that goes on skips
    the stages that are done and gets what they returned. So a stage must change nothing else, must not change
    registered things before its loop, and code between stages must not change what stages have changed.

    A context manager: within it, Ctrl-C and SIGTERM take effect at the end of a step, or of a stage that has
    none under way, after a checkpoint, however long that takes to write. A second one, or a step or a stage
    that goes on for ``PATIENCE``, ends the run at once, and so does the first one while a compiler works: the
    run then goes on from the checkpoint before, or from the end of the last stage if that is later.

    Args:
        folder: of the checkpoints, entered; None: there are none.
        fingerprint: what must not differ between a run and its continuation; JSON.
        resume: go on from the newest checkpoint, if there is one.
        checkpoint_seconds: time between checkpoints.
        ranks: the processes of the run, of which the first one keeps the checkpoints.

    Attributes:
        goes_on: whether there was a checkpoint to go on from.

    Raises:
        SettingError: the folder's run has another fingerprint. DataError: its checkpoints can't be read.
    """

    def __init__(
        self,
        folder: CheckpointFolder | None = None,
        fingerprint: Mapping[str, Any] | None = None,
        resume: bool = False,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        ranks: Ranks = Ranks(),  # noqa: B008  (frozen)
    ) -> None:
        self.ranks = ranks
        self._folder = folder if ranks.is_first else None
        self._fingerprint = dict(fingerprint or {})
        self._checkpoint_seconds = checkpoint_seconds
        self._registered: dict[str, Stateful] = {}
        self._unclaimed: dict[str, State] = {}  # states of what isn't registered yet
        self._results: dict[str, Any] = {}
        self._passed: set[str] = set()
        self._stage = ""
        self._step = 0
        self._stage_began = 0.0  # in the run's seconds
        self._loop: Stateful | None = None
        self._loop_state: State = None
        self._looped = self._in_stage = self._is_alone = self._is_saving = False
        self._unsaved: State = None  # as the last stage has left it, unless a checkpoint has that
        self._signal: int | None = None
        self._seconds_before = 0.0
        self._start = self._last_checkpoint = time.monotonic()
        self._handlers: dict[int, Any] = {}
        self._timer: threading.Timer | None = None
        self._restore(resume)

    def _restore(self, resume: bool) -> None:
        state = self._folder.load() if self._folder is not None and resume else None
        if self._folder is not None and state is not None:
            where = f"{self._folder.path}: the unfinished run there has"
            if "fingerprint" not in state:
                raise DataError(f"{self._folder.path}: holds no run, but what runs have learnt")
            advice = f"; remove {self._folder.path} to begin anew"
            check_same(where, state["fingerprint"], self._fingerprint, advice)
        state = self.ranks.broadcast(state)
        self.goes_on = state is not None
        if state is not None:
            self._results, self._unclaimed = state["results"], state["registered"]
            self._stage, self._step, self._loop_state = state["stage"], state["step"], state["loop"]
            self._seconds_before, self._stage_began = state["seconds"], state["stage began"]

    @property
    def seconds(self) -> float:
        """Time that the run has taken, earlier processes included."""
        return self._seconds_before + time.monotonic() - self._start

    @property
    def stage_seconds(self) -> float:
        """Time that the stage under way has taken, earlier processes included."""
        return self.seconds - self._stage_began

    def add_seconds(self, seconds: float) -> None:
        """Count what an earlier run has done for this one as done in the stage under way."""
        self._seconds_before += seconds

    def register(self, name: str, holder: Stateful) -> None:
        """Keep a holder's state in checkpoints, and restore it if there is one of that name."""
        self._registered[name] = holder
        if name in self._unclaimed:
            holder.restore(self._unclaimed.pop(name))

    def run_stage(self, name: str, work: Callable[[], T], shared: bool = False, saved: bool = False) -> T:
        """What a stage returns; it is called only if it isn't done yet.

        Of several processes the first one does the work and broadcasts the result, unless the stage is
        ``shared``: then all do it, and come to the same end. What a ``saved`` one returns is in a checkpoint
        at once, rather than in the next that is due.
        """
        assert name not in self._passed, f"there are two stages {name!r}"
        self._passed.add(name)
        if name not in self._results:
            self._in_stage = True
            try:
                self._run_anew(name, work, shared, saved)
            finally:
                self._in_stage = False
            if self._signal is not None:
                raise Interrupted(self._signal)
        result: T = self._results[name]
        return result

    def _run_anew(self, name: str, work: Callable[[], T], shared: bool, saved: bool) -> None:
        if name != self._stage:
            self._stage, self._step, self._loop_state = name, 0, None
            self._stage_began = self.seconds
        self._looped = False
        self._is_alone = not shared and self.ranks.world_size > 1
        self._results[name] = self._run_on_first(work) if self._is_alone else work()
        self._loop = None
        self._stage, self._step, self._loop_state = "", 0, None
        if saved or self._is_due:
            self._save()
        elif self._folder is not None:
            state = self._state(None)
            self._unsaved = {**state, "registered": copied(state["registered"])}

    def _run_on_first(self, work: Callable[[], T]) -> T:
        sent: Any = None
        if self.ranks.is_first:
            result = work()
            sent = result, {name: holder.state() for name, holder in self._registered.items()}
        result, states = self.ranks.broadcast(sent)
        if not self.ranks.is_first:
            for name, state in states.items():
                if name in self._registered:
                    self._registered[name].restore(state)
                else:
                    self._unclaimed[name] = state
        return result

    def steps(self, count: int, loop: Stateful | None = None) -> Iterator[int]:
        """The steps of the stage's loop that are not done yet; ``loop`` has the state that goes with it.

        That is asked for in all processes at once, so that it may hold what others have.
        """
        assert not self._is_alone, "processes agree in each step, so that the stage must be shared"
        assert not self._looped, "a second loop of a stage would go on from where the first one ended"
        self._looped = True
        self._loop = loop
        if loop is not None and self._loop_state is not None:
            loop.restore(self._loop_state)
            self._loop_state = None
        for step in range(self._step, count):
            yield step
            self._step = step + 1
            is_due = self.ranks.agree(self._is_due)  # a signal from here on ends the next step, or the stage
            if is_due:
                self._save()
                if self._signal is not None:
                    raise Interrupted(self._signal)

    @property
    def _is_due(self) -> bool:
        """Whether this process is to write a checkpoint now."""
        seconds = time.monotonic() - self._last_checkpoint
        return self._folder is not None and (self._signal is not None or seconds >= self._checkpoint_seconds)

    def keep(self) -> None:
        """Write a checkpoint of what the stages so far have made, unless there is one. Raises DataError."""
        if self._unsaved is not None:
            self._write({**self._unsaved, "seconds": self.seconds})

    def _save(self) -> None:
        """Write a checkpoint, within a loop with what the other processes have of its state."""
        self._is_saving = True
        loop_state = None if self._loop is None else self._loop.state()
        if self._folder is not None:
            self._write(self._state(loop_state))
        self._is_saving = False

    def _state(self, loop_state: State) -> dict[str, Any]:
        """What a checkpoint holds."""
        states = {name: holder.state() for name, holder in self._registered.items()}
        return {
            "fingerprint": self._fingerprint,
            "results": dict(self._results),
            "stage": self._stage,
            "step": self._step,
            "loop": loop_state,
            "registered": self._unclaimed | states,
            "seconds": self.seconds,
            "stage began": self._stage_began,
        }

    def _write(self, state: State) -> None:
        assert self._folder is not None
        self._folder.save(state)
        self._unsaved = None
        self._last_checkpoint = time.monotonic()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        if not self.ranks.is_first:
            for number in SIGNALS:  # the first one ends, and torchrun the others
                self._handlers[number] = signal.signal(number, signal.SIG_IGN)
        elif self._folder is not None:
            ours = (signal.default_int_handler, signal.SIG_DFL, raise_interrupted)
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if handler in ours:  # else it is somebody else's, or ignored
                    self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            if isinstance(error, KeyboardInterrupt):
                self.keep()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None or not self._in_stage or is_in_activity():
            raise Interrupted(number)
        self._signal = number
        self._timer = threading.Timer(PATIENCE, self._repeat, (number,))
        self._timer.daemon = True
        self._timer.start()

    def _repeat(self, number: int) -> None:
        """Send the signal a second time, which ends the step or the stage; a checkpoint that is being written
        is finished, and the run ends behind it."""
        if self._is_saving:
            return
        if hasattr(signal, "pthread_kill"):  # which wakes a thread that waits, too
            signal.pthread_kill(threading.main_thread().ident or 0, number)
        else:
            _thread.interrupt_main(signal.Signals(number))


def software() -> str:
    """The versions of what computes: with others a run can't go on."""
    return f"rudcodec {version('rudcodec')}, torch {torch.__version__}"


def check_same(where: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], advice: str = "") -> None:
    """Raise SettingError, which begins with ``where`` and ends with ``advice``, at the first thing that two
    runs differ in."""
    for name in (*theirs, *ours):
        if theirs.get(name) != ours.get(name):
            raise SettingError(f"{where} {name} {theirs.get(name)}, not {ours.get(name)}{advice}")
