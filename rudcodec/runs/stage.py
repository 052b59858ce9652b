"""A stage: the unit that pipelines are made of, and that journals keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rudcodec.runs.checkpoints import State


def always(encoding: Any) -> bool:
    """A stage that is always needed."""
    return True


@dataclass(frozen=True)
class Stage:
    """A named stage of an encode.

    Attributes:
        name: in checkpoints, reports and ``--dry-run``; no two stages of a pipeline share one.
        run: does the work on a :class:`rudcodec.distill.encoding.Encoding`; what it returns is kept in the
            encoding's ``results`` under the stage's name, and in checkpoints. What else it changes must be
            registered with the journal, see :class:`rudcodec.runs.Journal`.
        shared: every process runs it, and shares its steps; else the first one does it for all.
        timed: it has a loop of steps, a few of which tell ``--dry-run`` what all take.
        is_needed: asked before it is run, with the encoding; it may look at the results of earlier stages
            alone, so that a run that goes on decides alike.
    """

    name: str
    run: Callable[[Any], State]
    shared: bool = False
    timed: bool = False
    is_needed: Callable[[Any], bool] = always
